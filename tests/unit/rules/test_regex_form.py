# SPDX-License-Identifier: Apache-2.0
"""The text that every match of a pattern holds: what the index looks for instead of running the pattern."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from innerwarden.errors import RuleError
from innerwarden.rules.regex_form import engine_pattern
from innerwarden.rules.regex_tree import Flags
from tests.unit.rules.test_regex import PATTERNS


@pytest.mark.parametrize(
    ("pattern", "needs"),
    [
        (r"curl\s+.*\|\s*sh", (b"curl",)),
        ("(curl|wget) .*sh", (b"curl ", b"wget ")),
        ("(?i)NcAt", (b"ncat",)),
        ("x?abc", (b"abc", b"xabc")),
        ("[ab]cd", (b"acd", b"bcd")),
        ("(ab){2}", (b"abab",)),
        ("(abc)+", (b"abc",)),
        ("(abc)*x", ()),
        ("abc|.", ()),
        (".*", ()),
        ("Größe", ("größe".encode(),)),
        ("ab\x1acd", (b"ab",)),
        (r"a\.b/c", (b"a.b/c",)),
    ],
)
def test_needed_text(pattern: str, needs: tuple[bytes, ...]) -> None:
    assert engine_pattern(pattern, Flags())[1] == needs


@settings(max_examples=300, deadline=None)
@given(PATTERNS, st.data())
def test_every_match_holds_a_needed_text(pattern: str, data: st.DataObject) -> None:
    """Hypothesis makes texts that Python's engine matches."""
    try:
        needs = engine_pattern(pattern, Flags())[1]
        text = data.draw(st.from_regex(re.compile(pattern, re.ASCII)))
    except (RuleError, re.error):
        return
    if needs:
        assert any(need in text.encode("utf-8", "replace").lower() for need in needs), (pattern, text)

# SPDX-License-Identifier: Apache-2.0
"""The engine's regular expressions: what is refused, which bytes they see, and that the index never loses a match."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from innerwarden_core import FIELDS, OPERATORS, Engine, Predicate, Rule
from innerwarden_core.anchors import INDEX_FROM
from innerwarden_core.regex import Regex

from innerwarden.model._wire import Kind
from innerwarden.modules.factory import encode

EXE = FIELDS["exe_path"]
RE = OPERATORS["re"]


def engine(patterns: list[bytes], needs: list[bytes] | None = None, others: int = 0) -> Engine:
    def rule(owner: str, predicate: Predicate) -> Rule:
        return Rule(owner, [int(Kind.PROCESS_EXEC)], [predicate], [(0, -1, -2)])

    rules = [rule("r", Predicate(EXE, RE, patterns, True, needs or []))]
    for number in range(others):
        never = Predicate(EXE, OPERATORS["equals"], [b"/never/%d" % number])
        rules.append(rule(f"never_{number}", never))
    made = Engine()
    made.configure(rules, [], [])
    return made


def hits(made: Engine, path: bytes) -> int:
    return len(made.feed(encode("process.exec", exe_path=path, filename="", argv=["x"], comm="x")))


@pytest.mark.parametrize("pattern", [b"(", b"(?=a)", b"a{1001}", rb"(a)\1", b"\xff"])
def test_what_re2_refuses_is_a_value_error_with_its_reason(pattern: bytes) -> None:
    with pytest.raises(ValueError, match="regular expression"):
        Regex(pattern)
    with pytest.raises(ValueError, match="exe_path re: regular expression"):
        Predicate(EXE, RE, [pattern])


def test_only_text_has_patterns() -> None:
    with pytest.raises(ValueError, match="number"):
        Predicate(FIELDS["uid"], RE, [b"1"])
    with pytest.raises(ValueError, match="ip"):
        Predicate(FIELDS["src_ip"], RE, [b"1"])
    with pytest.raises(ValueError, match="at least one"):
        Predicate(EXE, RE, [])


def test_any_pattern_suffices_and_case_counts() -> None:
    made = engine([b"ab+c", b"^x"])
    assert [hits(made, text) for text in (b"-abbc-", b"xy", b"yx", b"ABC", b"a")] == [1, 1, 0, 0, 0]


def test_a_rule_is_looked_at_when_the_field_holds_what_its_pattern_needs() -> None:
    """`needs` is believed: a wrong one shows that the index decides first."""
    assert hits(engine([b"a.c"], [b"zz"], others=INDEX_FROM), b"abc") == 0
    assert hits(engine([b"a.c"], [b"ab"], others=INDEX_FROM), b"ABC abc") == 1
    assert hits(engine([b"a.c"], others=INDEX_FROM), b"abc") == 1


@settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.sampled_from([b"a", b"\xc3\xa9", b"\xf0\x9f\x98\x80", b"\xff", b"\x80", b"\xe0\x9f\xbf"]),
        min_size=1,
    )
)
def test_bytes_that_are_no_text_are_one_character_each(parts: list[bytes]) -> None:
    """As Python decodes, with one SUB for every byte that it cannot."""
    raw = b"".join(parts)
    text = re.sub("[\udc80-\udcff]", "\x1a", raw.decode("utf-8", "surrogateescape"))
    assert hits(engine([b"^.{%d}$" % len(text)]), raw) == 1
    spelt = "".join(f"\\x{{{ord(character):x}}}" for character in text)
    assert hits(engine([f"^{spelt}$".encode()]), raw) == 1


def test_a_hostile_text_costs_linear_time() -> None:
    made = engine([b"(x+x+)+y", b"(.*)(.*)(.*)z$"])
    assert hits(made, b"x" * 60_000) == 0

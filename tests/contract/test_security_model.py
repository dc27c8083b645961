# SPDX-License-Identifier: Apache-2.0
"""What the security model rests on is there: every file and test that it names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs/security-model.md").read_text(encoding="utf-8")
PLACES = (
    "",
    "innerwarden",
    "innerwarden/agent",
    "tests",
    "tests/unit/core",
    "tests/unit/dashboard",
    "tests/kernel",
)
NAMED = sorted(set(re.findall(r"`([a-z_/]+/?(?:[a-z_]+\.py|))`", DOCUMENT)) - {""})


@pytest.mark.parametrize("name", [name for name in NAMED if name.endswith(".py")])
def test_what_is_named_exists(name: str) -> None:
    assert any((ROOT / place / name).is_file() for place in PLACES), name


def test_the_document_names_tests() -> None:
    assert len([name for name in NAMED if "test_" in name]) > 15

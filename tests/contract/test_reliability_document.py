# SPDX-License-Identifier: Apache-2.0
"""docs/reliability.md has a row for each fault test and none without; each level exists, and each is led to."""

from __future__ import annotations

import re

from innerwarden.ctl.levels import LEVELS
from tests.faults.__main__ import PATH, render
from tests.faults.results import ROOT, declared, recorded

FAULTS = declared()
TEXT = PATH.read_text("utf-8")


def test_the_document_is_of_the_tests_and_their_run() -> None:
    assert render(TEXT) == TEXT, "stale; write it again: python -m tests.faults"


def test_every_fault_has_a_row_with_its_result_and_every_row_a_test() -> None:
    rows = re.findall(r"\| ([^|]*)\| [^|]* \| [^|]* \| \[`(\w+)`\]\(\.\./([\w/.]+)\) \|$", TEXT, re.MULTILINE)
    assert sorted(f"{path}::{name}" for _, name, path in rows) == sorted(one.test for one in FAULTS)
    assert {one.test for one in FAULTS} == set(recorded()), "run `make test-faults`"
    assert not [row for row in rows if not re.match(r"passed|skipped: \S", row[0])]
    assert all((ROOT / path).is_file() for _, _, path in rows)


def test_levels_of_tests_are_those_of_the_product() -> None:
    named = {level for one in FAULTS for level in one.levels}
    assert named <= set(LEVELS)
    # What reports say of these has tests in tests/unit/ctl/test_levels.py.
    elsewhere = {"kernel_absent", "hooks_lost", "findings_lost", "source_rests", "detector_disabled"}
    assert set(LEVELS) - named == elsewhere


def test_two_faults_have_two_names() -> None:
    assert len({one.fault for one in FAULTS}) == len(FAULTS)

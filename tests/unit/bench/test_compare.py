# SPDX-License-Identifier: Apache-2.0
"""A run against the recorded one: what must fail, and what noise may do."""

from __future__ import annotations

from typing import Any

import pytest

from bench import compare


def row(ratio: float | None = 10.0, **more: Any) -> dict[str, Any]:
    found = {
        "row": 11,
        "what": "lines",
        "value": 1.0,
        "unit": "us",
        "ratio": ratio,
        "gate": ">= 5 x",
        "passed": True,
        "spread": 0.1,
        "rounds": 9,
        "note": "",
        "lower_is_better": False,
    }
    return found | more


@pytest.mark.parametrize("ratio", [10.0, 30.0, 7.6])
def test_a_ratio_within_the_noise_passes(ratio: float) -> None:
    assert compare.failures([row(ratio)], [row()], set()) == []


def test_a_ratio_that_fell_by_more_is_told_with_both_figures() -> None:
    (line,) = compare.failures([row(7.4)], [row()], set())
    assert line.startswith("row 11 lines: ratio to its peer 7.4 x, recorded 10 x, at least 7.5 x")


def test_where_less_is_better_a_rise_fails() -> None:
    then = row(1.0, lower_is_better=True)
    assert compare.failures([row(1.3, lower_is_better=True)], [then], set()) == []
    (line,) = compare.failures([row(1.4, lower_is_better=True)], [then], set())
    assert "at most 1.33 x" in line


def test_wild_rounds_allow_more_but_never_everything() -> None:
    wild = row(spread=1.0, rounds=9)
    assert compare.failures([row(4.5)], [wild], set()) == []
    assert compare.failures([row(3.9)], [wild], set()) != []
    assert compare.failures([row(2.4)], [row(spread=9.0, rounds=3)], set()) != []


def test_a_missed_gate_fails_without_a_ratio() -> None:
    (line,) = compare.failures([row(None, passed=False, value=9.0)], [row(None)], set())
    assert line == "row 11 lines: 9 us, gate >= 5 x: missed"


def test_a_row_that_cannot_be_measured_any_more_fails_with_the_reason() -> None:
    gone = row(None, what="auth_log", value=None, passed=None, note="not measured: fail2ban is missing")
    (line,) = compare.failures([gone], [row()], set())
    assert line.startswith("row 11 lines: not measured: fail2ban is missing")


def test_rows_that_nobody_asked_for_are_not_missed() -> None:
    assert compare.failures([row()], [row(), row(row=3, what="other")], {11}) == []
    assert len(compare.failures([row()], [row(), row(row=3, what="other")], set())) == 1


def test_what_the_baseline_has_not_is_held_against_its_gate_alone() -> None:
    assert compare.failures([row(0.1)], [], set()) == []

# SPDX-License-Identifier: Apache-2.0
"""The benchmarks' own arithmetic, and that their C helpers compile and count."""

from __future__ import annotations

import shutil

import pytest

from bench import measure, table
from bench.sensor import load


def test_interleaved_reverses_every_other_round() -> None:
    order: list[str] = []

    def variant(name: str) -> float:
        order.append(name)
        return 1.0

    times = measure.interleaved(2, {"a": lambda: variant("a"), "b": lambda: variant("b")})
    assert order == ["a", "b", "b", "a"]
    assert times == {"a": [1.0, 1.0], "b": [1.0, 1.0]}


def test_spread_is_relative_to_the_median() -> None:
    assert measure.spread([1.0, 2.0, 4.0]) == 1.5
    assert measure.spread([0.0, 0.0]) == 0.0


def test_table_marks_what_was_missed_and_what_was_not_measured() -> None:
    rows = [
        measure.Result(row=1, what="fast", value=2.0, unit="s", ratio=3.0, passed=True).as_dict(),
        measure.Result(row=2, what="slow", value=2.0, unit="s", passed=False).as_dict(),
        measure.Result(row=3, what="absent", note="not measured: no kernel").as_dict(),
    ]
    lines = table.render(rows).splitlines()
    assert " ok " in lines[2] and "3 x" in lines[2]
    assert "MISSED" in lines[3]
    assert "MISSED" not in lines[4] and "not measured: no kernel" in lines[5]


def test_a_helper_that_does_not_compile_is_unavailable_not_a_crash() -> None:
    with pytest.raises(measure.Unavailable, match="cannot compile child"):
        measure.program("child.c", "-DBROKEN", "-include", "no_such_header.h")


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc: apt-get install gcc")
def test_the_load_counts_what_it_made() -> None:
    made = load("opens", "/etc/hostname", 512, 0)
    assert made.count == 512
    assert 0 < made.median_ns < made.total_ns

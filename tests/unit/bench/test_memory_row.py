# SPDX-License-Identifier: Apache-2.0
"""Row 14 reads what the heap budget prints."""

from __future__ import annotations

import pytest

from bench import row14_memory

TOLD = """
sensor: ok
  given           100,000 processes (100,000 executed), 200,000 addresses in 9 lines, in 40 s
  heap            at most 41.5 MiB in the last half, 40.9 at the end (goal 32, gate 64)
  growth          +0.25 MiB over the last half, +1.50 bytes an event (let pass: 1.00 MiB)
  apart           20.0 MiB in fixed tables
  helpers         3.0 MiB in processes of its own
agent: MISSED
  given           20,000 findings, 300 requests, in 60 s
  heap            at most 120.0 MiB in the last half, 120.0 at the end (goal 64, gate 100)
  growth          +2.00 MiB over the last half, +99.00 bytes an event (let pass: 1.00 MiB)
  apart           0.0 MiB in fixed tables
  helpers         0.0 MiB in processes of its own
agent FAILED: 120.0 MiB are more than 100 MiB
"""


def test_each_process_is_a_row_with_what_it_weighed() -> None:
    sensor, agent = row14_memory.results(TOLD)
    assert (sensor.value, sensor.passed) == (41.5, True)
    assert sensor.note.startswith("+0.25 MiB over the last half")
    assert (agent.value, agent.passed) == (120.0, False)
    assert "more than 100 MiB" in agent.note


@pytest.mark.parametrize("told", ["", "not measured: needs root\n"])
def test_without_figures_there_are_no_rows(told: str) -> None:
    assert row14_memory.results(told) == []

# SPDX-License-Identifier: Apache-2.0
"""What the memory budget calls growth: a leak of 100 bytes an event fails through the noise, a plateau passes."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from bench.heap.series import MIB, Sample, growth, most

#: (events in all, what they are): the least that a run makes of either process, and the most.
RUNS = [60_000, 100_000, 1_500_000]


def series(events: int, heap: Callable[[int], float], noise: float = 0.0, count: int = 200) -> list[Sample]:
    """`count` samples over the events, `noise` MiB up or down; fixed tables of 20 MiB beside."""
    chance = random.Random(7)
    made = [events * number // (count - 1) for number in range(count)]
    tables = 20 * MIB
    return [Sample(n, int(heap(n) + chance.uniform(-noise, noise) * MIB) + tables, tables) for n in made]


@pytest.mark.parametrize("events", RUNS[1:])
@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_a_leak_is_no_plateau(events: int, noise: float) -> None:
    found = growth(series(events, lambda n: 30 * MIB + 100 * n, noise))
    assert not found.flat
    assert found.per_event == pytest.approx(100, rel=0.25)


def test_the_smallest_run_sees_a_leak_in_what_malloc_takes_for_it() -> None:
    """100 bytes are 112 of malloc's; noise of 0.2 MiB is more than a run shows."""
    assert not growth(series(60_000, lambda n: 30 * MIB + 112 * n, 0.2)).flat


@pytest.mark.parametrize("events", RUNS)
def test_noise_is_no_growth(events: int) -> None:
    found = growth(series(events, lambda _: 30 * MIB, 1.0))
    assert found.flat


@pytest.mark.parametrize("events", RUNS)
def test_what_fills_in_the_first_half_is_no_growth(events: int) -> None:
    assert growth(series(events, lambda n: 20 * MIB + min(n, events * 0.4) * 200)).flat


def test_one_step_of_an_arena_is_no_growth() -> None:
    assert growth(series(100_000, lambda n: 30 * MIB + (MIB if n > 75_000 else 0))).flat


def test_a_burst_that_ends_counts_for_the_most_and_not_as_growth() -> None:
    samples = series(100_000, lambda n: (60 if 80_000 < n < 82_000 else 30) * MIB)
    assert growth(samples).flat
    assert most(samples) == 60 * MIB


def test_what_was_heavy_before_the_last_half_is_not_asked_about() -> None:
    assert most(series(100_000, lambda n: (90 if n < 40_000 else 30) * MIB)) == 30 * MIB


def test_tables_are_apart() -> None:
    assert most(series(100_000, lambda _: 30 * MIB)) == 30 * MIB


def test_too_few_samples_say_nothing() -> None:
    with pytest.raises(ValueError, match="too few"):
        growth(series(100_000, lambda _: 30 * MIB, count=12))

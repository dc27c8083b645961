# SPDX-License-Identifier: Apache-2.0
"""What a process weighed while events went by, and whether that was flat in the end."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

MIB = 1 << 20
#: Growth over the last half that is no growth yet: steps of the allocator and of Python's arenas, which are 1 MiB,
#: and what is so little an event that a million of them are lost in those steps.
NOISE_BYTES = MIB
NOISE_BYTES_PER_EVENT = 2.0
#: Pairs grow with the square; so many samples give a slope that one more would not move.
MOST_SAMPLES = 400
FEWEST_SAMPLES = 10


@dataclass(frozen=True, slots=True)
class Sample:
    """`heap` is `anonymous` without the `tables`; bytes. `events` were made by then."""

    events: int
    anonymous: int
    tables: int

    @property
    def heap(self) -> int:
        return self.anonymous - self.tables


@dataclass(frozen=True)
class Growth:
    """Over the last half of the events: median slope, what it comes to, what would be let pass; bytes."""

    per_event: float
    grown: float
    allowed: float

    @property
    def flat(self) -> bool:
        return self.grown <= self.allowed


def slope(points: Sequence[tuple[int, int]]) -> float:
    """Theil and Sen's: the median of the slopes between all pairs, which a third of wild points does not move."""
    slopes = [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2) if x1 != x2]
    return statistics.median(slopes) if slopes else 0.0


def last_half(samples: Sequence[Sample]) -> list[Sample]:
    """Those taken while the second half of the events was made."""
    begin = samples[-1].events / 2
    return [sample for sample in samples if sample.events >= begin]


def growth(samples: Sequence[Sample]) -> Growth:
    """Raises ValueError for too few samples to say anything."""
    half = last_half(samples)
    if len(half) < FEWEST_SAMPLES:
        raise ValueError(f"{len(half)} samples in the last half are too few, {FEWEST_SAMPLES} are needed")
    thin = half[:: -(-len(half) // MOST_SAMPLES)]
    per_event = slope([(sample.events, sample.heap) for sample in thin])
    events = half[-1].events - half[0].events
    return Growth(per_event, per_event * events, NOISE_BYTES + NOISE_BYTES_PER_EVENT * events)


def most(samples: Sequence[Sample]) -> int:
    """The largest heap of the last half, bytes."""
    return max(sample.heap for sample in last_half(samples))

# SPDX-License-Identifier: Apache-2.0
"""Plain Python twin of the native detector c2_callback, for one program, address and port."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

TIMES = 24


def is_even(intervals: list[int], tight: int, loose: int) -> bool:
    """Nanoseconds between calls."""
    middle = sorted(intervals)[len(intervals) // 2]
    if not 5_000_000_000 <= middle <= 7_200_000_000_000:
        return False
    spread = sorted(abs(one - middle) for one in intervals)[len(intervals) // 2] * 100 // middle
    short = sum(one * 100 < middle * 40 for one in intervals)
    long = sum(one * 100 > middle * 160 for one in intervals)
    count = len(intervals)
    if count >= tight and spread <= 8 and short <= count * 0.1 and long <= count * 0.2:
        return True
    return count >= loose and spread <= 30 and short <= count * 0.05 and long <= count * 0.15


def hits(times_ns: Iterable[int], tight: int = 8, loose: int = 16) -> list[int]:
    """Moments of the calls, rising -> those at which the program is told, without a cooldown."""
    kept: list[int] = []
    told = []
    newest = 0
    for now in times_ns:
        if now < newest + 1_000_000_000:
            continue
        if kept and now - newest > 3 * 7_200_000_000_000:
            kept = []
        newest = now
        kept = [*kept, now][-TIMES:]
        if len(kept) > tight and is_even([b - a for a, b in pairwise(kept)], tight, loose):
            told.append(now)
            kept = []
    return told

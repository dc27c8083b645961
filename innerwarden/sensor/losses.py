# SPDX-License-Identifier: Apache-2.0
"""What was lost and when, so that a verdict can say what it could not see."""

from __future__ import annotations

from collections import deque

NS = 1_000_000_000
#: A finding's window is rarely longer; older losses stay in the totals only.
REMEMBER_NS = 3600 * NS
MAX_ENTRIES = 4096
#: Before a program's name: it was not called at its hook (see KernelSource.skipped).
SKIPPED = "skipped."


class LossLedger:
    """Running totals per place, and the increases of the last hour with their time (realtime ns)."""

    def __init__(self) -> None:
        self.totals: dict[str, int] = {}
        self._increases: deque[tuple[int, str, int]] = deque(maxlen=MAX_ENTRIES)

    def update(self, now_ns: int, totals: dict[str, int]) -> None:
        """Take the current totals; an increase is booked at `now_ns`."""
        for place, total in totals.items():
            delta = total - self.totals.get(place, 0)
            if delta > 0:
                self._increases.append((now_ns, place, delta))
            self.totals[place] = total
        while self._increases and self._increases[0][0] < now_ns - REMEMBER_NS:
            self._increases.popleft()

    def shift(self, moved_ns: int) -> None:
        """Book what is remembered by a wall clock that was set by `moved_ns`."""
        booked = [(ts_ns + moved_ns, place, delta) for ts_ns, place, delta in self._increases]
        self._increases = deque(booked, maxlen=MAX_ENTRIES)

    def between(self, start_ns: int, end_ns: int) -> dict[str, int]:
        """Lost per place in [start, end]; an increase counts from one report before it was booked."""
        slack_ns = 2 * NS
        lost: dict[str, int] = {}
        for ts_ns, place, delta in self._increases:
            if start_ns <= ts_ns and ts_ns - slack_ns <= end_ns:
                lost[place] = lost.get(place, 0) + delta
        return lost

    def sentences(self, start_ns: int, end_ns: int) -> tuple[str, ...]:
        """The same for a person; empty when nothing was lost."""
        return tuple(
            _sentence(place, count) for place, count in sorted(self.between(start_ns, end_ns).items())
        )


def _sentence(place: str, count: int) -> str:
    if place.startswith(SKIPPED):
        return f"the kernel left out {place.removeprefix(SKIPPED)} {count} times in this time"
    return f"{count} records were lost at {place} in this time"

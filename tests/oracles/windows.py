# SPDX-License-Identifier: Apache-2.0
"""What a correlation means, by keeping every event since the key last fired and looking at all of them."""

from __future__ import annotations

import itertools
from collections.abc import Hashable
from dataclasses import dataclass, field

CONDITIONS = {
    "gt": int.__gt__,
    "ge": int.__ge__,
    "lt": int.__lt__,
    "le": int.__le__,
    "eq": int.__eq__,
    "ne": int.__ne__,
}
BUCKETS = 32


@dataclass(frozen=True)
class Event:
    key: Hashable
    ts_ns: int
    step: int = 0
    value: Hashable = None
    weight: int = 1
    record: int = 0
    """Number of the record: one record is never two steps of an order."""


@dataclass
class Oracle:
    kind: str
    timespan_ns: int
    operator: str = "ge"
    threshold: int = 1
    steps: int = 1
    needed: int = 0
    """temporal: how many of the steps; 0: all."""
    exact: bool = True
    """event_count by time stamps; False: by counters of timespan/32."""
    _events: dict[Hashable, list[Event]] = field(default_factory=dict)

    def add(self, event: Event) -> int | None:
        """The count with which the key fires at this event, or None."""
        events = self._events.setdefault(event.key, [])
        newest = max([event.ts_ns, *(e.ts_ns for e in events)])
        if event.ts_ns + self.timespan_ns < newest and self.exact:
            return None
        events.append(event)
        inside = [e for e in events if e.ts_ns + self.timespan_ns >= newest]
        count = self._count(events, inside, newest)
        if count is None or not CONDITIONS[self.operator](count, self.threshold):
            return None
        events.clear()
        return count

    def held(self, key: Hashable) -> int:
        """What the key's window holds now: events, values, steps, or steps in order."""
        events = self._events.get(key, [])
        if not events:
            return 0
        newest = max(e.ts_ns for e in events)
        inside = [e for e in events if e.ts_ns + self.timespan_ns >= newest]
        if self.kind == "temporal":
            return len({e.step for e in inside})
        if self.kind == "temporal_ordered":
            return next((n for n in range(self.steps, 0, -1) if self._in_order(inside, n)), 0)
        return self._count(events, inside, newest) or 0

    def _count(self, events: list[Event], inside: list[Event], newest: int) -> int | None:
        if self.kind == "event_count" and self.exact:
            return sum(e.weight for e in inside)
        if self.kind == "event_count":
            bucket = self.timespan_ns // BUCKETS
            return sum(e.weight for e in events if newest // bucket - e.ts_ns // bucket <= BUCKETS)
        if self.kind == "value_count":
            return len({e.value for e in inside})
        if self.kind == "temporal":
            found = len({e.step for e in inside})
            return self.threshold if found >= (self.needed or self.steps) else None
        return self.threshold if self._in_order(inside) else None

    def _in_order(self, inside: list[Event], steps: int = 0) -> bool:
        """Whether some choice of one event for each of the first steps is in order of time, then of arrival."""
        by_step = [[e for e in inside if e.step == s] for s in range(steps or self.steps)]
        return any(
            all((a.ts_ns, a.record) < (b.ts_ns, b.record) for a, b in itertools.pairwise(chosen))
            for chosen in itertools.product(*by_step)
        )

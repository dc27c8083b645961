# SPDX-License-Identifier: Apache-2.0
"""Sliding windows for Python detectors: bounded, by event time, never by the wall clock.

Each holds at most `max_keys` keys and MAX_PER_KEY moments a key; the least recently touched key goes first
and `evicted` counts it. Sigma correlations use the engine's own windows, which are native.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Generic, TypeVar

NS = 1_000_000_000
MAX_PER_KEY = 1024

Row = TypeVar("Row")


class _Keyed(Generic[Row]):
    """Rows by key, the least recently touched dropped beyond the bound."""

    def __init__(self, window_s: float, max_keys: int) -> None:
        if window_s <= 0 or max_keys < 1:
            raise ValueError(f"window_s is {window_s} and max_keys {max_keys}; both must be positive")
        self.window_ns = int(window_s * NS)
        self.max_keys = max_keys
        self.evicted = 0
        self._rows: OrderedDict[Hashable, Row] = OrderedDict()

    def __len__(self) -> int:
        return len(self._rows)

    def _touch(self, key: Hashable, fresh: Row) -> Row:
        row = self._rows.setdefault(key, fresh)
        self._rows.move_to_end(key)
        if len(self._rows) > self.max_keys:
            self._rows.popitem(last=False)
            self.evicted += 1
        return row

    def forget(self, key: Hashable) -> None:
        """Drop a key's state, so that the next window starts empty."""
        self._rows.pop(key, None)


class EventCount(_Keyed[deque[int]]):
    """How many events of a key lie in the window that ends at the newest one."""

    def __init__(self, window_s: float, max_keys: int = 4096) -> None:
        super().__init__(window_s, max_keys)

    def add(self, key: Hashable, ts_ns: int) -> int:
        moments = self._touch(key, deque(maxlen=MAX_PER_KEY))
        moments.append(ts_ns)
        while moments and moments[0] <= ts_ns - self.window_ns:
            moments.popleft()
        return len(moments)

    def count(self, key: Hashable, ts_ns: int) -> int:
        """The same without adding."""
        return sum(ts_ns - self.window_ns < moment <= ts_ns for moment in self._rows.get(key, ()))


class ValueCount(_Keyed[OrderedDict[Hashable, int]]):
    """How many different values a key has shown in the window that ends at the newest one."""

    def __init__(self, window_s: float, max_keys: int = 4096) -> None:
        super().__init__(window_s, max_keys)

    def add(self, key: Hashable, value: Hashable, ts_ns: int) -> int:
        seen = self._touch(key, OrderedDict())
        seen[value] = ts_ns
        seen.move_to_end(value)
        while seen and (len(seen) > MAX_PER_KEY or next(iter(seen.values())) <= ts_ns - self.window_ns):
            seen.popitem(last=False)
        return len(seen)

    def values(self, key: Hashable) -> tuple[Hashable, ...]:
        """The key's values, oldest first."""
        return tuple(self._rows.get(key, ()))


class Sequence(_Keyed[list[int]]):
    """Steps 0..n-1 that a key must show in order within the window."""

    def __init__(self, steps: int, window_s: float, max_keys: int = 4096) -> None:
        super().__init__(window_s, max_keys)
        if steps < 2:
            raise ValueError(f"a sequence of {steps} steps; it needs at least two")
        self.steps = steps

    def advance(self, key: Hashable, step: int, ts_ns: int) -> bool:
        """Record one step; True when the last one completes the sequence, which then starts anew.

        For each step the latest start of a chain that reaches it is kept, so that an old first step never
        hides a newer one.
        """
        starts = self._touch(key, [-1] * self.steps)
        if step == 0:
            starts[0] = ts_ns
            return False
        begun = starts[step - 1]
        if begun < 0 or begun <= ts_ns - self.window_ns:
            return False
        starts[step] = max(starts[step], begun)
        if step < self.steps - 1:
            return False
        self.forget(key)
        return True

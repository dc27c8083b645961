# SPDX-License-Identifier: Apache-2.0
"""Cooldown for Python detectors; rules and native detectors have theirs in the engine."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection

MAX_KEYS = 16384


class Cooldown:
    """Folds equal findings: the first passes, the rest of the period are counted into the next one."""

    def __init__(self, max_keys: int = MAX_KEYS) -> None:
        self._last: OrderedDict[tuple[str, ...], tuple[int, int, int]] = OrderedDict()
        self._max_keys = max_keys
        self.evicted = 0

    def forget(self, detectors: Collection[str]) -> None:
        """Drop what is known of these, by the first part of the key."""
        for key in [key for key in self._last if key[0] in detectors]:
            del self._last[key]

    def admit(self, key: tuple[str, ...], ts_ns: int, period_ns: int, rank: int) -> int | None:
        """Number folded since the last admitted one, or None when this one is folded.

        A higher severity `rank` than the last admitted always passes: noise never mutes what is worse.
        """
        last = self._last.get(key)
        if last is not None:
            admitted_ns, folded, last_rank = last
            if 0 <= ts_ns - admitted_ns < period_ns and rank <= last_rank:
                self._last[key] = (admitted_ns, folded + 1, last_rank)
                return None
        self._last[key] = (ts_ns, 0, rank)
        self._last.move_to_end(key)
        if len(self._last) > self._max_keys:
            self._last.popitem(last=False)
            self.evicted += 1
        return last[1] if last else 0

# SPDX-License-Identifier: Apache-2.0
"""One scheduler for every inventory collector: small slices from the sensor's loop, and a count of what went wrong.

A look that is due is worked off slice by slice, one slice a collector and tick, all of them together within
TICK_MS. An exception ends a look, never a collector: it is counted, shown, and the next look comes later the more
often it happens in a row.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from innerwarden_core import Engine, Hit

from innerwarden.clock import realtime_ns
from innerwarden.log import safe
from innerwarden.model.health import CollectorHealth
from innerwarden.sensor.inventory.collector import Collector, Look

logger = logging.getLogger(__name__)

#: The loop ticks every 100 ms, so that everything together never takes more than 2 % of a core, and its detection
#: is never more than this later.
TICK_MS = 2.0
#: A slice that took more than this many times its budget counts as an overrun.
OVERRUN = 4
#: Failures in a row after which a collector counts as absent.
MAX_FAILURES = 3
LONGEST_BACK_OFF_S = 3600.0
NS_PER_MS = 1_000_000


class Scheduled:
    """One collector's place in the schedule. Times are seconds of the clock that `tick` is given."""

    def __init__(self, collector: Collector, cadence_s: float, due: float) -> None:
        self.collector = collector
        self.cadence_s = cadence_s
        self.due = due
        self.began = 0.0
        self.look: Look | None = None
        self.used_ns = 0
        self.last_ms = 0.0
        self.looks = 0
        self.facts = 0
        self.overruns = 0
        self.errors = 0
        self.failures = 0
        self.error = ""
        self.obstacle = ""

    def begin(self, now: float) -> bool:
        """Open a look, or note what stands in the way until the next time."""
        self.obstacle = self.collector.obstacle()
        if self.obstacle:
            self.due = now + self.cadence_s
            return False
        self.look, self.began, self.used_ns = self.collector.look(), now, 0
        return True

    def finish(self, now: float) -> None:
        """A look that took longer than its cadence is an overrun, and the next one begins at once."""
        self.look, self.failures, self.error = None, 0, ""
        self.looks += 1
        self.last_ms = self.used_ns / NS_PER_MS
        if now - self.began > self.cadence_s:
            self.overruns += 1
        self.due = max(self.began + self.cadence_s, now)

    def fail(self, now: float, error: Exception) -> None:
        self.look = None
        self.errors += 1
        self.failures += 1
        wait = min(self.cadence_s * 2**self.failures, max(LONGEST_BACK_OFF_S, self.cadence_s))
        self.due = now + wait
        self.error = (
            f"raised {self.failures} times in a row, next try after {wait:.0f} s: {safe(repr(error))}"
        )

    def health(self, now: float) -> CollectorHealth:
        state = "working" if self.looks and not self.failures else "unconfirmed"
        if self.obstacle or self.failures >= MAX_FAILURES:
            state = "absent"
        waiting = "" if self.looks or self.failures else "the first look is not over"
        baseline = self.collector.baseline
        refused = baseline.refused if baseline else ""
        told = (self.obstacle, self.error, refused, self.collector.remark(), waiting)
        return CollectorHealth(
            id=self.collector.id,
            state=state,
            reason="; ".join(filter(None, told if not self.obstacle else told[:1])),
            cadence_s=self.cadence_s,
            budget_ms=self.collector.budget_ms,
            next_due_s=round(max(self.due - now, 0.0), 1),
            last_ms=round(self.last_ms, 1),
            looks=self.looks,
            facts=self.facts,
            overruns=self.overruns,
            errors=self.errors,
        )


class Inventory:
    """Owns the collectors. One thread."""

    def __init__(
        self,
        engine: Engine,
        plan: list[tuple[Collector, float]],
        *,
        now: float,
        realtime: Callable[[], int] = realtime_ns,
    ) -> None:
        """`plan`: collectors with their cadence in seconds; first looks follow each other at 100 ms."""
        self._engine = engine
        self._realtime = realtime
        self.scheduled = [Scheduled(one, cadence, now + i / 10) for i, (one, cadence) in enumerate(plan)]
        self._first = 0
        self._wake = now

    def tick(self, now: float) -> list[Hit]:
        """Do what is due, for at most TICK_MS; what it found goes through the engine."""
        if now < self._wake:
            return []
        records: list[bytes] = []
        end_ns = time.perf_counter_ns() + int(TICK_MS * NS_PER_MS)
        count = len(self.scheduled)
        for offset in range(count):
            entry = self.scheduled[(self._first + offset) % count]
            if entry.look is None and (now < entry.due or not self._begin(entry, now)):
                continue
            if entry.look is not None:
                self._slice(entry, entry.look, now, end_ns, records)
            if time.perf_counter_ns() >= end_ns:
                self._first = (self._first + offset + 1) % count
                break
        self._wake = min((now if e.look is not None else e.due for e in self.scheduled), default=now + 60)
        return self._engine.feed(b"".join(records)) if records else []

    @staticmethod
    def _begin(entry: Scheduled, now: float) -> bool:
        try:
            return entry.begin(now)
        except Exception as error:
            _failed(entry, now, error)
            return False

    def _slice(self, entry: Scheduled, look: Look, now: float, end_ns: int, records: list[bytes]) -> None:
        """Steps until the budget or the tick is used up, or the look is over."""
        budget_ns = int(entry.collector.budget_ms * NS_PER_MS)
        cpu_ns = time.thread_time_ns()
        stop_ns = min(time.perf_counter_ns() + budget_ns, end_ns)
        error: Exception | None = None
        over = False
        try:
            while not over:
                fact = next(look)
                if fact is not None:
                    records.append(fact.record(self._realtime()))
                    entry.facts += 1
                over = time.perf_counter_ns() >= stop_ns
        except StopIteration:
            pass
        except Exception as raised:
            error = raised
        used_ns = time.thread_time_ns() - cpu_ns
        entry.used_ns += used_ns
        if used_ns > OVERRUN * budget_ns:
            entry.overruns += 1
        if error is not None:
            _failed(entry, now, error)
        elif not over:
            entry.finish(now)

    def health(self, now: float) -> list[CollectorHealth]:
        return [entry.health(now) for entry in self.scheduled]

    def save(self) -> None:
        """Store the baselines that changed; call it when what `tick` gave is on disk."""
        for entry in self.scheduled:
            if entry.collector.baseline is not None:
                entry.collector.baseline.save()


def _failed(entry: Scheduled, now: float, error: Exception) -> None:
    logger.warning("look failed collector=%s", entry.collector.id, exc_info=error)
    entry.fail(now, error)

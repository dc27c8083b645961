# SPDX-License-Identifier: Apache-2.0
"""Row 8: one process floods a watched file with opens while a thousand programs are run.

The real loader and engine, watching one file that nobody else has. What the generator made must be what the
engine got plus what the kernel's own counters say was lost, exactly; and every exec must arrive, whatever
happens to the opens.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from pathlib import Path

from innerwarden_core import FIELDS, OPERATORS, Engine, Predicate, Ring, Rule

from bench.measure import Result, need_root
from bench.sensor import Made, child, load
from innerwarden.config import KernelConfig
from innerwarden.model._wire import Kind
from innerwarden.sensor.kernel_watch import READ
from innerwarden.sensor.loader import KernelSource

EXECS = 1000
GOAL_RATE = 1e6


class Flood:
    """The load in its own threads, so that this one can drain."""

    def __init__(self, path: Path, seconds: float) -> None:
        self.made: dict[str, Made] = {}
        jobs = {
            "opens": ("flood", path, seconds, max(2, os.cpu_count() or 2)),
            "execs": ("spawn", child(), EXECS),
        }
        self._threads = [
            threading.Thread(target=self._run, args=(name, words)) for name, words in jobs.items()
        ]

    def _run(self, name: str, words: tuple[str | int | Path, ...]) -> None:
        self.made[name] = load(*words)

    def drain_until_done(self, engine: Engine, rings: list[Ring]) -> int:
        """Consume like the sensor does; returns the hits, one for each exec of the child."""
        for thread in self._threads:
            thread.start()
        hits = 0
        while any(thread.is_alive() for thread in self._threads):
            hits += len(engine.drain(rings, 10))
        deadline = time.monotonic() + 5
        while any(ring.pending() for ring in rings) and time.monotonic() < deadline:
            hits += len(engine.drain(rings, 10))
        return hits


def exec_rule() -> Rule:
    """One hit for every exec of the benchmark's child."""
    is_child = Predicate(FIELDS["exe_path"], OPERATORS["equals"], [bytes(child())], True)
    return Rule("child", [int(Kind.PROCESS_EXEC)], [is_child], [(0, -1, -2)])


def run(quick: bool) -> list[dict[str, object]]:
    need_root()
    source = KernelSource(KernelConfig())
    with tempfile.NamedTemporaryFile(prefix="iw-bench-flood-", dir="/tmp") as file:
        path = Path(file.name)
        source.start()
        try:
            source.watch_names({path.name: READ})
            engine = Engine()
            engine.configure([exec_rule()], [], [])
            rings = [Ring(fd, size, name) for fd, size, name in source.rings]
            engine.drain(rings, 0)
            before, kernel_before = records(engine), source.stats()
            flood = Flood(path, 2.0 if quick else 10.0)
            hits = flood.drain_until_done(engine, rings)
            after, kernel_after = records(engine), source.stats()
            for ring in rings:
                ring.close()
        finally:
            source.close()
    delivered = after.get("file.open", 0) - before.get("file.open", 0)
    lost = {
        kind: kernel_after["lost"].get(kind, 0) - kernel_before["lost"].get(kind, 0)
        for kind in kernel_after["lost"]
    }
    return results(flood, delivered, lost, hits)


def records(engine: Engine) -> dict[str, int]:
    return dict(engine.stats()["records"])


def results(flood: Flood, delivered: int, lost: dict[str, int], hits: int) -> list[dict[str, object]]:
    opens, execs = flood.made["opens"], flood.made["execs"]
    missing = opens.count - delivered - lost.get("file.open", 0)
    critical = sum(count for kind, count in lost.items() if kind != "file.open")
    rate = opens.count / opens.total_ns * 1e9
    return [
        Result(
            row=8,
            what="opens neither delivered nor counted",
            value=missing,
            unit="records",
            goal="0",
            gate="0",
            passed=missing == 0,
            note=f"made {opens.count:,} at {rate / 1e6:.2f} M/s = delivered {delivered:,} "
            f"+ counted lost {lost.get('file.open', 0):,}",
            details={"made": opens.count, "delivered": delivered, "rate": rate},
        ).as_dict(),
        Result(
            row=8,
            what="execs lost in the flood",
            value=execs.count - hits,
            unit=f"of {EXECS}",
            goal=f"0 at >= {GOAL_RATE / 1e6:.0f} M opens/s",
            gate="0",
            passed=hits == execs.count and critical == 0,
            note=f"lost records of all other kinds: {critical}",
        ).as_dict(),
    ]

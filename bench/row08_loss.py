# SPDX-License-Identifier: Apache-2.0
"""Row 8: one process floods a watched file with opens while a thousand programs are run.

The real loader and engine, watching one file that nobody else has. What the generator made must be what the
engine got plus what the kernel's own counters say was lost, exactly; and every exec must arrive, whatever
happens to the opens.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from innerwarden_core import FIELDS, OPERATORS, Engine, Predicate, Ring, Rule

from bench.measure import Result, need_root
from bench.sensor import Made, begin_together, child, ended
from innerwarden.config import KernelConfig
from innerwarden.model._wire import Kind
from innerwarden.sensor.kernel_watch import READ
from innerwarden.sensor.loader import KernelSource

EXECS = 1000
GOAL_RATE = 1e6


def flood(path: Path, seconds: float, engine: Engine, rings: list[Ring]) -> tuple[Made, Made, int]:
    """(opens made, execs made, hits: one for each exec that arrived); both loads begin at one moment.

    In the first half nobody empties the ring of the opens, as if the sensor did not get the CPU: it
    overflows, and what does not fit must be counted. Then both rings are consumed like the sensor does.
    """
    threads = max(2, os.cpu_count() or 2)
    hits = 0
    running = begin_together(("flood", path, seconds, threads), ("spawn", child(), EXECS))
    stalled_until = time.monotonic() + seconds / 2
    while any(process.poll() is None for process in running):
        stalled = time.monotonic() < stalled_until
        hits += len(engine.drain(rings[:1] if stalled else rings, 10))
    opens, execs = ended(running)
    deadline = time.monotonic() + 5
    while any(ring.pending() for ring in rings) and time.monotonic() < deadline:
        hits += len(engine.drain(rings, 10))
    return opens, execs, hits


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
            assert rings[0].name == "prio"
            engine.drain(rings, 0)
            before, kernel_before = records(engine), source.stats()
            opens, execs, hits = flood(path, 2.0 if quick else 10.0, engine, rings)
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
    return results(opens, execs, hits, delivered, lost)


def records(engine: Engine) -> dict[str, int]:
    return dict(engine.stats()["records"])


def results(
    opens: Made, execs: Made, hits: int, delivered: int, lost: dict[str, int]
) -> list[dict[str, object]]:
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

# SPDX-License-Identifier: Apache-2.0
"""Row 12: from an act to its finding on disk, while another process makes 10,000 events a second.

Each act is the start of a program with a miner's name at a path of its own; the reader looks at the findings file
without pause, and the act's time is the kernel's, as the finding tells it.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from bench.measure import Bound, Result
from bench.sensor import Sensor, child, load
from innerwarden import clock, paths

WATCHED = "/etc/shadow"
RATE = 10_000
GOAL_MS, GATE_MS = 15.0, 50.0
EVERY_S = 0.03
LATE_S = 2.0


class Reader(threading.Thread):
    """Notes when each bait's line came to be in the file: name -> realtime ns."""

    def __init__(self, findings: Path) -> None:
        super().__init__(daemon=True)
        self._findings = findings
        self._ended = threading.Event()
        self.lines: list[tuple[int, bytes]] = []

    def run(self) -> None:
        while not self._findings.exists():
            time.sleep(0.001)
        with self._findings.open("rb", buffering=0) as file:
            file.seek(0, os.SEEK_END)
            while not self._ended.is_set():
                got = file.read(1 << 20)
                now = clock.realtime_ns()
                if got:
                    self.lines += [(now, line) for line in got.splitlines()]
                else:
                    time.sleep(0.0005)

    def finish(self) -> None:
        self._ended.set()
        self.join()


def delays_ms(reader: Reader, baits: list[str]) -> list[float]:
    """For each bait that was found: milliseconds from the kernel's time of it to its line."""
    found = {}
    for seen_ns, line in reader.lines:
        stamp = line.partition(b'"ts":"')[2].partition(b'"')[0].decode()
        for bait in baits:
            if bait not in found and bait.encode() in line:
                found[bait] = (seen_ns - clock.parse_rfc3339(stamp)) / 1e6
    return list(found.values())


def run(quick: bool) -> list[dict[str, object]]:
    count = 150 if quick else 600
    with tempfile.TemporaryDirectory(prefix="iw-bench-bait-", dir="/tmp") as holder, Sensor() as sensor:
        sensor.ready()
        baits = []
        for number in range(count):
            bait = Path(holder) / f"{number:05d}" / "xmrig"
            bait.parent.mkdir()
            shutil.copy(child(), bait)
            baits.append(str(bait))
        subprocess.run([child()], check=True)
        reader = Reader(paths.findings(sensor.data_dir))
        reader.start()
        seconds = count * EVERY_S + 1
        noise = threading.Thread(target=load, args=("opens", WATCHED, int(RATE * seconds), RATE))
        noise.start()
        for path in baits:
            subprocess.run([path], check=True)
            time.sleep(EVERY_S)
        noise.join()
        time.sleep(LATE_S)
        reader.finish()
    delays = delays_ms(reader, baits)
    late = count - len(delays)
    p99 = statistics.quantiles(delays, n=100)[98] if len(delays) > 1 else None
    return [
        Result(
            row=12,
            what="act to finding on disk, p99",
            value=p99,
            unit="ms",
            goal=f"<= {GOAL_MS:.0f} ms",
            gate=f"<= {GATE_MS:.0f} ms, all found",
            passed=p99 is not None and p99 <= GATE_MS and late == 0,
            rounds=count,
            bound=None if p99 is None else Bound(p99, GOAL_MS, GATE_MS, at_least=False),
            note=f"{count} acts beside {RATE:,} events/s; median {statistics.median(delays):.1f} ms, {late} not found",
        ).as_dict()
    ]

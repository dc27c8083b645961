# SPDX-License-Identifier: Apache-2.0
"""Row 13: from starting the sensor's process to its first finding on disk, and from SIGTERM to its end.

A harmless program with a miner's name is run every few milliseconds from the start on, so the first finding
about it marks the moment at which the whole way works.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from bench.measure import Bound, Result, median, spread
from bench.sensor import Sensor, child
from innerwarden import paths

START_GATE_S, STOP_GATE_S = 1.5, 2.5


def start_and_stop(bait: Path) -> tuple[float, float]:
    with Sensor() as sensor:
        findings = paths.findings(sensor.data_dir)

        def seen() -> bool:
            subprocess.run([bait], check=True)
            return findings.exists() and str(bait).encode() in findings.read_bytes()

        sensor.wait(seen, "it found nothing")
        started = time.monotonic() - sensor.started
    return started, sensor.stop_s


def run(quick: bool) -> list[dict[str, object]]:
    starts, stops = [], []
    with tempfile.TemporaryDirectory(prefix="iw-bench-bait-", dir="/tmp") as directory:
        for number in range(3 if quick else 7):
            bait = Path(directory) / str(number) / "xmrig"
            bait.parent.mkdir()
            shutil.copy(child(), bait)
            started, stopped = start_and_stop(bait)
            starts.append(started)
            stops.append(stopped)
    rows = (("start to first finding on disk", starts, START_GATE_S), ("stop", stops, STOP_GATE_S))
    return [
        Result(
            row=13,
            what=what,
            value=median(values),
            unit="s",
            goal="<= 0.5 s",
            gate=f"<= {gate} s",
            passed=median(values) <= gate,
            spread=spread(values),
            rounds=len(values),
            bound=Bound(median(values), 0.5, gate, at_least=False),
            note="interpreter, modules and rules included" if values is starts else "",
        ).as_dict()
        for what, values, gate in rows
    ]

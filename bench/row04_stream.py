# SPDX-License-Identifier: Apache-2.0
"""Row 4: every event from the kernel to a line of JSON on disk, by the real sensor with all its detectors.

A process opens a watched file 200,000 times a second; each open is matched, gets its process, parent and container from
the process table, and becomes one line of events.jsonl. The sensor's CPU time is divided by the lines. Every open
made must be a line of the file. Beside it: the same lines from the same records by way of Python objects.
"""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
from innerwarden_core import Engine, Record

from bench.measure import Bound, Result, cpu_ticks_ns, median, spread
from bench.sensor import CONFIG, Sensor, load
from innerwarden import paths
from innerwarden.modules.factory import encode

WATCHED = "/etc/shadow"
RATE = 200_000
#: One file for the whole run, so that all its lines can be counted.
STREAM = CONFIG + "[sensor]\nwrite_events = true\nfindings_max_bytes = 8_000_000_000\n"
PEER_EVENTS = 20_000


def by_objects() -> float:
    """ns an event: decoded into a Python object, encoded by msgspec."""
    engine = Engine()
    engine.feed(encode("process.exec", pid=7, exe_path="/usr/bin/cat", argv=["cat", WATCHED]))
    records = [encode("file.open", at_s=n / 1e6, pid=7, path=WATCHED) for n in range(PEER_EVENTS)]
    encoder = msgspec.json.Encoder()
    began = time.perf_counter_ns()
    for data in records:
        record = Record(data)
        encoder.encode({"kind": "file.open", "details": record.to_dict()})
    return (time.perf_counter_ns() - began) / PEER_EVENTS


def lines_of(path: Path, needle: bytes) -> int:
    """Lines that hold the needle; the file has hundreds of MB."""
    count, rest = 0, b""
    with path.open("rb") as file:
        while block := file.read(16 << 20):
            block = rest + block
            end = block.rfind(b"\n") + 1
            count += block[:end].count(needle)
            rest = block[end:]
    return count


def run(quick: bool) -> list[dict[str, object]]:
    seconds, rounds = (1.0, 3) if quick else (2.0, 5)
    each: list[float] = []
    made = 0
    with Sensor(STREAM) as sensor:
        sensor.at_home()
        events = paths.events(sensor.data_dir)
        before = sensor.settled()
        for _ in range(rounds):
            cpu = cpu_ticks_ns(sensor.process.pid)
            count = load("opens", WATCHED, int(RATE * seconds), RATE).count
            sensor.settled()
            made += count
            each.append((cpu_ticks_ns(sensor.process.pid) - cpu) / count)
        after = sensor.settled()
        lost = sum(after.lost.values()) - sum(before.lost.values())
        told = lines_of(events, f'"path":"{WATCHED}"'.encode())
        size = events.stat().st_size
    mine, theirs = median(each), by_objects()
    rate = 1e6 / mine
    return [
        Result(
            row=4,
            what="kernel to a matched, enriched line of JSON on disk, every event",
            value=rate,
            unit="k events/s/core",
            peer=f"decoded and encoded by msgspec alone {theirs:.0f} ns an event",
            ratio=theirs / mine,
            goal=">= 500 k",
            gate=">= 250 k, 0 lost",
            passed=rate >= 250 and lost == 0 and told >= made,
            spread=spread(each),
            rounds=rounds,
            bound=Bound(rate, 500, 250),
            note=f"{mine:.0f} ns of CPU an event; made {made:,}, {told:,} lines tell of them, lost {lost}, "
            f"{size >> 20} MiB",
            details={"ours_ns": mine, "peer_ns": theirs, "made": made, "lines": told, "lost": lost},
        ).as_dict()
    ]

# SPDX-License-Identifier: Apache-2.0
"""Row 3: row 2's ring, where one event in a hundred is told, beside the same ring where none is.

The first figure is what the caller of the engine gets: hits, each with its record. The second goes on to the disk: a
finding with text, evidence and entities each, one line of findings.jsonl, no cooldown. No sane set of rules does
that at millions of events a second; it says what a finding costs.
"""

from __future__ import annotations

import time

from innerwarden_core import FIELDS, OPERATORS, Engine, Hit, MemoryRing, Predicate, Ring, Rule

from bench.measure import Bound, Result, interleaved, median, on_cpu, scratch, spread
from bench.row02_detectors import (
    GROUPS,
    NS,
    RING_BYTES,
    WIRE_KINDS,
    engine_of,
    later,
    offset,
    stream,
    windows,
)
from innerwarden.model.detector import DetectorSpec
from innerwarden.model.severity import Severity
from innerwarden.sensor.detection.host import DetectionHost
from innerwarden.sensor.sinks.findings import FindingsSink

ONE_IN = 100
#: Groups of events besides those that windows count: one that a rule tells, one that nothing wants.
TOLD, UNTOLD = GROUPS, GROUPS + 1
SPEC = DetectorSpec(
    id="told",
    title="One event in a hundred",
    severity=Severity.MEDIUM,
    kinds=(),
    summary="{exe_path} (pid {pid}) did what is told.",
    attack=("T1059",),
    blind_spots=(),
    false_positives=(),
    checks=("Look at process {pid}",),
    entities=("process:pid",),
)


def marked(records: list[bytes], group: int) -> list[bytes]:
    """The stream with every hundredth event in that group."""
    place, _ = offset("gid")
    return [
        data[:place] + group.to_bytes(4, "little") + data[place + 4 :] if number % ONE_IN == 0 else data
        for number, data in enumerate(records)
    ]


class Round:
    """An engine of its own with the stream that it empties, so that event time never runs backwards."""

    def __init__(self, group: int, memory: MemoryRing, ring: Ring) -> None:
        told = Rule(
            "told",
            [int(kind) for kind in WIRE_KINDS],
            [Predicate(FIELDS["gid"], OPERATORS["eq"], [TOLD])],
            [(0, -1, -2)],
        )
        self.engine: Engine = engine_of(windows(), told)
        self._records = marked(stream(gap_ns=NS), group)
        self._memory, self._ring = memory, ring
        self.hits: list[Hit] = []

    def drain(self) -> int:
        """ns of emptying the ring that was just filled."""
        for data in self._records:
            assert self._memory.write(data), "the ring is too small for the stream"
        with on_cpu(1):
            began = time.thread_time_ns()
            self.hits = self.engine.drain([self._ring], 0)
            taken = time.thread_time_ns() - began
        self._records = later(self._records)
        return taken

    @property
    def events(self) -> int:
        return len(self._records)


def run(quick: bool) -> list[dict[str, object]]:
    memory = MemoryRing(RING_BYTES)
    ring = Ring(memory.fd, RING_BYTES, "bench")
    silent, telling, whole = (Round(group, memory, ring) for group in (UNTOLD, TOLD, TOLD))
    host = DetectionHost({"told": SPEC}, whole.engine, host_name="bench")
    sink = FindingsSink(scratch() / "findings.jsonl", max_bytes=1 << 30, keep=1)

    def to_disk() -> float:
        taken = whole.drain()
        with on_cpu(1):
            began = time.thread_time_ns()
            sink.write(host.findings(whole.hits))
            return taken + time.thread_time_ns() - began

    ways = {
        "silent": lambda: float(silent.drain()),
        "hits": lambda: float(telling.drain()),
        "findings": to_disk,
    }
    for way in ways.values():
        way()  # first touch of the tables
    times = interleaved(9 if quick else 31, ways)
    expected = -(-silent.events // ONE_IN)
    assert not silent.hits and len(telling.hits) == len(whole.hits) == expected
    assert sink.written == expected * (len(times["findings"]) + 1) and sink.lost == host.errors == 0
    sink.close()
    base = median(times["silent"])
    each = (median(times["findings"]) - base) / expected
    return [
        Result(
            row=3,
            what=what,
            value=median(times[name]) / silent.events,
            unit="ns an event",
            peer=f"none told: {base / silent.events:.0f} ns",
            ratio=median(times[name]) / base,
            goal="<= 1.15 x" if name == "hits" else "",
            gate="<= 1.4 x" if name == "hits" else "",
            passed=median(times[name]) <= 1.4 * base if name == "hits" else None,
            spread=spread(times[name]),
            rounds=len(times[name]),
            lower_is_better=True,
            bound=Bound(median(times[name]) / base, 1.15, 1.4, at_least=False) if name == "hits" else None,
            note=""
            if name == "hits"
            else f"{each / 1e3:.1f} us from hit to line on disk; no gate of its own",
        ).as_dict()
        for name, what in (
            ("hits", "1 % of events told, as hits"),
            ("findings", "1 % of events told, as lines of findings.jsonl"),
        )
    ]

# SPDX-License-Identifier: Apache-2.0
"""Row 10: what a Python detector behind a native prefilter that passes one event in a hundred costs the pipeline.

The pipeline is a thousand Sigma rules on a stream of execs, opens and connects; the detector counts by user and never
speaks, and is called as the sensor calls it, with the event, its process and its ancestors. An event that does not
pass must make no Python object: so many are fed that one object for each could not hide.
"""

from __future__ import annotations

import gc
import random
import sys
import time

from innerwarden_core import Engine, Rule

from bench.measure import Bound, Result, interleaved, median, on_cpu, spread
from bench.row09_rules import native_rules
from bench.rule_set import EVENTS, PROGRAMS, Tree, event, record, rules
from innerwarden.rules.compiler import compile_prefilter
from innerwarden.rules.program import RuleSource
from innerwarden.sdk import Detector, DetectorSpec, Event, EventCount, Finding, Severity
from innerwarden.sensor.detection.host import DetectionHost

PASS_EVERY = 100
SPEC = DetectorSpec(
    id="counted",
    title="Counted",
    severity=Severity.LOW,
    kinds=("process.exec",),
    summary="counted",
    attack=(),
    blind_spots=(),
    false_positives=(),
    checks=(),
    group_key=("uid",),
)
PREFILTER = "selection: {CommandLine|contains: --passes-the-prefilter}\ncondition: selection\n"


class Counted(Detector):
    def __init__(self, parameters: dict[str, int]) -> None:
        super().__init__(parameters)
        self.calls = 0
        self._window = EventCount(60)

    def process(self, event: Event) -> Finding | None:
        self.calls += 1
        self._window.add(event.field("uid"), event.ts_ns)
        return None


def stream() -> tuple[bytes, bytes, int]:
    """(records, those that do not pass, how many pass)."""
    pick = random.Random(10)
    data, others, passing = [], [], 0
    for number in range(EVENTS):
        fields: Tree = event(number, pick)
        passes = number % PASS_EVERY == 0
        if passes:
            words = ["curl", "--passes-the-prefilter", "https://deb.debian.org/"]
            fields = {"kind": "process.exec", "exe_path": "/usr/bin/curl", "argv": words}
            passing += 1
        one = record(fields, 1000 + PROGRAMS.index(fields["exe_path"].rsplit("/", 1)[-1]))
        data.append(one)
        if not passes:
            others.append(one)
    return b"".join(data), b"".join(others), passing


def objects_made(engine: Engine, others: bytes) -> int:
    """Blocks of Python's allocator that feeding records leaves or takes, at the highest of three times."""
    counts = []
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            before = sys.getallocatedblocks()
            engine.feed(others)
            counts.append(abs(sys.getallocatedblocks() - before))
    finally:
        gc.enable()
    return max(counts)


def run(quick: bool) -> dict[str, object]:
    base = native_rules(rules())
    prefilter = compile_prefilter(
        RuleSource(name="b.py", stem=SPEC.id, text=PREFILTER, kinds=SPEC.kinds)
    ).native()
    engines = {"without": Engine(max_hits=65536), "with": Engine(max_hits=65536)}
    quiet = [Rule(r.owner, r.kinds, r.predicates, r.nodes, emit=False) for r in base]
    engines["without"].configure(quiet, [], [])
    engines["with"].configure([*quiet, prefilter], [], [])
    detector = Counted({})
    host = DetectionHost({SPEC.id: SPEC}, engines["with"], host_name="bench", python={SPEC.id: detector})
    data, others, passing = stream()
    for engine in engines.values():
        engine.feed(data)

    def without() -> float:
        with on_cpu(1):
            began = time.thread_time_ns()
            hits = engines["without"].feed(data)
            taken = time.thread_time_ns() - began
        assert not hits
        return taken / EVENTS

    def with_() -> float:
        with on_cpu(1):
            began = time.thread_time_ns()
            told = host.findings(engines["with"].feed(data))
            taken = time.thread_time_ns() - began
        assert not told
        return taken / EVENTS

    with_()
    if detector.calls != passing or host.errors:
        raise AssertionError(f"the detector saw {detector.calls} events of {passing}, {host.errors} errors")
    times = interleaved(11 if quick else 41, {"without": without, "with": with_})
    made = objects_made(engines["with"], others)
    middle = {name: median(values) for name, values in times.items()}
    ratio = middle["with"] / middle["without"]
    per_event = made / (EVENTS - passing)
    return Result(
        row=10,
        what=f"a Python detector behind a prefilter that passes 1 in {PASS_EVERY}",
        value=middle["with"],
        unit="ns an event",
        peer=f"the same without it {middle['without']:.0f} ns",
        ratio=ratio,
        goal="<= 1.5 x, 0 objects",
        gate="<= 2 x, 0 objects",
        passed=ratio <= 2 and made < 10,
        spread=spread(times["with"]),
        rounds=len(times["with"]),
        lower_is_better=True,
        bound=Bound(ratio, 1.5, 2, at_least=False),
        note=f"{made} Python objects for {EVENTS - passing} events that do not pass; "
        f"a call {(middle['with'] - middle['without']) * EVENTS / passing / 1000:.1f} us",
        details={f"{name}_ns": value for name, value in middle.items()} | {"objects_per_event": per_event},
    ).as_dict()

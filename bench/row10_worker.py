# SPDX-License-Identifier: Apache-2.0
"""Row 10, second part: the same detector as other people's Python, in a worker without rights.

Rate: events that pass the prefilter, fed in batches of 256 until all are answered, detection host included. Latency:
one event alone, from the hit to the answer, polled as the sensor polls.
"""

from __future__ import annotations

import contextlib
import inspect
import time

from innerwarden_core import Engine, Hit

from bench import row10_python_detector as within
from bench.measure import Bound, Result, interleaved, median, spread
from bench.rule_set import record
from innerwarden.modules.apart.pool import Workers
from innerwarden.modules.apart.protocol import File
from innerwarden.modules.apart.worker import Worker
from innerwarden.rules.compiler import compile_prefilter
from innerwarden.rules.program import RuleSource
from innerwarden.sensor.detection.host import DetectionHost

BATCH = 256
EVENTS = 8192
ALONE = 300
MODULE = "bench"
#: The sensor looks at its rings, and then at its workers, every 10 ms.
LIMIT_US = 1000.0

TEXT = f"""\
from innerwarden.sdk import Detector, DetectorSpec, Event, EventCount, Finding, Severity

spec = DetectorSpec(
    id="counted", title="Counted", severity=Severity.LOW, kinds=("process.exec",), summary="counted", attack=(),
    blind_spots=(), false_positives=(), checks=(), group_key=("uid",),
)
prefilter = None


{inspect.getsource(within.Counted)}
"""


def run(quick: bool) -> dict[str, object]:
    with contextlib.closing(Workers()) as workers:
        return _run(quick, workers)


def _run(quick: bool, workers: Workers) -> dict[str, object]:
    source = RuleSource(name="b.py", stem=within.SPEC.id, text=within.PREFILTER, kinds=within.SPEC.kinds)
    rule = compile_prefilter(source).native()
    engines = {"within": Engine(max_hits=65536), "apart": Engine(max_hits=65536)}
    for engine in engines.values():
        engine.configure([rule], [], [])
    specs, name = {within.SPEC.id: within.SPEC}, within.SPEC.id
    described = workers.prepare(MODULE, [File("/bench/counted.py", name, TEXT)])
    if described[0].problem:
        raise AssertionError(described[0].problem)
    workers.commit(specs, {name: MODULE})
    worker = workers.active[MODULE]
    inside = DetectionHost(specs, engines["within"], host_name="bench", python={name: within.Counted({})})
    apart = DetectionHost(specs, engines["apart"], host_name="bench", remote={name: MODULE}, workers=workers)
    words = ["curl", "--passes-the-prefilter", "https://deb.debian.org/"]
    one = record({"kind": "process.exec", "exe_path": "/usr/bin/curl", "argv": words}, 1000)

    def round_within() -> float:
        began = time.perf_counter_ns()
        for _ in range(EVENTS // BATCH):
            inside.findings(engines["within"].feed(one * BATCH))
        return (time.perf_counter_ns() - began) / EVENTS / 1000

    def round_apart() -> float:
        wanted = worker.answered + EVENTS
        began = time.perf_counter_ns()
        for _ in range(EVENTS // BATCH):
            apart.findings(engines["apart"].feed(one * BATCH))
            apart.answers()
            while worker.sent - worker.answered > 2 * BATCH:
                apart.answers()
        while worker.answered < wanted:
            apart.answers()
        return (time.perf_counter_ns() - began) / EVENTS / 1000

    times = interleaved(5 if quick else 15, {"within": round_within, "apart": round_apart})
    alone = sorted(_alone(apart, worker, engines["apart"].feed(one)) for _ in range(ALONE))
    if worker.lost or worker.crashes:
        raise AssertionError(f"the worker lost {worker.lost} events and ended {worker.crashes} times")
    middle = {key: median(values) for key, values in times.items()}
    p50, p99 = alone[len(alone) // 2], alone[len(alone) * 99 // 100]
    return Result(
        row=10,
        what="the same in a worker without rights, for an event that passes",
        value=middle["apart"],
        unit="us an event",
        peer=f"in this process {middle['within']:.1f} us",
        ratio=middle["apart"] / middle["within"],
        lower_is_better=True,
        bound=Bound(p50, LIMIT_US, 4 * LIMIT_US, at_least=False),
        goal=f"answer alone p50 <= {LIMIT_US:.0f} us",
        gate=f"answer alone p50 <= {4 * LIMIT_US:.0f} us",
        passed=p50 <= 4 * LIMIT_US,
        spread=spread(times["apart"]),
        rounds=len(times["apart"]),
        note=f"{1e6 / middle['apart']:.0f} events/s; one alone p50 {p50:.0f} us, p99 {p99:.0f} us; none lost",
        details={"within_us": middle["within"], "alone_p50_us": p50, "alone_p99_us": p99},
    ).as_dict()


def _alone(host: DetectionHost, worker: Worker, hits: list[Hit]) -> float:
    """us from the hit to its answer."""
    wanted = worker.answered + 1
    began = time.perf_counter_ns()
    host.findings(hits)
    while worker.answered < wanted:
        host.answers()
    return (time.perf_counter_ns() - began) / 1000

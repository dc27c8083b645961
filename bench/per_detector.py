# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.per_detector [--json] [--top N]`: what each detector adds to an event, dearest first.

Three streams: execs, opens and connections as in row 9, an sshd log and an access log as in row 11, parsed beforehand.
An engine with one detector alone, and the rules that it counts, is held against an engine with none, the two fed
alternately; the difference of their medians is what it adds. Told is the stream to which it adds most: what looks at
log lines only adds nothing to an exec. Literals and fields that several look at are paid for once when they run
together, so the sum is more than all of them at once add, which is told beside it. Of a Python detector it is the
native prefilter and its calls.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from innerwarden_core import AuthParser, Engine, WebParser

from bench import row11_auth_log, row11_web_log
from bench.measure import interleaved, median, on_cpu
from bench.rule_set import stream
from innerwarden import paths
from innerwarden.config import Config
from innerwarden.modules.factory import encode
from innerwarden.modules.loader import ModuleSet, load_modules
from innerwarden.sensor.detection.host import DetectionHost

ROUNDS = 7
LINES = 3000
TOP = 15


@dataclass(frozen=True)
class Stream:
    name: str
    records: bytes
    events: int


@dataclass(frozen=True)
class Cost:
    """`ns` an event of `stream`; `kind`: sigma, correlation, native or python."""

    detector: str
    kind: str
    ns: float
    stream: str


@dataclass
class Costs:
    """`rows` dearest first. By stream, ns an event: one without detectors, and what all at once add."""

    rows: list[Cost] = field(default_factory=list)
    empty: dict[str, float] = field(default_factory=dict)
    together: dict[str, float] = field(default_factory=dict)
    alone: dict[str, float] = field(default_factory=dict)
    """Sum over the detectors of what each adds to that stream."""


def streams() -> list[Stream]:
    records, _, count = stream()
    init = encode("process.exec", pid=1, ppid=0, exe_path="/usr/lib/systemd/systemd", argv=["/sbin/init"])
    found = [Stream("kernel events", init + records, count + 1)]
    now_s = row11_auth_log.NOW_S
    for name, parser, lines in (
        ("sshd log", AuthParser(now_s=now_s), row11_auth_log.lines(LINES)),
        ("access log", WebParser(now_s=now_s), row11_web_log.lines(LINES)),
    ):
        parsed = [record for line in lines if (record := parser.parse(line.encode())) is not None]
        found.append(Stream(name, b"".join(parsed), len(parsed)))
    return found


class Bench:
    """The shipped modules, and engines with some of their detectors."""

    def __init__(self) -> None:
        self.modules: ModuleSet = load_modules(paths.modules_dirs(), Config())
        self._rules = dict(zip((rule.owner for rule in self.modules.rules), self.modules.rules, strict=True))
        self._counted = {one.owner: one.rules for one in self.modules.compiled_correlations}

    def kind(self, name: str) -> str:
        if name in self.modules.python:
            return "python"
        if any(one.owner == name for one in self.modules.natives):
            return "native"
        return "correlation" if name in self._counted else "sigma"

    def feeder(self, names: Sequence[str], events: bytes) -> Callable[[], float]:
        """Feeds the events to an engine with these detectors; returns ns of this thread's CPU."""
        wanted = set(names)
        owners = wanted.union(*(self._counted.get(name, ()) for name in names))
        engine = Engine(max_hits=65536)
        engine.configure(
            [rule for owner, rule in self._rules.items() if owner in owners],
            [one for one in self.modules.correlations if one.owner in wanted],
            [one for one in self.modules.natives if one.owner in wanted],
        )
        python = {
            name: type(one)(one.parameters) for name, one in self.modules.python.items() if name in wanted
        }
        host = DetectionHost(self.modules.specs, engine, host_name="bench", python=python) if python else None

        def feed() -> float:
            began = time.thread_time_ns()
            hits = engine.feed(events)
            if host is not None:
                host.findings(hits)
            return float(time.thread_time_ns() - began)

        feed()  # first touch of the tables
        return feed


def measured(rounds: int = ROUNDS) -> Costs:
    bench, costs = Bench(), Costs()
    best: dict[str, Cost] = {}
    with on_cpu(1):
        for one in streams():
            empty = bench.feeder((), one.records)

            def added(names: Sequence[str], one: Stream = one, empty: Callable[[], float] = empty) -> float:
                times = interleaved(rounds, {"empty": empty, "with": bench.feeder(names, one.records)})
                return (median(times["with"]) - median(times["empty"])) / one.events

            costs.empty[one.name] = median([empty() for _ in range(rounds)]) / one.events
            costs.together[one.name] = added(tuple(bench.modules.specs))
            costs.alone[one.name] = 0.0
            for name in bench.modules.specs:
                ns = max(0.0, added((name,)))
                costs.alone[one.name] += ns
                if name not in best or ns > best[name].ns:
                    best[name] = Cost(name, bench.kind(name), ns, one.name)
    costs.rows = sorted(best.values(), key=lambda cost: (-cost.ns, cost.detector))
    return costs


def as_dict(costs: Costs) -> dict[str, Any]:
    return asdict(costs)


def summary(costs: Mapping[str, Any]) -> str:
    """One line for each stream."""
    lines = [
        f"detectors on {name}: {costs['together'][name]:,.0f} ns an event all at once on top of {empty:,.0f},"
        f" {costs['alone'][name]:,.0f} if each stood alone"
        for name, empty in costs["empty"].items()
    ]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bench.per_detector", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--top", type=int, default=0, help="so many lines; all of them otherwise")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args(arguments)
    costs = as_dict(measured(options.rounds))
    if options.json:
        print(json.dumps(costs, indent=1))
        return 0
    for row in costs["rows"][: options.top or None]:
        print(f"{row['ns']:9.1f} ns  {row['kind']:11}  {row['detector']:40}  {row['stream']}")
    print(summary(costs))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

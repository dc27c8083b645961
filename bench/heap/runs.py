# SPDX-License-Identifier: Apache-2.0
"""One run of each process, judged by row 14 of the budgets, with who holds the memory where that is missed."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

from bench.flood import Visitor
from bench.heap import agent_load, sensor_load
from bench.heap.daemon import Daemon, mappings
from bench.heap.series import MIB, Growth, Sample, growth, most
from bench.measure import Unavailable, cpu_ticks_ns, need_root
from innerwarden import paths
from innerwarden.model import health
from innerwarden.model.health import SensorHealth

ROLES = ("sensor", "agent")
GOALS_MIB = {"sensor": 32, "agent": 64}
GATES_MIB = {"sensor": 64, "agent": 100}
TRACED_WITHIN_S = 60.0
DRAINED_WITHIN_S = 60.0
#: After the last event, so that what is only a little late is weighed as well.
SETTLE_S = 3.0


class Size(NamedTuple):
    processes: int
    addresses: int
    findings: int
    hour: float
    """Share of an hour's polling."""

    @classmethod
    def of(cls, *, quick: bool) -> Size:
        """The agent's database and its pages are where they stay from some 30,000 findings on; the last half begins
        there at the earliest."""
        if quick:
            return cls(100_000, 200_000, 60_000, 0.1)
        return cls(sensor_load.PROCESSES, sensor_load.ADDRESSES, agent_load.FINDINGS, 1.0)


@dataclass
class Outcome:
    """What one process did; `fed` says in words what it was given."""

    role: str
    fed: str
    seconds: float
    samples: list[Sample]
    children: int
    cpu_s: float
    holders: dict[str, int]
    tables: dict[str, int] = field(default_factory=dict)
    traced: str = ""

    @property
    def growth(self) -> Growth:
        return growth(self.samples)

    @property
    def most_mib(self) -> float:
        return most(self.samples) / MIB

    @property
    def problems(self) -> list[str]:
        found = []
        gate, grown = GATES_MIB[self.role], self.growth
        if self.most_mib > gate:
            found.append(f"{self.most_mib:.1f} MiB are more than {gate} MiB")
        if not grown.flat:
            found.append(
                f"grew by {grown.grown / MIB:.2f} MiB over the last half, {grown.per_event:.1f} bytes an event;"
                f" {grown.allowed / MIB:.2f} MiB are let pass"
            )
        return found


def check(roles: tuple[str, ...], size: Size, *, leak: int, must_fail: bool, traced: bool) -> int:
    """Run, print the table, say who holds what where a process fails; the exit code."""
    outcomes = run_all(roles, size, leak=leak, traced=traced)
    print(table(outcomes))
    failed = [outcome for outcome in outcomes if outcome.problems]
    for outcome in failed:
        print("\n" + blame(outcome))
        if not outcome.traced:
            print(f"what Python allocated: make heap-budget ARGS='--quick --trace --only {outcome.role}'")
    if must_fail:
        missed = [outcome.role for outcome in outcomes if not outcome.problems]
        print(f"must fail, and did not: {', '.join(missed)}" if missed else "failed, as it must")
        return 1 if missed else 0
    return 1 if failed else 0


def run_all(
    roles: tuple[str, ...],
    size: Size,
    *,
    leak: int = 0,
    traced: bool = False,
    environment: dict[str, str] | None = None,
) -> list[Outcome]:
    """Beside each other: memory does not mind, and each waits most of the time."""
    if "sensor" in roles:
        need_root()
    with ThreadPoolExecutor(len(roles)) as pool:
        started = [
            pool.submit(run, role, size, leak=leak, traced=traced, environment=environment) for role in roles
        ]
        return [each.result() for each in started]


def run(
    role: str, size: Size, *, leak: int = 0, traced: bool = False, environment: dict[str, str] | None = None
) -> Outcome:
    inside = {"IW_HEAP_LEAK": str(leak)} if leak else {}
    settings = environment or {}
    return (_sensor if role == "sensor" else _agent)(size, inside, traced, settings)


def _sensor(size: Size, inside: dict[str, str], traced: bool, environment: dict[str, str]) -> Outcome:
    process = Daemon("sensor", environment, inside, traced)
    process.config.write_text(sensor_load.configuration(process.place))
    load = sensor_load.Load(process.place, size.processes, size.addresses)
    with process:
        process.wait(lambda: _report(process) is not None, "no report")
        first = _need_kernel(process)
        process.tables = lambda: sum(_tables(process).values())
        process.weigh()
        began = time.monotonic()
        for made in load.run():
            process.events = made.events
            _drained(process)
            _half(process, made.processes >= size.processes // 2)
        seconds = time.monotonic() - began
        time.sleep(SETTLE_S)
        last = _report(process) or first
        fed = (
            f"{load.made.processes:,} processes ({load.made.executed:,} executed), {load.made.addresses:,} addresses"
            f" in {load.made.lines:,} lines and {load.made.connections:,} connections;"
            f" {sum(last.totals.values()):,} records, {sum(last.lost.values()):,} counted as lost"
        )
        return _outcome(process, fed, seconds, traced, last.table_bytes)


def _agent(size: Size, inside: dict[str, str], traced: bool, environment: dict[str, str]) -> Outcome:
    with Daemon("agent", environment, inside, traced, "--listen", "127.0.0.1:0") as process:
        visitor = Visitor(process.process.stdout.readline() if process.process.stdout else "")
        load = agent_load.Load(process.data_dir, visitor, size.findings, size.hour)
        process.weigh()
        began = time.monotonic()
        for done in load.run():
            process.wait(done.stored, "findings wait to be stored", agent_load.STORED_WITHIN_S, 0.2)
            process.events = done.events
            _half(process, done.findings >= size.findings // 2)
        seconds = time.monotonic() - began
        time.sleep(SETTLE_S)
        return _outcome(process, f"{load.findings:,} findings, {load.asked:,} requests", seconds, traced, {})


def _outcome(process: Daemon, fed: str, seconds: float, traced: bool, tables: dict[str, int]) -> Outcome:
    text = ""
    if traced:
        process.trace_file.with_suffix(".all").touch()
        process.wait(process.trace_file.exists, "it did not tell what it holds", TRACED_WITHIN_S)
        text = process.trace_file.read_text()
    pid = process.process.pid
    holders, cpu_s = mappings(pid), cpu_ticks_ns(pid) / 1e9
    return Outcome(
        process.role,
        fed,
        seconds,
        process.stop_weighing(),
        process.children_bytes(),
        cpu_s,
        holders,
        tables,
        text,
    )


def _half(process: Daemon, reached: bool) -> None:
    if reached and not process.trace_file.with_suffix(".half").exists():
        process.trace_file.with_suffix(".half").touch()


def _report(process: Daemon) -> SensorHealth | None:
    return health.read(paths.sensor_health(process.data_dir))


def _tables(process: Daemon) -> dict[str, int]:
    report = _report(process)
    return report.table_bytes if report is not None else {}


def _need_kernel(process: Daemon) -> SensorHealth:
    first = _report(process)
    if first is None or not any(hook.state == "attached" for hook in first.hooks):
        reasons = [one.reason for one in first.collectors if one.id == "kernel"] if first else []
        raise Unavailable("no kernel program is attached" + "".join(f": {reason}" for reason in reasons))
    return first


def _drained(process: Daemon) -> None:
    """Wait for the rings to be nearly empty in a report that is newer than this call."""
    before = _report(process)

    def empty() -> bool:
        now = _report(process)
        if now is None or before is None or now.ts == before.ts:
            return False
        return sum(ring.pending_bytes for ring in now.rings) < MIB

    process.wait(empty, "the rings do not get empty", DRAINED_WITHIN_S)


def table(outcomes: list[Outcome]) -> str:
    lines = [""]
    for one in outcomes:
        goal, gate, grown = GOALS_MIB[one.role], GATES_MIB[one.role], one.growth
        verdict = "MISSED" if one.problems else "ok" if one.most_mib <= goal else "ok, goal missed"
        end = one.samples[-1]
        lines += [
            f"{one.role}: {verdict}",
            f"  given           {one.fed}, in {one.seconds:.0f} s",
            f"  heap            at most {one.most_mib:.1f} MiB in the last half, {end.heap / MIB:.1f} at the end"
            f" (goal {goal}, gate {gate})",
            f"  growth          {grown.grown / MIB:+.2f} MiB over the last half, {grown.per_event:+.2f} bytes an event"
            f" (let pass: {grown.allowed / MIB:.2f} MiB)",
            f"  apart           {end.tables / MIB:.1f} MiB in fixed tables"
            + "".join(f", {name} {size / MIB:.1f}" for name, size in one.tables.items()),
            f"  helpers         {one.children / MIB:.1f} MiB in processes of its own",
        ]
    return "\n".join(lines)


def blame(outcome: Outcome) -> str:
    """Who holds the memory, as far as the kernel knows, and as Python does where it was traced."""
    lines = [f"{outcome.role} FAILED: {'; '.join(outcome.problems)}", "anonymous memory by mapping:"]
    lines += [f"  {size / MIB:8.1f} MiB  {name}" for name, size in outcome.holders.items()]
    return "\n".join([*lines, outcome.traced] if outcome.traced else lines)

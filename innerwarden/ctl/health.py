# SPDX-License-Identifier: Apache-2.0
"""Whether the daemons of a data directory live, judged by their locks and their reports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from innerwarden import paths
from innerwarden.agent.state.connection import damage_at_rest
from innerwarden.agent.state.outbox import ChannelRow
from innerwarden.agent.state.rows import CheckRow, CursorRow, Funnel, StateRow, TaskRow
from innerwarden.ctl.levels import Level, is_stopped, level, of_agent, of_checks, of_sensor, of_storage
from innerwarden.ctl.reading import locked_by, reading, sensor_health
from innerwarden.errors import DamagedError, InnerWardenError
from innerwarden.model.health import SILENT_AFTER_S, SensorHealth

#: Checks of the agent that mean trouble when they fail. A host without a system log lacks anchors, and that is all.
CHECKS = {
    "state": "state.db is damaged",
    "record": "the record does not hold",
    "wal": "state.db",
    "responder": "nothing can be done",
}
#: Attempts in a row that a provider may fail before `status` says so.
FAILURES_TOLD = 3


class Daemon(msgspec.Struct, frozen=True, kw_only=True):
    """`pid` is None when it is not known to run."""

    alive: bool
    pid: int | None
    detail: str


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What `innerwarden status --json` carries. `level`: full, degraded (`levels` says how) or down (sensor or agent
    does not run); `trouble` is empty when nothing else is wrong."""

    data_dir: str
    level: str
    levels: tuple[Level, ...]
    sensor: Daemon
    agent: Daemon
    report_age_s: float | None
    health: SensorHealth | None
    ingest: CursorRow | None
    tasks: tuple[TaskRow, ...]
    state: StateRow | None
    checks: tuple[CheckRow, ...]
    notify: tuple[ChannelRow, ...]
    triage: Funnel | None
    trouble: tuple[str, ...]


def gather(data_dir: Path) -> Status:
    """Never raises for what is down: that is the answer."""
    health, age_s = sensor_health(data_dir)
    sensor = _sensor(data_dir, health, age_s)
    agent_pid = locked_by(paths.agent_lock(data_dir))
    trouble: list[str] = []
    tasks: tuple[TaskRow, ...] = ()
    ingest: CursorRow | None = None
    state: StateRow | None = None
    checks: tuple[CheckRow, ...] = ()
    notify: tuple[ChannelRow, ...] = ()
    triage: Funnel | None = None
    levels: list[Level] = []
    try:
        with reading(data_dir) as reader:
            tasks, ingest, triage = tuple(reader.tasks()), reader.cursor(), reader.funnel()
            state, checks = reader.state(), tuple(reader.checks())
            notify = reader.outbox(0).channels
    except InnerWardenError as error:
        trouble.append(f"{error.problem}. {error.remedy}")
        if isinstance(error, DamagedError):
            levels.append(level("state_damaged", error.problem))
    trouble += [f"task {t.name} {t.state}: {t.last_error}" for t in tasks if t.state == "hung"]
    trouble += [f"{CHECKS[c.name]}: {c.detail}" for c in checks if not c.ok and c.name in CHECKS]
    if ingest and ingest.bad_lines:
        trouble.append(f"{ingest.bad_lines} findings lines could not be read")
    trouble += _untold(notify)
    if triage and triage.failed:
        trouble.append(f"triage failed on {triage.failed} incidents; see the agent's log")
    if agent_pid is None and not levels and (damage := damage_at_rest(paths.state_db(data_dir))):
        levels.append(level("state_damaged", damage))
    levels += _levels(data_dir, sensor, health, agent_pid, ingest)
    levels += [*of_checks(checks), *_waiting(notify)]
    detail = f"pid {agent_pid}" if agent_pid else f"does not run on {data_dir}"
    return Status(
        data_dir=str(data_dir),
        level=overall(levels),
        levels=tuple(levels),
        sensor=sensor,
        agent=Daemon(alive=agent_pid is not None, pid=agent_pid, detail=detail),
        report_age_s=age_s,
        health=health,
        ingest=ingest,
        tasks=tasks,
        state=state,
        checks=checks,
        notify=notify,
        triage=triage,
        trouble=tuple(trouble),
    )


def overall(levels: Sequence[Level]) -> str:
    """In one word."""
    if any(one.name in ("sensor_down", "agent_down") for one in levels):
        return "down"
    return "degraded" if levels else "full"


def _levels(
    data_dir: Path,
    sensor: Daemon,
    health: SensorHealth | None,
    agent_pid: int | None,
    ingest: CursorRow | None,
) -> Iterator[Level]:
    if sensor.pid is None:
        yield level("sensor_down", sensor.detail)
    elif not sensor.alive:
        yield level("sensor_silent", sensor.detail)
    if agent_pid is None:
        yield level("agent_down", f"does not run on {data_dir}")
    yield from of_storage(data_dir)
    if sensor.pid is not None and health is not None and health.pid == sensor.pid:
        yield from of_sensor(health)
    yield from of_agent(data_dir, agent_pid, ingest)


def _waiting(channels: tuple[ChannelRow, ...]) -> Iterator[Level]:
    for one in channels:
        if one.due and one.failures >= FAILURES_TOLD:
            yield level("notify_waits", f"{one.due} to {one.channel}: {one.last_error}")


def _untold(channels: tuple[ChannelRow, ...]) -> list[str]:
    trouble = []
    for one in channels:
        if one.given_up_day:
            given_up = f"{one.given_up_day} notifications to {one.channel} were given up in the last 24 hours"
            trouble.append(f"{given_up}: innerwarden notify outbox")
        elif one.due and one.failures >= FAILURES_TOLD:
            trouble.append(f"{one.due} notifications wait for {one.channel}: {one.last_error}")
    return trouble


def _sensor(data_dir: Path, health: SensorHealth | None, age_s: float | None) -> Daemon:
    pid = locked_by(data_dir / "sensor.lock")
    if pid is None:
        return Daemon(alive=False, pid=None, detail=f"does not run on {data_dir}")
    if health is None or age_s is None or health.pid != pid:
        return Daemon(alive=True, pid=pid, detail=f"pid {pid}, no report yet")
    if age_s > SILENT_AFTER_S:
        how = "is stopped and" if is_stopped(pid) else "runs but"
        return Daemon(alive=False, pid=pid, detail=f"pid {pid} {how} has not reported for {age_s:.0f} s")
    rate = sum(health.rates.values())
    return Daemon(alive=True, pid=pid, detail=f"pid {pid}, {rate:.0f} events/s, report {age_s:.1f} s old")

# SPDX-License-Identifier: Apache-2.0
"""Findings lines as a sensor writes them, and the agent's own parts over a real directory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from innerwarden import paths
from innerwarden.agent.correlate.engine import Correlator
from innerwarden.agent.correlate.registry import find_rules
from innerwarden.agent.ingest import Ingest, Observer
from innerwarden.agent.state.read import Reader
from innerwarden.agent.state.writer import Writer
from innerwarden.clock import NS, rfc3339
from innerwarden.model.entity import EntityRef
from innerwarden.model.finding import (
    Evidence,
    Finding,
    IncidentFields,
    Process,
    ProcessRef,
    Telemetry,
    TelemetryFields,
)
from innerwarden.model.severity import Severity

#: 2026-01-02T03:04:05Z
START_NS = 1_767_323_045 * NS
ANA_UID = 1000


def user_of(uid: int) -> str | None:
    return {0: "root", ANA_UID: "ana"}.get(uid)


def exe_below(parent: int) -> str:
    """A child of pid 1 is a service, everything else a shell."""
    return "/usr/sbin/sshd" if parent == 1 else "/usr/bin/bash"


def process(pid: int, *ancestors: int, user: str | None = None, login_uid: int | None = None) -> Process:
    """`pid` with birth chain `ancestors`, nearest first; each has the start time pid * 1000."""
    chain = [pid, *ancestors]
    parents = [*chain[1:], 1]
    return Process(
        pid=pid,
        start_ns=pid * 1000,
        ppid=parents[0],
        exe="/usr/bin/dash",
        argv=("sh",),
        user=user,
        login_uid=login_uid,
        ancestors=tuple(
            ProcessRef(pid=one, start_ns=one * 1000, ppid=parent, exe=exe_below(parent))
            for one, parent in zip(ancestors, parents[1:], strict=True)
        ),
    )


def finding(
    detector: str = "suspicious_exec_origin",
    *,
    at_s: float = 0.0,
    key: str = "one",
    entities: tuple[EntityRef, ...] = (),
    process: Process | None = None,
    severity: Severity = Severity.HIGH,
    summary: str = "something happened",
    attack: tuple[str, ...] = ("T1059",),
    evidence: tuple[Evidence, ...] = (),
) -> Finding:
    ts = rfc3339(START_NS + int(at_s * NS))
    fields = IncidentFields(
        incident_id=f"{detector}:{key}:{ts}",
        host="web-1",
        title=f"{detector} title",
        summary=summary,
        entities=entities,
        attack=attack,
        process=process,
        evidence=evidence,
    )
    return Finding(ts=ts, detector=detector, severity=severity, fields=fields)


def telemetry(at_s: float = 0.0) -> Telemetry:
    fields = TelemetryFields(host="web-1", period_s=60.0, events={"process.exec": 7}, lost={"ring.prio": 0})
    return Telemetry(
        ts=rfc3339(START_NS + int(at_s * NS)), detector="telemetry", severity=Severity.DEBUG, fields=fields
    )


def line(item: Finding | Telemetry) -> bytes:
    return msgspec.json.encode(item) + b"\n"


def append(data_dir: Path, *items: Finding | Telemetry | bytes) -> None:
    with paths.findings(data_dir).open("ab") as file:
        for item in items:
            file.write(item if isinstance(item, bytes) else line(item))


def rotate(data_dir: Path, keep: int = 4) -> None:
    """As the sensor does: .1 to .2 and so on, then the file itself to .1, then a new file."""
    path = paths.findings(data_dir)
    for number in range(keep - 1, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        if older.exists():
            older.replace(path.with_name(f"{path.name}.{number + 1}"))
    path.replace(path.with_name(f"{path.name}.1"))
    path.touch(mode=0o640)


@contextmanager
def ingesting(data_dir: Path, observe: Observer | None = None) -> Iterator[Callable[[], None]]:
    """A function that ingests all that is there by now, correlation included or `observe` instead."""
    writer = Writer(paths.state_db(data_dir))
    ingest = Ingest(paths.findings(data_dir), writer, observe or Correlator(find_rules(), user_of).observe)

    def drain() -> None:
        while ingest.step() is not None:
            pass

    try:
        yield drain
    finally:
        ingest.close()
        writer.close()


def ingest_all(data_dir: Path, observe: Observer | None = None) -> None:
    """One agent's life: start, read what is there, stop."""
    with ingesting(data_dir, observe) as drain:
        drain()


@contextmanager
def reading(data_dir: Path) -> Iterator[Reader]:
    with Reader(paths.state_db(data_dir)) as reader:
        yield reader


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Poll with a deadline; a condition that stays false fails the test."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)

# SPDX-License-Identifier: Apache-2.0
"""Findings as the sensor tells them (a detector's own case through engine and host), moved to another actor.

Only values are replaced: a finding that carries no address gets none. So a rule that these complete can be
completed by what the sensor writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import groupby
from pathlib import Path

import msgspec
from innerwarden_core import Engine

from innerwarden import paths
from innerwarden.agent.correlate.derived import AGENT_MADE, Derived
from innerwarden.agent.correlate.engine import Correlator
from innerwarden.agent.correlate.registry import find_rules
from innerwarden.agent.correlate.rule import ChainRule, Join
from innerwarden.agent.ingest import Ingest
from innerwarden.agent.state.rows import IncidentRow
from innerwarden.agent.state.tx import NewIncident, Tx
from innerwarden.agent.state.writer import Writer
from innerwarden.clock import NS, parse_rfc3339, rfc3339
from innerwarden.config import Config
from innerwarden.model.entity import EntityRef, EntityType
from innerwarden.model.finding import Finding, IncidentFields, Process, ProcessRef, Telemetry
from innerwarden.modules.cases import read_cases, records_of, split
from innerwarden.modules.factory import BOOT_BASE_NS, REAL_BASE_NS
from innerwarden.modules.loader import ModuleSet, load_modules
from innerwarden.modules.log_sources import feed_text
from innerwarden.sensor.detection.host import DetectionHost, acting_rules_of
from tests.unit.agent.support import START_NS, append, reading

MODULES = paths.REPOSITORY / "modules"
SERVICE_PID, WEB_PID = 900, 901


class Actor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who acts: `session` is a login shell, or with `web` a worker of the web server; `uid` is the login. `contained`:
    in the container; else only what the detector saw in one is."""

    ip: str = "203.0.113.9"
    uid: int = 1000
    session: int = 1
    container: str = "c0ffee" * 10 + "cafe"
    path: str | None = None
    web: bool = False
    contained: bool = False
    source: str = "ssh.login_failed"

    @property
    def user(self) -> str:
        return user_of(self.uid)

    @property
    def shell(self) -> int:
        return self.session * 100_000


class Act(Actor, frozen=True, kw_only=True):
    """One finding of a story."""

    detector: str
    at_s: float


def user_of(uid: int) -> str:
    return "root" if uid == 0 else f"user{uid}"


@cache
def modules() -> ModuleSet:
    return load_modules([MODULES], Config())


@cache
def finding_of(detector: str) -> Finding:
    """What the first case that fires makes the detector say."""
    loaded = modules()
    spec = loaded.specs[detector]
    case = next(
        one for one in read_cases(MODULES / spec.module / "tests" / f"{detector}.toml") if one.expect > 0
    )
    engine = Engine(boot_to_realtime_ns=REAL_BASE_NS - BOOT_BASE_NS)
    engine.configure(loaded.rules, loaded.correlations, loaded.natives)
    engine.use_intel(case.intel())
    host = DetectionHost(
        loaded.specs,
        engine,
        host_name="web-1",
        boot_to_realtime_ns=REAL_BASE_NS - BOOT_BASE_NS,
        python={name: type(one)(one.parameters) for name, one in loaded.python.items()},
        acting_rules=acting_rules_of(loaded.compiled_correlations),
    )
    found: list[Finding] = []
    if case.lines:
        text = "".join(line + "\n" for line in case.lines).encode()
        found += host.findings(feed_text(engine, case.source, text, 1_800_000_000, loaded.recipes))
    for record in split(records_of(case)):
        found += host.findings(engine.feed(record))
    return next(one for one in found if one.detector == detector)


def made(act: Act, number: int) -> Finding:
    """The finding of an act; `number` tells the acts of one story apart."""
    own = AGENT_MADE.get(act.detector)
    real = finding_of(act.detector) if own is None else _derived(act.detector, own)
    ts = rfc3339(START_NS + int(act.at_s * NS))
    acting = _process(real.fields.process, act, number)
    fields = msgspec.structs.replace(
        real.fields,
        incident_id=f"{act.detector}:{act.session}.{number}:{ts}",
        process=acting,
        entities=tuple(_entity(one, act, acting) for one in real.fields.entities),
    )
    return Finding(ts=ts, detector=act.detector, severity=real.severity, fields=fields)


def _derived(detector: str, derived: Derived) -> Finding:
    entities = []
    if Join.IP in derived.joins:
        entities.append(EntityRef.ip("192.0.2.1"))
    if Join.USER in derived.joins and Join.PROCESS not in derived.joins:
        entities.append(EntityRef.user("x"))
    if Join.SERVICE in derived.joins:
        entities.append(EntityRef.service("x"))
    process = Process(pid=1, start_ns=1, exe="/usr/bin/x") if Join.PROCESS in derived.joins else None
    fields = IncidentFields(
        incident_id="x",
        host="web-1",
        title=derived.title,
        summary="",
        entities=tuple(entities),
        process=process,
    )
    return Finding(ts="", detector=detector, severity=derived.severity, fields=fields)


def _process(real: Process | None, act: Act, number: int) -> Process | None:
    if real is None:
        return None
    pid = act.shell + 10 + number
    parent, service = ("/usr/sbin/nginx", WEB_PID) if act.web else ("/usr/bin/bash", SERVICE_PID)
    return msgspec.structs.replace(
        real,
        pid=pid,
        start_ns=pid * 1000,
        ppid=act.shell,
        uid=act.uid,
        user="www-data" if act.web else act.user,
        login_uid=None if act.web else act.uid,
        container_id=act.container if real.container_id or act.contained else None,
        ancestors=(
            ProcessRef(pid=act.shell, start_ns=act.shell * 1000, ppid=service, exe=parent),
            ProcessRef(
                pid=service, start_ns=5, ppid=1, exe="/usr/sbin/nginx" if act.web else "/usr/sbin/sshd"
            ),
        ),
    )


def _entity(real: EntityRef, act: Act, acting: Process | None) -> EntityRef:
    if real.type is EntityType.IP:
        return EntityRef.ip(act.ip)
    if real.type is EntityType.USER:
        return EntityRef.user(act.user)
    if real.type is EntityType.CONTAINER:
        return EntityRef.container(act.container)
    if real.type is EntityType.PATH and act.path is not None:
        return EntityRef.path(act.path)
    if real.type is EntityType.SERVICE and real.value == "x":
        return EntityRef.service(act.source)
    if real.type is EntityType.PROCESS:
        one = acting or ProcessRef(pid=act.shell, start_ns=act.shell * 1000)
        return EntityRef.process(one.pid, one.start_ns)
    return real


class _FromAgent(msgspec.Struct, frozen=True):
    """Operation: what the agent itself found."""

    finding: Finding
    correlator: Correlator
    durable: bool = False

    def apply(self, tx: Tx) -> None:
        ts_ns = parse_rfc3339(self.finding.ts)
        fields = msgspec.json.encode(self.finding.fields)
        stored = tx.insert_incident(
            NewIncident(finding=self.finding, ts_ns=ts_ns, fields=fields, source="agent")
        )
        assert stored is not None
        self.correlator.observe(tx, stored)


class _Overdue(msgspec.Struct, frozen=True):
    """Operation: as the periodic task, so many seconds later on the clock."""

    correlator: Correlator
    clock_s: int
    durable: bool = False

    def apply(self, tx: Tx) -> int:
        tx.now_ns += self.clock_s * NS
        return self.correlator.overdue(tx)


def play(
    data_dir: Path, *items: Finding | Telemetry, rules: Sequence[ChainRule] | None = None, clock_s: int = 400
) -> list[IncidentRow]:
    """Through findings.jsonl, ingest and the writer, in this order of arrival, then `clock_s` go by; the
    stories, oldest first."""
    writer = Writer(paths.state_db(data_dir))
    correlator = Correlator(find_rules() if rules is None else rules, user_of)
    ingest = Ingest(paths.findings(data_dir), writer, correlator.observe)
    try:
        for ours, group in groupby(items, key=lambda one: one.detector in AGENT_MADE):
            if ours:
                for one in group:
                    assert isinstance(one, Finding)
                    writer.run(_FromAgent(one, correlator))
                continue
            append(data_dir, *group)
            while ingest.step() is not None:
                pass
        writer.run(_Overdue(correlator, clock_s))
    finally:
        ingest.close()
        writer.close()
    with reading(data_dir) as reader:
        return [row for row in reversed(reader.incidents(limit=10_000)) if row.source == "correlation"]

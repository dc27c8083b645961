# SPDX-License-Identifier: Apache-2.0
"""Findings with the evidence that the sensor gives, and the whole way from the file to the decision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from innerwarden import paths
from innerwarden.agent.correlate.registry import find_rules
from innerwarden.agent.state.read import Reader
from innerwarden.agent.state.rows import TriageRow
from innerwarden.agent.state.writer import Writer
from innerwarden.agent.triage.compose import settings_of
from innerwarden.agent.triage.engine import Triage
from innerwarden.agent.triage.gather import Sources
from innerwarden.agent.triage.settings import Settings
from innerwarden.config import Config, ResponderConfig
from innerwarden.model.entity import EntityRef
from innerwarden.model.finding import Evidence, Finding
from innerwarden.model.severity import Severity
from innerwarden.model.verb import VERB_IDS, AnyVerb
from innerwarden.safety import Verdict
from tests.unit.agent.support import finding, ingest_all

ATTACKER = "203.0.113.9"
CHAINS = [rule.id for rule in find_rules()]


def yes(_: AnyVerb) -> Verdict:
    return Verdict(allowed=True, rule="none", reason="")


def no(_: AnyVerb) -> Verdict:
    return Verdict(allowed=False, rule="never", reason="the operator says never")


def settings(**changes: object) -> Settings:
    """The shipped rules and playbooks with every verb allowed."""
    config = Config(responder=ResponderConfig(verbs=VERB_IDS))
    return msgspec.structs.replace(settings_of(config, yes, CHAINS), **changes)


def evidence(kind: str, **details: str | int) -> Evidence:
    return Evidence(kind=kind, text="as it was seen", details=dict(details))


def about(
    detector: str,
    *entities: EntityRef,
    seen: tuple[Evidence, ...] = (),
    severity: Severity = Severity.MEDIUM,
    at_s: float = 0.0,
    key: str = "one",
    **fields: object,
) -> Finding:
    one = finding(detector, at_s=at_s, key=key, entities=entities, severity=severity)
    return msgspec.structs.replace(one, fields=msgspec.structs.replace(one.fields, evidence=seen, **fields))


def guessing(address: str = ATTACKER, at_s: float = 0.0, method: str = "password", **more: object) -> Finding:
    """As ssh_bruteforce tells it."""
    seen = (evidence("ssh.login_failed", src_ip=address, method=method),)
    return about(
        "ssh_bruteforce", EntityRef.ip(address), seen=seen, at_s=at_s, key=f"{address}:{at_s}", **more
    )


def landed(address: str = ATTACKER, user: str = "ana", at_s: float = 30.0) -> Finding:
    """As login_after_failures tells it."""
    seen = (evidence("ssh.login_success", src_ip=address, user=user, method="password"),)
    return about(
        "login_after_failures", EntityRef.ip(address), EntityRef.user(user), seen=seen,
        severity=Severity.HIGH, at_s=at_s, key=f"{address}:{at_s}",
    )  # fmt: skip


def c2(address: str = "198.51.100.7", pid: int = 700, severity: Severity = Severity.HIGH) -> Finding:
    """As c2_callback tells it: the address is where a program of this machine connected to."""
    seen = (evidence("network.connect", src_ip="192.0.2.10", dst_ip=address, dst_port=443),)
    return about(
        "c2_callback", EntityRef.ip(address), EntityRef.process(pid, pid * 1000), seen=seen,
        severity=severity, key=f"{address}:{pid}",
    )  # fmt: skip


@contextmanager
def triaging(
    data_dir: Path, chosen: Settings | None = None, sources: Sources | None = None, **more: object
) -> Iterator[Triage]:
    writer = Writer(paths.state_db(data_dir))
    one = settings() if chosen is None else chosen
    triage = Triage(paths.state_db(data_dir), writer, lambda: one, sources=sources, **more)
    try:
        yield triage
    finally:
        triage.close()
        writer.close()


def triage_all(
    data_dir: Path, chosen: Settings | None = None, sources: Sources | None = None, **more: object
) -> None:
    """What is in the findings file: ingested, correlated, decided."""
    ingest_all(data_dir)
    with triaging(data_dir, chosen, sources, **more) as triage:
        while triage.step():
            pass


def decision(data_dir: Path, one: Finding | str) -> TriageRow:
    name = one if isinstance(one, str) else one.fields.incident_id
    with Reader(paths.state_db(data_dir)) as reader:
        row = reader.triage(name)
    assert row is not None, f"nothing was decided about {name}"
    return row

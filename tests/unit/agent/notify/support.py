# SPDX-License-Identifier: Apache-2.0
"""Incidents handed over as triage does, over a real database, and rows as they lie in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import msgspec

from innerwarden import paths
from innerwarden.agent.notify.message import Message
from innerwarden.agent.notify.route import BATCH, Route, Routed
from innerwarden.agent.state import notices
from innerwarden.agent.state.tx import NewIncident, Tx
from innerwarden.agent.state.writer import Writer
from innerwarden.clock import NS, parse_rfc3339
from innerwarden.config import ChannelConfig, NotifyConfig
from innerwarden.model.entity import EntityRef
from innerwarden.model.finding import Finding
from innerwarden.model.record import Outcome
from innerwarden.model.severity import Severity
from innerwarden.model.verb import AnyVerb
from tests.unit.agent.support import finding

#: 2026-01-02T12:00:00Z
NOON_NS = 1_767_355_200 * NS
HOUR_NS = 3600 * NS
ATTACKER = EntityRef.ip("203.0.113.9")


class Triaged(msgspec.Struct, frozen=True, kw_only=True):
    """Operation: store an incident and hand it over, as triage does in one transaction."""

    finding: Finding
    outcome: Outcome = Outcome.WATCH
    reason: str = "nothing gentler fits"
    verb: AnyVerb | None = None
    response_id: str | None = None
    times: int = 1
    folded_into: str | None = None
    durable: bool = False

    def apply(self, tx: Tx) -> int:
        fields = msgspec.json.encode(self.finding.fields)
        stored = tx.insert_incident(
            NewIncident(finding=self.finding, ts_ns=parse_rfc3339(self.finding.ts), fields=fields)
        )
        assert stored is not None
        if self.folded_into is not None:
            tx.db.execute(
                "INSERT INTO triage (incident, outcome, by, reason, confidence, folded_into, decided_ns)"
                " VALUES (?, 'watch', 'gate:dedupe', '', 0, ?, 1)",
                (stored.id, self.folded_into),
            )
        for _ in range(self.times):
            notices.queue(
                tx,
                stored.id,
                self.outcome,
                reason=self.reason,
                verb=self.verb,
                ttl_s=3600 if self.verb else None,
                response_id=self.response_id,
            )
        return stored.id


class Closed(msgspec.Struct, frozen=True):
    incident: int
    durable: bool = False

    def apply(self, tx: Tx) -> None:
        notices.queue_closed(tx, self.incident, Outcome.ACT, "operator:ana")


class Again(msgspec.Struct, frozen=True):
    """Operation: hand an incident over that was handed over before."""

    incident: int
    response_id: str | None = None
    durable: bool = False

    def apply(self, tx: Tx) -> None:
        outcome = Outcome.WATCH if self.response_id is None else Outcome.PROPOSE
        notices.queue(tx, self.incident, outcome, response_id=self.response_id)


class Row(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    channel: str
    key: str
    kind: str
    state: str
    severity: int
    due_ns: int
    attempts: int
    detail: str
    body: bytes | None

    def message(self) -> Message:
        assert self.body is not None
        return msgspec.json.decode(self.body, type=Message)


class Store:
    """One writer over one directory, and the configuration that routes."""

    def __init__(self, data_dir: Path, config: NotifyConfig) -> None:
        self.data_dir = data_dir
        self.config = config
        self.writer = Writer(paths.state_db(data_dir))
        self._made = 0

    def triage(
        self,
        severity: Severity = Severity.HIGH,
        *,
        detector: str = "ssh_brute_force",
        entity: EntityRef = ATTACKER,
        outcome: Outcome = Outcome.WATCH,
        verb: AnyVerb | None = None,
        response_id: str | None = None,
        summary: str = "12 failed logins",
        times: int = 1,
        folded_into: str | None = None,
    ) -> str:
        """Returns the incident's id."""
        self._made += 1
        one = finding(detector, key=str(self._made), entities=(entity,), severity=severity, summary=summary)
        self.writer.run(
            Triaged(
                finding=one,
                outcome=outcome,
                verb=verb,
                response_id=response_id,
                times=times,
                folded_into=folded_into,
            )
        )
        return one.fields.incident_id

    def close_incident(self, incident_id: str) -> None:
        number = self.ask("SELECT id FROM incidents WHERE incident_id = ?", incident_id)[0][0]
        self.writer.run(Closed(int(str(number))))

    def route(self, now_ns: int = NOON_NS, prune: bool = False) -> Routed:
        """Until nothing handed over is left."""
        while True:
            done = self.writer.run(Route(notify=self.config, host="web-1", now_ns=now_ns, prune=prune))
            if done.taken < BATCH:
                return done

    def ask(self, sql: str, *bound: object) -> list[tuple[object, ...]]:
        db = apsw.Connection(str(paths.state_db(self.data_dir)), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            return list(db.execute(sql, bound))  # type: ignore[arg-type]
        finally:
            db.close()

    def rows(self, channel: str = "ops", state: str | None = None, kind: str | None = None) -> list[Row]:
        names = ", ".join(Row.__struct_fields__)
        found = [
            msgspec.convert(dict(zip(Row.__struct_fields__, row, strict=True)), Row)
            for row in self.ask(f"SELECT {names} FROM notices WHERE channel = ? ORDER BY id", channel)
        ]
        return [r for r in found if state in (None, r.state) and kind in (None, r.kind)]

    def states(self, channel: str = "ops") -> dict[str, int]:
        states = [row.state for row in self.rows(channel)]
        return {state: states.count(state) for state in sorted(set(states))}

    def counters(self) -> dict[str, int]:
        return {str(name): int(str(value)) for name, value in self.ask("SELECT name, value FROM counters")}


def one_channel(**settings: object) -> NotifyConfig:
    channel = msgspec.convert({"kind": "syslog", "address": "unix:///dev/log", **settings}, ChannelConfig)
    return NotifyConfig(enabled=True, channels={"ops": channel})


@contextmanager
def store(data_dir: Path, config: NotifyConfig) -> Iterator[Store]:
    made = Store(data_dir, config)
    try:
        yield made
    finally:
        made.writer.close()

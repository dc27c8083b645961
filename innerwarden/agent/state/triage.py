# SPDX-License-Identifier: Apache-2.0
"""Triage in state.db: what is not decided yet, what is known around it, and the decisions with all that follows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from innerwarden.agent.state import notices, record, responses
from innerwarden.agent.state.connection import open_read_only
from innerwarden.agent.state.read import ROW, incident_of
from innerwarden.agent.state.responses import Order
from innerwarden.agent.state.rows import IncidentRow
from innerwarden.agent.state.tx import Tx
from innerwarden.model.entity import EntityRef
from innerwarden.model.finding import Evidence
from innerwarden.model.record import Answered, Decided, Outcome
from innerwarden.model.severity import Severity

#: Status of an incident by what was decided; `open` before, `folded` for what stands for another.
STATUS: dict[Outcome, str] = {
    Outcome.ACT: "acted",
    Outcome.PROPOSE: "proposed",
    Outcome.WATCH: "watched",
    Outcome.DISMISS: "dismissed",
    Outcome.NEEDS_REVIEW: "needs_review",
}
#: How long to block an address at least that was blocked once, twice, or oftener before, in s.
REPEAT_TTL_S = (4 * 3600, 24 * 3600, 7 * 24 * 3600)
FOLDED = "folded"
#: Of an entity that thousands of incidents name, so many of the newest are looked at.
LOOK_BACK = 200
MEMBERS = 64
#: Questions that may wait for a model.
QUESTIONS = 500
_SEVERITIES = tuple(Severity)
_LIVE = "('proposed', 'intended', 'active', 'undoing')"


class EarlierRow(msgspec.Struct, frozen=True, kw_only=True):
    """The last decision about a key."""

    incident_id: str
    severity: Severity
    outcome: Outcome
    ts_ns: int


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A decision, ready to store. `key` is what later ones fold by; `recorded`: the record keeps it even when nothing
    is ordered; `asked`: a model is to be asked about it."""

    incident: IncidentRow
    key: bytes
    outcome: Outcome
    by: str
    reason: str
    confidence: float
    recorded: bool
    orders: tuple[Order, ...] = ()
    playbooks: tuple[str, ...] = ()
    shadowed: tuple[Decided, ...] = ()
    folded_into: str | None = None
    asked: bool = False
    severity: Severity
    """What the detector said."""


class Decisions(msgspec.Struct, frozen=True, kw_only=True):
    """Operation: a batch of decisions with their orders and messages; returns how many were made.

    An incident that is decided already stays as it is, so a batch that is submitted again decides nothing twice.
    `at_once`: what is ordered is asked for as soon as this is on the disk, and that is recorded with it.
    """

    judged: tuple[Judged, ...]
    counted: dict[str, int]
    dry_run: bool = True
    at_once: bool = False
    durable: bool = True

    def apply(self, tx: Tx) -> int:
        made = 0
        for one in self.judged:
            tx.db.execute(
                "UPDATE incidents SET status = ?, triaged_ns = ? WHERE id = ? AND triaged_ns IS NULL",
                (FOLDED if one.folded_into else STATUS[one.outcome], tx.now_ns, one.incident.id),
            )
            if tx.db.changes():
                made += 1
                self._store(tx, one)
        if made == len(self.judged):
            for name, by in self.counted.items():
                tx.count(name, by)
        return made

    def _store(self, tx: Tx, one: Judged) -> None:
        number = one.incident.id
        tx.db.execute(
            "INSERT INTO triage (incident, outcome, by, reason, confidence, folded_into, decided_ns)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (number, one.outcome, one.by, one.reason, one.confidence, one.folded_into, tx.now_ns),
        )
        if one.folded_into is None:
            tx.db.execute(
                "INSERT OR REPLACE INTO triage_latest (key, incident_id, severity, outcome, ts_ns, decided_ns)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (
                    one.key,
                    one.incident.incident_id,
                    one.severity.rank,
                    one.outcome,
                    one.incident.ts_ns,
                    tx.now_ns,
                ),
            )
        if one.asked:
            tx.db.execute(
                "INSERT OR IGNORE INTO triage_questions (incident) SELECT ?"
                " WHERE (SELECT count(*) FROM triage_questions) < ?",
                (number, QUESTIONS),
            )
        for playbook in one.playbooks:
            tx.db.execute(
                "INSERT OR IGNORE INTO playbook_runs (incident, playbook, step, state)"
                " VALUES (?, ?, 0, 'running')",
                (number, playbook),
            )
        for entry in one.shadowed:
            record.append(tx, entry)
        ids = order(tx, one.orders)
        if self.at_once:
            for response_id, ordered in zip(ids, one.orders, strict=True):
                if response_id is not None and not ordered.proposed:
                    responses.request(tx, response_id, dry_run=self.dry_run)
        if one.recorded and not one.orders:
            record.append(tx, decided(one))
        self._tell(tx, one, ids)

    def _tell(self, tx: Tx, one: Judged, ids: list[str | None]) -> None:
        first = next((place for place, found in enumerate(ids) if found is not None), None)
        told = None if first is None else one.orders[first]
        notices.queue(
            tx,
            one.incident.id,
            one.outcome,
            reason=one.reason,
            verb=None if told is None else told.verb,
            ttl_s=None if told is None else told.ttl_s,
            dry_run=self.dry_run,
            response_id=None if first is None or not one.orders[first].proposed else ids[first],
        )


def decided(one: Judged) -> Decided:
    return Decided(
        incident_id=one.incident.incident_id,
        outcome=one.outcome,
        by=one.by,
        reason=one.reason,
        confidence=one.confidence,
    )


def order(tx: Tx, orders: Iterable[Order]) -> list[str | None]:
    """Store each, and return the id that it got; None: it waits for an answer already, or is in effect, and is
    recorded all the same. What is ordered ends the proposals of the same."""
    ids: list[str | None] = []
    for one in orders:
        found = None
        if one.proposed and _is_live(tx, one.verb.key()):
            record.append(tx, one.decided)
        elif (found := responses.intend(tx, one)) is not None:
            tx.count("triage.proposed" if one.proposed else "triage.ordered")
            if not one.proposed:
                _overtake(tx, one.verb.key(), found)
        ids.append(found)
    return ids


def _is_live(tx: Tx, key: str) -> bool:
    sql = f"SELECT 1 FROM responses WHERE key = ? AND state IN {_LIVE} LIMIT 1"  # noqa: S608 - our own text
    return tx.db.execute(sql, (key,)).get is not None


def _overtake(tx: Tx, key: str, by: str) -> None:
    detail = f"{by} does it without asking"
    rows = tx.db.execute(
        "UPDATE responses SET state = 'denied', detail = ? WHERE key = ? AND state = 'proposed'"
        " RETURNING response_id",
        (detail, key),
    ).fetchall()
    for (response_id,) in rows:
        record.append(tx, Answered(response_id=str(response_id), state="denied", detail=detail))


class AdvanceRun(msgspec.Struct, frozen=True, kw_only=True):
    """Operation: a playbook goes on from one step to the next (with its orders), or ends; False: it did already."""

    incident: int
    playbook: str
    step: int
    next_step: int
    state: str
    orders: tuple[Order, ...] = ()
    entry: Decided | None = None
    durable: bool = True

    def apply(self, tx: Tx) -> bool:
        tx.db.execute(
            "UPDATE playbook_runs SET step = ?, state = ?"
            " WHERE incident = ? AND playbook = ? AND step = ? AND state = 'running'",
            (self.next_step, self.state, self.incident, self.playbook, self.step),
        )
        if not tx.db.changes():
            return False
        if self.entry is not None:
            record.append(tx, self.entry)
        order(tx, self.orders)
        return True


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A playbook under way; `step` is the place of the one that was asked for last."""

    incident: int
    playbook: str
    step: int


class TriageReader:
    """What triage asks of the state, over a connection that can only read. Belongs to one thread."""

    def __init__(self, path: Path) -> None:
        self._db = open_read_only(path)

    def close(self) -> None:
        self._db.close()

    def undecided(self, limit: int) -> list[IncidentRow]:
        """Oldest arrival first."""
        rows = self._db.execute(ROW + " WHERE i.triaged_ns IS NULL ORDER BY i.id LIMIT ?", (limit,))
        return [incident_of(row) for row in rows]

    def by_number(self, number: int) -> IncidentRow | None:
        for row in self._db.execute(ROW + " WHERE i.id = ?", (number,)):
            return incident_of(row)
        return None

    def earlier(self, key: bytes) -> EarlierRow | None:
        sql = "SELECT incident_id, severity, outcome, ts_ns FROM triage_latest WHERE key = ?"
        row = self._db.execute(sql, (key,)).fetchone()
        if row is None:
            return None
        return EarlierRow(
            incident_id=row[0], severity=_SEVERITIES[row[1]], outcome=Outcome(row[2]), ts_ns=row[3]
        )

    def detectors_about(
        self, entities: Sequence[EntityRef], own: int, since_ns: int, until_ns: int
    ) -> frozenset[str]:
        """Detectors of other incidents of the sensor that name one of the entities, in event time; what puts findings
        together counts for nothing here."""
        found: set[str] = set()
        for entity in entities:
            rows = self._db.execute(
                "SELECT DISTINCT i.detector FROM (SELECT incident FROM incident_entities"
                " WHERE value = ? AND type = ? ORDER BY incident DESC LIMIT ?) AS e"
                " JOIN incidents AS i ON i.id = e.incident"
                " WHERE i.id <> ? AND i.ts_ns BETWEEN ? AND ? AND i.source = 'sensor' AND i.severity >= ?",
                (entity.value, entity.type, LOOK_BACK, own, since_ns, until_ns, Severity.LOW.rank),
            )
            found |= {str(name) for (name,) in rows}
        return frozenset(found)

    def evidence_about(self, entity: EntityRef, own: int, since_ns: int, limit: int) -> list[Evidence]:
        """Evidence of other recent incidents that name the entity."""
        rows = self._db.execute(
            ROW + " JOIN (SELECT incident FROM incident_entities WHERE value = ? AND type = ?"  # noqa: S608 - fixed text
            " ORDER BY incident DESC LIMIT ?) AS e ON e.incident = i.id"
            " WHERE i.id <> ? AND i.ts_ns >= ? ORDER BY i.id DESC LIMIT ?",
            (entity.value, entity.type, LOOK_BACK, own, since_ns, limit),
        )
        return [evidence for row in rows for evidence in incident_of(row).fields.evidence]

    def chains_of(self, number: int) -> tuple[str, ...]:
        """Correlation rules whose story this incident is part of."""
        rows = self._db.execute(
            "SELECT DISTINCT c.detector FROM incident_members AS m JOIN incidents AS c ON c.id = m.chain"
            " WHERE m.member = ? ORDER BY c.detector LIMIT 8",
            (number,),
        )
        return tuple(str(name) for (name,) in rows)

    def members_of(self, number: int) -> list[IncidentRow]:
        """What a correlation incident was made of, at most MEMBERS."""
        sql = ROW + " JOIN incident_members AS m ON m.member = i.id WHERE m.chain = ? ORDER BY i.id LIMIT ?"
        return [incident_of(row) for row in self._db.execute(sql, (number, MEMBERS))]

    def offences(self, keys: Sequence[str]) -> int:
        """Responses with one of these keys that were in effect once."""
        marks = ", ".join("?" * len(keys))
        sql = (
            f"SELECT count(*) FROM responses WHERE key IN ({marks})"  # noqa: S608 - question marks
            " AND expires_ns IS NOT NULL AND state IN ('active', 'undoing', 'undone', 'done')"
        )
        return int(self._db.execute(sql, tuple(keys)).get)

    def repeat_ttls(self, addresses: Sequence[str]) -> dict[str, int]:
        """How long in s a block of each should last at least; only of those that were blocked before. A dry run, and
        what was refused or failed, is no block."""
        keys = {f"block_address:ip:{address}": address for address in addresses}
        marks = ", ".join("?" * len(keys))
        sql = (
            f"SELECT key, count(*) FROM responses WHERE key IN ({marks})"  # noqa: S608 - question marks
            " AND expires_ns IS NOT NULL AND state IN ('active', 'undoing', 'undone', 'done') GROUP BY key"
        )
        rows = msgspec.convert(self._db.execute(sql, tuple(keys)).fetchall(), list[tuple[str, int]])
        return {keys[key]: REPEAT_TTL_S[min(count, len(REPEAT_TTL_S)) - 1] for key, count in rows}

    def live(self, keys: Sequence[str]) -> tuple[frozenset[str], frozenset[str]]:
        """Those of the keys that are ordered or in effect, and those that are proposed."""
        marks = ", ".join("?" * len(keys))
        sql = f"SELECT DISTINCT key, state = 'proposed' FROM responses WHERE key IN ({marks}) AND state IN {_LIVE}"  # noqa: S608
        rows = self._db.execute(sql, tuple(keys)).fetchall()
        return (
            frozenset(str(key) for key, proposed in rows if not proposed),
            frozenset(str(key) for key, proposed in rows if proposed),
        )

    def runs_to_advance(self, limit: int) -> list[Run]:
        """Those whose step no longer waits for the operator or the responder."""
        rows = self._db.execute(
            "SELECT r.incident, r.playbook, r.step FROM playbook_runs AS r WHERE r.state = 'running'"
            " AND NOT EXISTS (SELECT 1 FROM responses AS p WHERE p.incident = r.incident"
            " AND p.by GLOB 'playbook:' || r.playbook || '/*' AND p.state IN ('proposed', 'intended'))"
            " ORDER BY r.incident LIMIT ?",
            (limit,),
        )
        return [Run(incident=incident, playbook=playbook, step=step) for incident, playbook, step in rows]

    def states_of(self, incident: int, by: str) -> frozenset[str]:
        """States of the responses that `by` asked for."""
        sql = "SELECT DISTINCT state FROM responses WHERE incident = ? AND by = ?"
        return frozenset(str(state) for (state,) in self._db.execute(sql, (incident, by)))

    def proposals(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM responses WHERE state = 'proposed'").get)

    def orders_since(self, ns: int) -> int:
        """Responses that were ordered since, whatever became of them; what only waits for an answer is none."""
        sql = "SELECT count(*) FROM responses WHERE created_ns >= ? AND state NOT IN ('proposed', 'denied')"
        return int(self._db.execute(sql, (ns,)).get)

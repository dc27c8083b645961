# SPDX-License-Identifier: Apache-2.0
"""Questions to a model, and what its answers change."""

from __future__ import annotations

from pathlib import Path

import msgspec

from innerwarden.agent.state import notices, record
from innerwarden.agent.state.connection import open_read_only
from innerwarden.agent.state.read import ROW, incident_of
from innerwarden.agent.state.responses import Order
from innerwarden.agent.state.rows import IncidentRow, TriageRow
from innerwarden.agent.state.triage import order
from innerwarden.agent.state.tx import Tx
from innerwarden.model.record import Decided
from innerwarden.model.severity import Severity


class Consulted(msgspec.Struct, frozen=True, kw_only=True):
    """Operation: the question is answered, or will not be. With `entry` the incident's decision is raised, unless
    its status is no longer `before`: what a person did meanwhile stands."""

    incident: int
    explanation: str = ""
    before: str = ""
    status: str = ""
    entry: Decided | None = None
    orders: tuple[Order, ...] = ()
    severity: Severity = Severity.HIGH
    dry_run: bool = True
    durable: bool = True

    def apply(self, tx: Tx) -> bool:
        tx.db.execute("DELETE FROM triage_questions WHERE incident = ?", (self.incident,))
        if not tx.db.changes():
            return False
        tx.db.execute(
            "UPDATE triage SET explanation = ? WHERE incident = ?", (self.explanation, self.incident)
        )
        if self.entry is not None:
            self._raise(tx, self.entry)
        return True

    def _raise(self, tx: Tx, entry: Decided) -> None:
        tx.db.execute(
            "UPDATE incidents SET status = ? WHERE id = ? AND status = ?",
            (self.status, self.incident, self.before),
        )
        if not tx.db.changes():
            return
        tx.db.execute(
            "UPDATE triage SET outcome = ?1, by = ?2, reason = reason || '; ' || ?3 WHERE incident = ?4",
            (entry.outcome, entry.by, entry.reason, self.incident),
        )
        ids = order(tx, self.orders)
        if not self.orders:
            record.append(tx, entry)
        first = self.orders[0] if self.orders and ids[0] is not None else None
        notices.queue(
            tx,
            self.incident,
            entry.outcome,
            reason=entry.reason,
            verb=None if first is None else first.verb,
            ttl_s=None if first is None else first.ttl_s,
            dry_run=self.dry_run,
            response_id=None if first is None else ids[0],
        )


class QuestionReader:
    """Over a connection that can only read. Belongs to one thread."""

    def __init__(self, path: Path) -> None:
        self._db = open_read_only(path)

    def close(self) -> None:
        self._db.close()

    def next(self) -> tuple[IncidentRow, TriageRow] | None:
        """The newest incident that waits for a model, with its decision: an old one helps nobody."""
        sql = ROW + " JOIN triage_questions AS q ON q.incident = i.id ORDER BY i.id DESC LIMIT 1"
        for row in self._db.execute(sql):
            incident = incident_of(row)
            columns = ", ".join(TriageRow.__struct_fields__)
            found = self._db.execute(
                f"SELECT {columns} FROM triage WHERE incident = ?",  # noqa: S608 - our own names
                (incident.id,),
            ).fetchone()
            if found is not None:
                values = dict(zip(TriageRow.__struct_fields__, found, strict=True))
                return incident, msgspec.convert(values, TriageRow)
        return None

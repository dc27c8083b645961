# SPDX-License-Identifier: Apache-2.0
"""What runs out in triage: reviews that nobody made, decisions that nothing folds into, reputation, budgets."""

from __future__ import annotations

import msgspec

from innerwarden.agent.state import notices, record
from innerwarden.agent.state.triage import STATUS
from innerwarden.agent.state.tx import Tx
from innerwarden.model.record import Answered, Decided, Outcome
from innerwarden.model.severity import Severity

#: Rows of one transaction.
ROWS = 200
CLOSED = "closed"


class CloseReviews(msgspec.Struct, frozen=True, kw_only=True):
    """Operation: close what waits for review since before a moment (wall time), up to medium severity; returns how
    many. High and critical wait for a person however long it takes."""

    before_ns: int
    days: int
    durable: bool = True

    def apply(self, tx: Tx) -> int:
        found = tx.db.execute(
            "SELECT id, incident_id FROM incidents WHERE status = 'needs_review' AND triaged_ns < ?"
            " AND severity <= ? AND coalesce(json_extract(fields, '$.trusted.severity'), '') NOT IN (?, ?)"
            " ORDER BY id LIMIT ?",
            (self.before_ns, Severity.MEDIUM.rank, Severity.HIGH, Severity.CRITICAL, ROWS),
        ).fetchall()
        rows = msgspec.convert(found, list[tuple[int, str]])
        reason = f"nobody reviewed it for {self.days} days"
        for number, incident_id in rows:
            tx.db.execute("UPDATE incidents SET status = ? WHERE id = ?", (CLOSED, number))
            entry = Decided(incident_id=incident_id, outcome=Outcome.DISMISS, by="gate:review", reason=reason)
            record.append(tx, entry)
            notices.queue_closed(tx, number, Outcome.DISMISS, reason)
        tx.count("triage.reviews_closed", len(rows))
        return len(rows)


class ExpireProposals(msgspec.Struct, frozen=True, kw_only=True):
    """Operation: end proposals that nobody answered since before a moment (wall time); returns how many. Their
    incident goes to review when it is grave, and is watched otherwise, unless something else is under way for it."""

    before_ns: int
    hours: int
    durable: bool = True

    def apply(self, tx: Tx) -> int:
        found = tx.db.execute(
            "SELECT response_id, incident FROM responses WHERE state = 'proposed' AND created_ns < ?"
            " ORDER BY id LIMIT ?",
            (self.before_ns, ROWS),
        ).fetchall()
        rows = msgspec.convert(found, list[tuple[str, int | None]])
        detail = f"nobody answered for {self.hours} hours"
        for response_id, incident in rows:
            tx.db.execute(
                "UPDATE responses SET state = 'denied', detail = ? WHERE response_id = ?",
                (detail, response_id),
            )
            record.append(tx, Answered(response_id=response_id, state="denied", detail=detail))
            if incident is not None:
                self._leave(tx, incident, detail)
        tx.count("triage.proposals_expired", len(rows))
        return len(rows)

    def _leave(self, tx: Tx, incident: int, detail: str) -> None:
        row = tx.db.execute(
            "SELECT incident_id, severity, coalesce(json_extract(fields, '$.trusted.severity'), '') FROM incidents"
            " WHERE id = ?1 AND status = 'proposed' AND NOT EXISTS (SELECT 1 FROM responses"
            " WHERE incident = ?1 AND state IN ('proposed', 'intended', 'active', 'undoing'))",
            (incident,),
        ).fetchone()
        if row is None:
            return
        incident_id, rank, found_as = msgspec.convert(row, tuple[str, int, str])
        grave = rank >= Severity.HIGH.rank or found_as in (Severity.HIGH, Severity.CRITICAL)
        outcome = Outcome.NEEDS_REVIEW if grave else Outcome.WATCH
        tx.db.execute("UPDATE incidents SET status = ? WHERE id = ?", (STATUS[outcome], incident))
        record.append(
            tx,
            Decided(incident_id=incident_id, outcome=outcome, by="gate:review", reason=f"proposed; {detail}"),
        )


class PruneTriage(msgspec.Struct, frozen=True, kw_only=True):
    """Operation: forget what is of no use any more; returns how many rows went. `folded_ns`: nothing folds into a
    decision that was made before (wall time)."""

    folded_ns: int
    durable: bool = False

    def apply(self, tx: Tx) -> int:
        gone = 0
        for table, key, column, before_ns in (
            ("triage_latest", "key", "decided_ns", self.folded_ns),
            ("reputation", "address, provider", "expires_ns", tx.now_ns),
            ("budgets", "name, period", "touched_ns", self.folded_ns),
        ):
            tx.db.execute(
                f"DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table}"  # noqa: S608 - our own names
                f" WHERE {column} < ? ORDER BY {column} LIMIT ?)",
                (before_ns, ROWS),
            )
            gone += tx.db.changes()
        return gone

# SPDX-License-Identifier: Apache-2.0
"""What runs out in triage: reviews that nobody made, decisions that nothing folds into, reputation, budgets."""

from __future__ import annotations

import msgspec

from innerwarden.agent.state import notices, record
from innerwarden.agent.state.tx import Tx
from innerwarden.model.record import Decided, Outcome
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

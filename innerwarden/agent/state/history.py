# SPDX-License-Identifier: Apache-2.0
"""Stored findings, read again in the order of their arrival; and what stands in for the responder meanwhile."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec

from innerwarden.agent.state.connection import open_read_only
from innerwarden.agent.state.read import ROW, incident_of
from innerwarden.agent.state.tx import NewIncident, Tx
from innerwarden.clock import NS
from innerwarden.model.finding import Finding

BATCH_ROWS = 100
#: Event time that one batch spans at most.
BATCH_NS = NS


class History:
    """Findings of the sensor and of the agent since a moment (event time), those that are there when it is opened.
    `made_anew` are detectors whose findings the replay makes itself, as it does those of correlation. No view of the
    database is held between two batches."""

    def __init__(self, path: Path, since_ns: int, made_anew: Collection[str] = ()) -> None:
        self._db = open_read_only(path)
        marks = ", ".join("?" * len(made_anew))
        self._where = f"source <> 'correlation' AND ts_ns >= ? AND detector NOT IN ({marks})"
        self._values = (since_ns, *made_anew)
        row = self._db.execute(
            f"SELECT count(*), coalesce(max(id), 0) FROM incidents WHERE {self._where}",  # noqa: S608 - question marks
            self._values,
        ).fetchone()
        self.count, self._last = msgspec.convert(row, tuple[int, int])

    def close(self) -> None:
        self._db.close()

    def batches(self) -> Iterator[list[NewIncident]]:
        """Up to BATCH_ROWS at a time, no batch longer than BATCH_NS."""
        batch: list[NewIncident] = []
        for new in self._findings():
            if batch and (len(batch) == BATCH_ROWS or abs(new.ts_ns - batch[0].ts_ns) > BATCH_NS):
                yield batch
                batch = []
            batch.append(new)
        if batch:
            yield batch

    def _findings(self) -> Iterator[NewIncident]:
        at = 0
        sql = f"{ROW} WHERE i.id > ? AND i.id <= ? AND {self._where} ORDER BY i.id LIMIT ?"
        while rows := self._db.execute(sql, (at, self._last, *self._values, BATCH_ROWS)).fetchall():
            for row in map(incident_of, rows):
                at = row.id
                finding = Finding(ts=row.ts, detector=row.detector, severity=row.severity, fields=row.fields)
                fields = msgspec.json.encode(row.fields)
                yield NewIncident(finding=finding, ts_ns=row.ts_ns, fields=fields, source=row.source)


class Pretend(msgspec.Struct, frozen=True, kw_only=True):
    """Operation: what was ordered takes effect and ends after its time, what was proposed is never answered and lapses
    after the same time."""

    dry_run: bool
    durable: bool = False

    def apply(self, tx: Tx) -> None:
        if self.dry_run:
            tx.db.execute("UPDATE responses SET state = 'dry_run' WHERE state = 'intended'")
        tx.db.execute(
            "UPDATE responses SET state = 'active', expires_ns = ?1 + ttl_s * ?2 WHERE state = 'intended'",
            (tx.now_ns, NS),
        )
        tx.db.execute(
            "UPDATE responses SET state = 'undone' WHERE state = 'active' AND expires_ns <= ?", (tx.now_ns,)
        )
        tx.db.execute(
            "UPDATE responses SET state = 'denied' WHERE state = 'proposed' AND created_ns + ttl_s * ?2 <= ?1",
            (tx.now_ns, NS),
        )

# SPDX-License-Identifier: Apache-2.0
"""What one write transaction can do: typed statements for the tables of state.db."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager

import apsw
import msgspec

from innerwarden.agent.state.rows import TaskRow
from innerwarden.clock import realtime_ns, rfc3339
from innerwarden.model.finding import Finding, IncidentFields
from innerwarden.model.severity import Severity

BAD_LINES_KEPT = 200
#: What SQLite raises: nothing that the caller of a Tx may swallow.
DatabaseError = apsw.Error
_SEVERITIES = tuple(Severity)
_INSERT_INCIDENT = """
INSERT INTO incidents (incident_id, ts_ns, stored_ns, severity, detector, source, title, summary, fields)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (incident_id) DO NOTHING RETURNING id
"""
_FIELDS = msgspec.json.Decoder(IncidentFields)


class NewIncident(msgspec.Struct, frozen=True, kw_only=True):
    """A checked finding, ready to store: `fields` is its JSON, `ts_ns` its time."""

    finding: Finding
    ts_ns: int
    fields: bytes
    source: str = "sensor"


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """An incident with the number it got in the database; `source` is sensor, correlation or agent."""

    id: int
    ts_ns: int
    finding: Finding
    source: str = "sensor"


class Cursor(msgspec.Struct, frozen=True, kw_only=True):
    """Place in the findings files. `signature` is the hex of the file's first `signed` bytes;
    `skipping` says that `offset` lies inside a line that is too long and already counted."""

    file: str
    device: int
    inode: int
    offset: int
    signature: str
    signed: int
    skipping: bool = False


_CURSOR_COLUMNS = ", ".join(Cursor.__struct_fields__)
_TASK_COLUMNS = ", ".join(TaskRow.__struct_fields__)


class Tx:
    """Lives for one transaction of the writer; never keep it."""

    def __init__(self, db: apsw.Connection, now_ns: int) -> None:
        self.db = db
        self.now_ns = now_ns
        """Wall time of this transaction; event times come from the rows."""
        self.new: list[Stored] = []
        """Incidents that this transaction stored, in order."""

    def savepoint(self) -> AbstractContextManager[object]:
        """What happens inside is undone when it raises; the transaction goes on."""
        return self.db

    def insert_incident(self, new: NewIncident) -> Stored | None:
        """None when this incident_id is already there."""
        f = new.finding.fields
        row = self.db.execute(
            _INSERT_INCIDENT,
            (
                f.incident_id,
                new.ts_ns,
                realtime_ns(),
                new.finding.severity.rank,
                new.finding.detector,
                new.source,
                f.title,
                f.summary,
                new.fields,
            ),
        ).fetchone()
        if row is None:
            return None
        if f.entities:
            self.db.executemany(
                "INSERT OR IGNORE INTO incident_entities (value, type, incident) VALUES (?, ?, ?)",
                [(entity.value, entity.type.value, row[0]) for entity in f.entities],
            )
        stored = Stored(id=row[0], ts_ns=new.ts_ns, finding=new.finding, source=new.source)
        self.new.append(stored)
        return stored

    def load(self, number: int) -> Stored:
        """An incident by row number; raises KeyError when it was pruned."""
        sql = "SELECT ts_ns, severity, detector, source, fields FROM incidents WHERE id = ?"
        row = self.db.execute(sql, (number,)).fetchone()
        if row is None:
            raise KeyError(number)
        ts_ns, rank, detector, source, fields = row
        finding = Finding(
            ts=rfc3339(ts_ns), detector=detector, severity=_SEVERITIES[rank], fields=_FIELDS.decode(fields)
        )
        return Stored(id=number, ts_ns=ts_ns, finding=finding, source=source)

    def add_members(self, chain: int, members: Iterable[tuple[int, int]]) -> None:
        """(step, incident row) pairs of a correlation incident; known pairs stay."""
        self.db.executemany(
            "INSERT OR IGNORE INTO incident_members (chain, step, member) VALUES (?, ?, ?)",
            [(chain, step, member) for step, member in members],
        )

    def count(self, name: str, by: int = 1) -> None:
        if by:
            self.db.execute(
                "INSERT INTO counters (name, value) VALUES (?1, ?2)"
                " ON CONFLICT (name) DO UPDATE SET value = value + ?2",
                (name, by),
            )

    def bad_line(self, file: str, offset: int, reason: str) -> None:
        """Count a skipped line and keep the last BAD_LINES_KEPT of them."""
        self.count("bad_lines")
        self.db.execute(
            "INSERT INTO bad_lines (ts_ns, file, offset, reason) VALUES (?, ?, ?, ?)",
            (self.now_ns, file, offset, reason),
        )
        last = self.db.last_insert_rowid()
        self.db.execute("DELETE FROM bad_lines WHERE id <= ?", (last - BAD_LINES_KEPT,))

    def add_telemetry(self, ts_ns: int, line: bytes) -> None:
        self.db.execute("INSERT OR IGNORE INTO telemetry (ts_ns, line) VALUES (?, ?)", (ts_ns, line))

    def cursor(self, name: str) -> Cursor | None:
        sql = f"SELECT {_CURSOR_COLUMNS} FROM cursors WHERE name = ?"  # noqa: S608 - our own names
        row = self.db.execute(sql, (name,)).fetchone()
        if row is None:
            return None
        values = dict(zip(Cursor.__struct_fields__, row, strict=True))
        return msgspec.convert(values, Cursor, strict=False)

    def set_cursor(self, name: str, cursor: Cursor) -> None:
        values = msgspec.structs.astuple(cursor)
        marks = ", ".join("?" * len(values))
        self.db.execute(
            f"INSERT OR REPLACE INTO cursors (name, {_CURSOR_COLUMNS}, updated_ns)"  # noqa: S608
            f" VALUES (?, {marks}, ?)",
            (name, *values, self.now_ns),
        )

    def save_task(self, task: TaskRow) -> None:
        marks = ", ".join("?" * len(TaskRow.__struct_fields__))
        self.db.execute(
            f"INSERT OR REPLACE INTO tasks ({_TASK_COLUMNS}) VALUES ({marks})",  # noqa: S608
            msgspec.structs.astuple(task),
        )

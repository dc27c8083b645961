# SPDX-License-Identifier: Apache-2.0
"""Reader: typed questions to state.db over one read-only connection."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from innerwarden.agent.state import outbox
from innerwarden.agent.state.connection import open_read_only
from innerwarden.agent.state.damage import question, told
from innerwarden.agent.state.outbox import Outbox
from innerwarden.agent.state.rows import (
    BadLine,
    CheckRow,
    Counts,
    CursorRow,
    Funnel,
    GateCount,
    IncidentRow,
    ResponseRow,
    StateRow,
    TaskRow,
    TriageRow,
)
from innerwarden.clock import NS, realtime_ns, rfc3339
from innerwarden.model.entity import EntityType
from innerwarden.model.finding import FACTS, IncidentFields, Telemetry
from innerwarden.model.record import GATES
from innerwarden.model.severity import Severity
from innerwarden.model.verb import AnyVerb

HOUR_NS = 3600 * NS
MAX_ROWS = 10_000
#: That SQLite takes; a bound beyond it is no other bound.
MAX_NUMBER = (1 << 63) - 1
_SEVERITIES = tuple(Severity)
_ENTITY_TYPES = frozenset(EntityType)
_FIELDS = msgspec.json.Decoder(IncidentFields)
_TELEMETRY = msgspec.json.Decoder(Telemetry)

_FACTS = ", ".join(f"'{name}'" for name in sorted(FACTS))
_NO_FACTS = f"i.detector NOT IN ({_FACTS})"

_S = TypeVar("_S", bound=msgspec.Struct)

_VERB = msgspec.json.Decoder(AnyVerb)
_RESPONSE = (
    "SELECT r.response_id, r.verb, i.incident_id, r.by, r.reason, r.state, r.created_ns, r.ttl_s, r.expires_ns,"
    " r.verified_ns, r.attempts, r.detail FROM responses AS r LEFT JOIN incidents AS i ON i.id = r.incident"
)
ROW = (
    "SELECT i.id, i.incident_id, i.ts_ns, i.stored_ns, i.severity, i.detector, i.title, i.summary,"
    " i.status, i.source, i.fields FROM incidents AS i"
)


class Reader:
    """Open one per thread; every call sees the last committed state. It and its methods raise StateError when the
    database is missing, damaged or of another version."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = open_read_only(path)

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @question
    def incidents(
        self,
        *,
        since_ns: int | None = None,
        until_ns: int | None = None,
        min_severity: Severity | None = None,
        detector: str | None = None,
        entity: str | None = None,
        status: str | None = None,
        text: str | None = None,
        limit: int = 100,
        before_id: int | None = None,
    ) -> list[IncidentRow]:
        """Newest arrival first, facts only when `detector` asks for them.

        `entity` is a value, or `type:value`; `text` is looked for, case-blind for
        ASCII, in id, detector, title and summary; `before_id` continues after the row with that `id`."""
        where: list[str] = []
        values: list[str | int] = []
        for clause, value in (
            ("i.ts_ns >= ?", since_ns),
            ("i.ts_ns < ?", until_ns),
            ("i.severity >= ?", min_severity.rank if min_severity else None),
            ("i.detector = ?", detector),
            ("i.status = ?", status),
            ("i.id < ?", before_id),
        ):
            if value is not None:
                where.append(clause)
                values.append(max(-MAX_NUMBER, min(value, MAX_NUMBER)) if isinstance(value, int) else value)
        if detector is None:
            where.append(_NO_FACTS)
        if entity:
            clause, bound = _entity_clause(entity)
            where.append(clause)
            values += bound
        if text:
            columns = ("i.incident_id", "i.detector", "i.title", "i.summary")
            where.append("(" + " OR ".join(f"{c} LIKE ? ESCAPE '\\'" for c in columns) + ")")
            values += [_like(text)] * len(columns)
        sql = ROW + (" WHERE " + " AND ".join(where) if where else "") + " ORDER BY i.id DESC LIMIT ?"
        return [incident_of(row) for row in self._db.execute(sql, (*values, max(0, min(limit, MAX_ROWS))))]

    @question
    def incident(self, incident_id: str) -> IncidentRow | None:
        for row in self._db.execute(ROW + " WHERE i.incident_id = ?", (incident_id,)):
            return incident_of(row)
        return None

    @question
    def related(self, incident_id: str) -> list[IncidentRow]:
        """Members of a chain by step, or the chains that hold this incident."""
        sql = (
            ROW + " JOIN incident_members AS m ON m.member = i.id JOIN incidents AS c ON c.id = m.chain"
            " WHERE c.incident_id = ? ORDER BY m.step, i.ts_ns, i.id"
        )
        members = [incident_of(row) for row in self._db.execute(sql, (incident_id,))]
        sql = (
            ROW + " JOIN incident_members AS m ON m.chain = i.id JOIN incidents AS c ON c.id = m.member"
            " WHERE c.incident_id = ? ORDER BY i.id"
        )
        return members + [incident_of(row) for row in self._db.execute(sql, (incident_id,))]

    @question
    def counts(self, since_ns: int) -> Counts:
        """Incidents since a moment (event time), grouped three ways from one snapshot; without facts.

        Ranges of indexes are counted, no rows read and nothing sorted: 100,000 incidents take some milliseconds.
        """
        with self._db:
            by_severity = {
                str(severity): count
                for severity in _SEVERITIES
                if (count := self._count("severity = ? AND ts_ns >= ?", severity.rank, since_ns))
            }
            by_detector = {
                name: count
                for name in self._detectors()
                if (count := self._count("detector = ? AND ts_ns >= ?", name, since_ns))
            }
            by_hour = tuple(self._by_hour(since_ns))
        return Counts(
            total=sum(by_severity.values()),
            by_severity=by_severity,
            by_detector=dict(sorted(by_detector.items(), key=lambda item: (-item[1], item[0]))),
            by_hour=by_hour,
        )

    @question
    def detectors(self, since_ns: int) -> list[str]:
        """Detectors with incidents since a moment (event time), sorted."""
        sql = "SELECT 1 FROM incidents WHERE detector = ? AND ts_ns >= ? LIMIT 1"
        with self._db:
            found = [name for name in self._detectors() if self._db.execute(sql, (name, since_ns)).get]
        return found

    def _count(self, where: str, *values: str | int) -> int:
        """All that fulfil `where`, less the facts among them: those are few, and found by their detector."""
        sql = (
            f"SELECT (SELECT count(*) FROM incidents WHERE {where}) - (SELECT count(*)"  # noqa: S608 - our own words
            f" FROM incidents INDEXED BY incidents_detector WHERE detector IN ({_FACTS}) AND {where})"
        )
        return int(self._db.execute(sql, (*values, *values)).get)

    def _detectors(self) -> list[str]:
        """Every detector that has incidents: the index is left from one name to the next, not walked. Without facts."""
        sql = (
            "WITH RECURSIVE name (d) AS (SELECT min(detector) FROM incidents UNION ALL"
            " SELECT (SELECT min(detector) FROM incidents WHERE detector > d) FROM name WHERE d IS NOT NULL)"
            " SELECT d FROM name WHERE d IS NOT NULL"
        )
        return [str(name) for (name,) in self._db.execute(sql) if name not in FACTS]

    def _by_hour(self, since_ns: int) -> Iterator[tuple[int, int]]:
        """(start of the hour, incidents), from one hour that has some to the next."""
        at = since_ns
        while True:
            first = self._db.execute("SELECT min(ts_ns) FROM incidents WHERE ts_ns >= ?", (at,)).get
            if first is None:
                return
            hour = first // HOUR_NS * HOUR_NS
            at = hour + HOUR_NS
            if count := self._count("ts_ns >= ? AND ts_ns < ?", max(hour, since_ns), at):
                yield hour, count

    @question
    def telemetry_latest(self) -> Telemetry | None:
        for (line,) in self._db.execute("SELECT line FROM telemetry ORDER BY ts_ns DESC LIMIT 1"):
            return _TELEMETRY.decode(line)
        return None

    @question
    def telemetry_since(self, ns: int) -> list[Telemetry]:
        """Oldest first."""
        rows = self._db.execute(
            "SELECT line FROM telemetry WHERE ts_ns >= ? ORDER BY ts_ns LIMIT ?", (ns, MAX_ROWS)
        )
        return [_TELEMETRY.decode(line) for (line,) in rows]

    @question
    def tasks(self) -> list[TaskRow]:
        columns = ", ".join(TaskRow.__struct_fields__)
        rows = self._db.execute(f"SELECT {columns} FROM tasks ORDER BY name")  # noqa: S608 - our own names
        return [_struct(TaskRow, row) for row in rows]

    @question
    def checks(self) -> list[CheckRow]:
        columns = ", ".join(CheckRow.__struct_fields__)
        rows = self._db.execute(f"SELECT {columns} FROM checks ORDER BY name").fetchall()  # noqa: S608
        return [_struct(CheckRow, row, strict=False) for row in rows]

    @question
    def state(self) -> StateRow:
        page = int(self._db.pragma("page_size"))
        log = Path(f"{self._path}-wal")
        return StateRow(
            file_bytes=page * int(self._db.pragma("page_count")),
            wal_bytes=log.stat().st_size if log.exists() else 0,
            free_bytes=page * int(self._db.pragma("freelist_count")),
            record_entries=int(self._db.execute("SELECT sum(entry_count) FROM record_head").get or 0),
        )

    @question
    def counters(self) -> dict[str, int]:
        """Everything that the agent counts, by name."""
        rows = self._db.execute("SELECT name, value FROM counters ORDER BY name").fetchall()
        return dict(msgspec.convert(rows, list[tuple[str, int]]))

    @question
    def cursor(self, last: int = 20) -> CursorRow:
        """`last` bounds the bad lines that are listed; all are counted."""
        with self._db:
            counted = self.counters()
            position = self._db.execute("SELECT file, offset, updated_ns FROM cursors").fetchone()
            bad = self._db.execute(
                "SELECT ts_ns, file, offset, reason FROM bad_lines ORDER BY id DESC LIMIT ?", (last,)
            )
            last_bad = tuple(_struct(BadLine, row) for row in bad)
        return CursorRow(
            file=position[0] if position else None,
            offset=position[1] if position else 0,
            updated_ns=position[2] if position else None,
            bad_lines=counted.get("bad_lines", 0),
            duplicates=counted.get("duplicates", 0),
            restarts=counted.get("restarts", 0),
            missed_files=counted.get("missed_files", 0),
            last_bad=last_bad,
        )

    @question
    def responses(
        self, *, states: Collection[str] = (), incident_id: str | None = None, limit: int = 100
    ) -> list[ResponseRow]:
        """Newest first; those in one of `states`, where given, and of one incident, where given."""
        where: list[str] = []
        values: list[str] = []
        if states:
            where.append(f"r.state IN ({', '.join('?' * len(states))})")
            values += states
        if incident_id is not None:
            where.append("i.incident_id = ?")
            values.append(incident_id)
        sql = _RESPONSE + (" WHERE " + " AND ".join(where) if where else "") + " ORDER BY r.id DESC LIMIT ?"
        rows = self._db.execute(sql, (*values, max(0, min(limit, MAX_ROWS))))
        return [_response(row) for row in rows]

    def responses_in_order(self) -> Iterator[ResponseRow]:
        """All of them, oldest first."""
        with told(self._path):
            for row in self._db.execute(_RESPONSE + " ORDER BY r.id"):
                yield _response(row)

    @question
    def response_counts(self) -> dict[str, int]:
        """Responses by state."""
        rows = self._db.execute("SELECT state, count(*) FROM responses GROUP BY state ORDER BY state")
        return dict(msgspec.convert(rows.fetchall(), list[tuple[str, int]]))

    @question
    def triage(self, incident_id: str) -> TriageRow | None:
        """What was decided about an incident; None before."""
        columns = ", ".join(f"t.{name}" for name in TriageRow.__struct_fields__)
        sql = (
            f"SELECT {columns} FROM triage AS t JOIN incidents AS i ON i.id = t.incident"  # noqa: S608 - our own names
            " WHERE i.incident_id = ?"
        )
        for row in self._db.execute(sql, (incident_id,)):
            return _struct(TriageRow, row)
        return None

    @question
    def funnel(self) -> Funnel:
        """How many incidents came into triage, where they stayed, and what was done."""
        with self._db:
            counted = self.counters()
            waiting = self._db.execute("SELECT count(*) FROM incidents WHERE triaged_ns IS NULL").get
            states = self.response_counts()
        gate, outcome, lookup = "triage.gate.", "triage.outcome.", "triage.lookup."
        names = [name for name in GATES if f"{gate}{name}.in" in counted]
        return Funnel(
            came_in=counted.get("triage.in", 0),
            folded=counted.get("triage.folded", 0),
            gates=tuple(
                GateCount(
                    gate=name,
                    came_in=counted[f"{gate}{name}.in"],
                    spoke=counted.get(f"{gate}{name}.spoke", 0),
                    settled=counted.get(f"{gate}{name}.settled", 0),
                )
                for name in names
            ),
            outcomes={n.removeprefix(outcome): c for n, c in counted.items() if n.startswith(outcome)},
            failed=counted.get("triage.failed", 0),
            proposed=counted.get("triage.proposed", 0),
            ordered=counted.get("triage.ordered", 0),
            executed=sum(states.get(state, 0) for state in ("active", "undoing", "undone", "done")),
            dry_run=states.get("dry_run", 0),
            waiting=int(waiting),
            open_proposals=states.get("proposed", 0),
            in_effect=states.get("active", 0),
            lookups={n.removeprefix(lookup): c for n, c in counted.items() if n.startswith(lookup)},
        )

    @question
    def outbox(self, limit: int = 50) -> Outbox:
        """Channels of notifications with their numbers, and the latest messages that wait or were given up."""
        return outbox.read(self._db, realtime_ns(), min(limit, MAX_ROWS))

    @question
    def token_is_valid(self, sha256: str, now_ns: int) -> bool:
        """Whether a dashboard token with this digest (hex) exists and has not expired."""
        sql = "SELECT 1 FROM dashboard_tokens WHERE sha256 = ? AND (expires_ns IS NULL OR expires_ns > ?)"
        return self._db.execute(sql, (sha256, now_ns)).fetchone() is not None


def _struct(kind: type[_S], row: tuple[object, ...], strict: bool = True) -> _S:
    return msgspec.convert(dict(zip(kind.__struct_fields__, row, strict=True)), kind, strict=strict)


def _response(row: tuple[object, ...]) -> ResponseRow:
    values = dict(zip(ResponseRow.__struct_fields__, row, strict=True))
    return msgspec.convert({**values, "verb": _VERB.decode(row[1])}, ResponseRow, from_attributes=True)  # type: ignore[arg-type]


def incident_of(row: tuple[object, ...]) -> IncidentRow:
    number, incident_id, ts_ns, stored_ns, rank, detector, title, summary, status, source, fields = (
        msgspec.convert(row, tuple[int, str, int, int, int, str, str, str, str, str, bytes])
    )
    return IncidentRow(
        id=number,
        incident_id=incident_id,
        ts_ns=ts_ns,
        ts=rfc3339(ts_ns),
        stored_ns=stored_ns,
        severity=_SEVERITIES[rank],
        detector=detector,
        title=title,
        summary=summary,
        status=status,
        source=source,
        fields=_FIELDS.decode(fields),
    )


def _entity_clause(entity: str) -> tuple[str, list[str | int]]:
    kind, colon, value = entity.partition(":")
    if colon and kind in _ENTITY_TYPES:
        match, bound = "value = ? AND type = ?", [value, kind]
    else:
        match, bound = "value = ?", [entity]
    sql = f"i.id IN (SELECT incident FROM incident_entities WHERE {match})"  # noqa: S608 - two fixed texts
    return sql, list(bound)


def _like(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"

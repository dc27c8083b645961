# SPDX-License-Identifier: Apache-2.0
"""What correlation remembers: the keys of recent findings, what must not follow them, and the stories told."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from innerwarden.agent.state.tx import NewIncident, Stored, Tx

#: Of one detector under one key, so many of the first findings and so many of the latest are kept: a flood of one kind
#: neither fills the table nor pushes out what it began with, or what another detector said.
FIRST_KEPT = 4
LATEST_KEPT = 4
#: SQLite takes many more, but a finding has at most keys.MAX_KEYS.
_CHUNK = 200


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """A finding under one of its keys; `rank` is its severity."""

    key: str
    incident: int
    ts_ns: int
    detector: str
    rank: int


class Awaited(msgspec.Struct, frozen=True, kw_only=True):
    """A chain that is complete unless something follows until `due_ns` (event time)."""

    rule: str
    incident: int
    due_ns: int
    clock_ns: int = 0
    """When this machine's clock had gone as far since the finding was stored."""


class Trail:
    """All calls belong to the transaction that `tx` is; times are event times."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self._db = tx.db

    def add(self, traces: Iterable[Trace], keep_s: int) -> None:
        """Remember a finding for `keep_s` of event time, and as long on the clock of this machine."""
        keep_ns = keep_s * 1_000_000_000
        for one in traces:
            self._db.execute(
                "INSERT OR IGNORE INTO trail (key, detector, ts_ns, incident, severity, until_ns, kept_ns)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    one.key,
                    one.detector,
                    one.ts_ns,
                    one.incident,
                    one.rank,
                    one.ts_ns + keep_ns,
                    self._tx.now_ns + keep_ns,
                ),
            )
            self._thin(one.key, one.detector)

    def _thin(self, key: str, detector: str) -> None:
        kept = FIRST_KEPT + LATEST_KEPT
        where = (key, detector)
        if self._db.execute("SELECT count(*) FROM trail WHERE key = ? AND detector = ?", where).get <= kept:
            return
        self._db.execute(
            "DELETE FROM trail WHERE key = ?1 AND detector = ?2 AND (ts_ns, incident) IN (SELECT ts_ns, incident"
            " FROM trail WHERE key = ?1 AND detector = ?2 ORDER BY ts_ns, incident LIMIT -1 OFFSET ?3)"
            " AND (ts_ns, incident) NOT IN (SELECT ts_ns, incident FROM trail WHERE key = ?1 AND detector = ?2"
            " ORDER BY ts_ns DESC, incident DESC LIMIT ?4)",
            (key, detector, FIRST_KEPT, LATEST_KEPT),
        )

    def under(self, keys: Collection[str], since_ns: int, until_ns: int) -> list[Trace]:
        """Findings of a span that have one of these keys."""
        out: list[Trace] = []
        for chunk in _chunks(sorted(keys)):
            marks = ", ".join("?" * len(chunk))
            rows = self._db.execute(
                "SELECT key, incident, ts_ns, detector, severity FROM trail"  # noqa: S608
                f" WHERE key IN ({marks}) AND ts_ns BETWEEN ? AND ?",
                (*chunk, since_ns, until_ns),
            )
            out += map(_trace, rows)
        return out

    def of(self, incidents: Collection[int]) -> list[Trace]:
        """These findings under all of their keys."""
        out: list[Trace] = []
        for chunk in _chunks(sorted(incidents)):
            marks = ", ".join("?" * len(chunk))
            rows = self._db.execute(
                "SELECT key, incident, ts_ns, detector, severity FROM trail"  # noqa: S608
                f" WHERE incident IN ({marks})",
                chunk,
            )
            out += map(_trace, rows)
        return out

    def wait(self, one: Awaited, at_ns: int) -> None:
        self._db.execute(
            "INSERT OR IGNORE INTO awaited (rule, incident, due_ns, clock_ns) VALUES (?, ?, ?, ?)",
            (one.rule, one.incident, one.due_ns, self._tx.now_ns + max(0, one.due_ns - at_ns)),
        )

    def due(self, late_ns: int, limit: int) -> list[Awaited]:
        """What is over, by the newest stored finding or by the clock; it is no longer awaited."""
        newest = self._db.execute("SELECT ts_ns FROM incidents ORDER BY id DESC LIMIT 1").get
        rows = self._db.execute(
            "SELECT rule, incident, due_ns, clock_ns FROM awaited WHERE due_ns + ?1 < ?2 OR clock_ns + ?1 < ?3"
            " ORDER BY due_ns LIMIT ?4",
            (late_ns, newest or 0, self._tx.now_ns, limit),
        ).fetchall()
        found = msgspec.convert(rows, list[tuple[str, int, int, int]])
        self._db.executemany(
            "DELETE FROM awaited WHERE rule = ? AND incident = ?",
            [(rule, number) for rule, number, _, _ in found],
        )
        return [Awaited(rule=rule, incident=n, due_ns=due, clock_ns=clock) for rule, n, due, clock in found]

    def heard(self, since_ns: int, until_ns: int) -> bool:
        """Whether the sensor sent its numbers in this span."""
        sql = "SELECT 1 FROM telemetry WHERE ts_ns BETWEEN ? AND ? LIMIT 1"
        return self._db.execute(sql, (since_ns, until_ns)).fetchone() is not None

    def story_of(self, members: Collection[int], since_ns: int) -> int | None:
        """The oldest story since then that has one of these findings and that nobody closed."""
        found: list[int] = []
        for chunk in _chunks(sorted(members)):
            marks = ", ".join("?" * len(chunk))
            number = self._db.execute(
                "SELECT min(s.id) FROM incident_members AS m JOIN incidents AS s ON s.id = m.chain"  # noqa: S608
                f" WHERE m.member IN ({marks}) AND s.ts_ns >= ?"
                " AND s.status = 'open' AND s.source = 'correlation'",
                (*chunk, since_ns),
            ).get
            if number is not None:
                found.append(number)
        return min(found, default=None)

    def members(self, story: int) -> list[int]:
        rows = self._db.execute("SELECT member FROM incident_members WHERE chain = ?", (story,)).fetchall()
        return [member for (member,) in msgspec.convert(rows, list[tuple[int]])]

    def grow(self, story: int, told: NewIncident) -> None:
        """Tell a story anew, under the id that it has; graver than before, it is triaged again."""
        finding = told.finding
        self._db.execute(
            "UPDATE incidents SET triaged_ns = CASE WHEN severity < ?2 THEN NULL ELSE triaged_ns END,"
            " ts_ns = ?1, severity = ?2, title = ?3, summary = ?4, fields = ?5 WHERE id = ?6",
            (
                told.ts_ns,
                finding.severity.rank,
                finding.fields.title,
                finding.fields.summary,
                told.fields,
                story,
            ),
        )
        self._db.executemany(
            "INSERT OR IGNORE INTO incident_entities (value, type, incident) VALUES (?, ?, ?)",
            [(entity.value, entity.type.value, story) for entity in finding.fields.entities],
        )

    def load(self, incidents: Iterable[int]) -> list[Stored]:
        """By event time. Raises KeyError for one that was pruned."""
        found = [self._tx.load(number) for number in incidents]
        return sorted(found, key=lambda one: (one.ts_ns, one.id))


def _trace(row: tuple[object, ...]) -> Trace:
    key, incident, ts_ns, detector, rank = row
    return Trace(key=key, incident=incident, ts_ns=ts_ns, detector=detector, rank=rank)  # type: ignore[arg-type]


def _chunks(values: list[int] | list[str]) -> Iterable[list[int] | list[str]]:
    return (values[at : at + _CHUNK] for at in range(0, len(values), _CHUNK))

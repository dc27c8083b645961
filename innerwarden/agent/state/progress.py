# SPDX-License-Identifier: Apache-2.0
"""Process trees in state.db: which process belongs to which, what was found there, and what was told of it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from innerwarden.agent.state.tx import NewIncident, Stored, Tx
from innerwarden.clock import NS
from innerwarden.model.finding import Finding
from innerwarden.model.severity import Severity

MAX_TREES = 20_000
#: Processes of one tree that are remembered, and detectors of which the findings are kept.
MAX_PROCESSES = 256
MAX_DETECTORS = 64
#: Rows that one transaction deletes at most to make room.
EVICT_ROWS = 64
#: How long a tree waits for its next finding, in event time.
TREE_NS = 4 * 3600 * NS
_SEVERITIES = tuple(Severity)
#: Primary keys of the bounded tables, where it is not `id`.
_KEYS = {
    "attackers": "address",
    "grams": "gram",
    "sessions": "entity",
    "indicators": "value, address",
    "usual": "part, subject, object",
}


class Tree(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    root: str
    first_ns: int
    last_ns: int
    told: int
    incident: int | None


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A finding of a tree: of each detector the first and the latest are kept."""

    incident: int
    detector: str
    ts_ns: int
    severity: Severity
    attack: tuple[str, ...]


class TreeStore:
    """All calls belong to the transaction that `tx` is; times are event times."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self._db = tx.db

    def of(self, processes: Sequence[str], at_ns: int) -> list[Tree]:
        """The trees of these processes that still wait at `at_ns`, in the order of the processes."""
        found: dict[int, Tree] = {}
        for process in processes:
            row = self._db.execute(
                "SELECT t.id, t.root, t.first_ns, t.last_ns, t.told, t.incident FROM tree_processes AS p"
                " JOIN trees AS t ON t.id = p.tree"
                " WHERE p.process = ?1 AND t.last_ns + ?2 >= ?3 AND t.first_ns - ?2 <= ?3",
                (process, TREE_NS, at_ns),
            ).fetchone()
            if row is not None:
                found.setdefault(
                    row[0],
                    Tree(
                        id=row[0], root=row[1], first_ns=row[2], last_ns=row[3], told=row[4], incident=row[5]
                    ),
                )
        return list(found.values())

    def start(self, root: str, at_ns: int) -> Tree:
        evict(self._tx, "trees", MAX_TREES, "touched_ns")
        row = self._db.execute(
            "INSERT INTO trees (root, first_ns, last_ns, touched_ns, severity) VALUES (?, ?, ?, ?, 0) RETURNING id",
            (root, at_ns, at_ns, self._tx.now_ns),
        ).fetchone()
        assert row is not None  # noqa: S101 - an INSERT that returns
        return Tree(id=row[0], root=root, first_ns=at_ns, last_ns=at_ns, told=0, incident=None)

    def merge(self, kept: Tree, other: Tree) -> None:
        """What `other` has becomes part of `kept`."""
        ids = (kept.id, other.id)
        self._db.execute("UPDATE tree_processes SET tree = ? WHERE tree = ?", ids)
        self._db.execute("UPDATE OR IGNORE tree_findings SET tree = ? WHERE tree = ?", ids)
        self._db.execute("UPDATE OR IGNORE tree_patterns SET tree = ? WHERE tree = ?", ids)
        self._db.execute(
            "UPDATE trees SET first_ns = min(first_ns, ?2), last_ns = max(last_ns, ?3),"
            " severity = max(severity, (SELECT severity FROM trees WHERE id = ?4)) WHERE id = ?1",
            (kept.id, other.first_ns, other.last_ns, other.id),
        )
        self._db.execute("DELETE FROM trees WHERE id = ?", (other.id,))

    def join(self, tree: Tree, processes: Sequence[str]) -> None:
        """These processes are of the tree from now on."""
        marks = ", ".join("?" * len(processes))
        rows = self._db.execute(
            f"SELECT process FROM tree_processes WHERE tree = ? AND process IN ({marks})",  # noqa: S608
            (tree.id, *processes),
        )
        known = {str(row[0]) for row in rows}
        missing = [process for process in processes if process not in known]
        if not missing:
            return
        held = self._db.execute("SELECT count(*) FROM tree_processes WHERE tree = ?", (tree.id,)).fetchone()
        room = MAX_PROCESSES - (int(held[0]) if held is not None else 0)
        self._tx.count("tree_processes_refused", max(0, len(missing) - room))
        self._db.executemany(
            "INSERT OR REPLACE INTO tree_processes (process, tree) VALUES (?, ?)",
            [(process, tree.id) for process in missing[: max(0, room)]],
        )

    def add(self, tree: Tree, incident: Stored) -> None:
        finding = incident.finding
        values = (
            tree.id, finding.detector, incident.ts_ns, finding.severity.rank, " ".join(finding.fields.attack),
            incident.id,
        )  # fmt: skip
        held = self._db.execute(
            "SELECT count(*) FROM tree_findings WHERE tree = ? AND latest = 0 AND detector != ?",
            (tree.id, finding.detector),
        ).fetchone()
        if held is not None and held[0] >= MAX_DETECTORS:
            self._tx.count("tree_findings_refused")
            return
        self._db.execute(
            "INSERT INTO tree_findings (tree, detector, latest, ts_ns, severity, attack, incident)"
            " VALUES (?1, ?2, 0, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET ts_ns = ?3, severity = ?4, attack = ?5,"
            " incident = ?6 WHERE ts_ns > ?3",
            values,
        )
        self._db.execute(
            "INSERT INTO tree_findings (tree, detector, latest, ts_ns, severity, attack, incident)"
            " VALUES (?1, ?2, 1, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET ts_ns = ?3, severity = ?4, attack = ?5,"
            " incident = ?6 WHERE ts_ns <= ?3",
            values,
        )
        self._db.execute(
            "UPDATE trees SET first_ns = min(first_ns, ?2), last_ns = max(last_ns, ?2), touched_ns = ?3,"
            " severity = max(severity, ?4) WHERE id = ?1",
            (tree.id, incident.ts_ns, self._tx.now_ns, finding.severity.rank),
        )

    def findings(self, tree: Tree) -> list[Seen]:
        """At most two of each detector, by time."""
        rows = self._db.execute(
            "SELECT DISTINCT ts_ns, incident, detector, severity, attack FROM tree_findings WHERE tree = ?"
            " ORDER BY ts_ns, incident",
            (tree.id,),
        )
        return [
            Seen(
                incident=r[1],
                detector=r[2],
                ts_ns=r[0],
                severity=_SEVERITIES[r[3]],
                attack=tuple(r[4].split()),
            )
            for r in rows
        ]

    def patterns(self, tree: Tree) -> frozenset[str]:
        """Those that were told of it."""
        rows = self._db.execute("SELECT pattern FROM tree_patterns WHERE tree = ?", (tree.id,))
        return frozenset(str(row[0]) for row in rows)

    def tell_pattern(self, tree: Tree, pattern: str, incident: int) -> None:
        self._db.execute(
            "INSERT OR IGNORE INTO tree_patterns (tree, pattern, incident) VALUES (?, ?, ?)",
            (tree.id, pattern, incident),
        )

    def tell(self, tree: Tree, tactics: int, incident: int) -> None:
        self._db.execute("UPDATE trees SET told = ?, incident = ? WHERE id = ?", (tactics, incident, tree.id))


class ExpireTrees(msgspec.Struct, frozen=True):
    """Operation: forget trees that nothing was found in for a day of wall time; returns how many went."""

    durable: bool = False

    def apply(self, tx: Tx) -> int:
        tx.db.execute(
            "DELETE FROM trees WHERE id IN"
            " (SELECT id FROM trees WHERE touched_ns < ? ORDER BY touched_ns LIMIT ?)",
            (tx.now_ns - 24 * 3600 * NS, EVICT_ROWS),
        )
        return tx.db.changes()


def is_tainted(tx: Tx, processes: Sequence[str], least: Severity) -> bool:
    """Whether one of the processes is of a tree in which something of this severity or above was found."""
    for process in processes:
        row = tx.db.execute(
            "SELECT 1 FROM tree_processes AS p JOIN trees AS t ON t.id = p.tree"
            " WHERE p.process = ? AND t.severity >= ?",
            (process, least.rank),
        ).fetchone()
        if row is not None:
            return True
    return False


def held(tx: Tx, table: str) -> int:
    """Rows of a bounded table."""
    row = tx.db.execute("SELECT held FROM sizes WHERE name = ?", (table,)).fetchone()
    return int(row[0]) if row is not None else 0


def evict(tx: Tx, table: str, most: int, by: str) -> None:
    """Make room for one row: those with the least `by` go, a few at a time, and are counted."""
    if held(tx, table) < most:
        return
    key = _KEYS.get(table, "id")
    tx.db.execute(
        f"DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} ORDER BY {by} LIMIT ?)",  # noqa: S608
        (EVICT_ROWS,),
    )
    tx.count(f"{table}_evicted", tx.db.changes())


def grow(tx: Tx, number: int, new: NewIncident) -> None:
    """Tell an incident of the agent anew, in its place. A worse one is looked at again by triage."""
    finding: Finding = new.finding
    fields = finding.fields
    tx.db.execute(
        "DELETE FROM triage WHERE incident = ?1 AND (SELECT severity FROM incidents WHERE id = ?1) < ?2",
        (number, finding.severity.rank),
    )
    tx.db.execute(
        "UPDATE incidents SET ts_ns = ?2, title = ?3, summary = ?4, fields = ?5,"
        " triaged_ns = CASE WHEN severity < ?6 THEN NULL ELSE triaged_ns END, severity = ?6 WHERE id = ?1",
        (number, new.ts_ns, fields.title, fields.summary, new.fields, finding.severity.rank),
    )
    tx.db.executemany(
        "INSERT OR IGNORE INTO incident_entities (value, type, incident) VALUES (?, ?, ?)",
        [(entity.value, entity.type.value, number) for entity in fields.entities],
    )

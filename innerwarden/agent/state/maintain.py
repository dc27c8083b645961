# SPDX-License-Identifier: Apache-2.0
"""Operations that keep state.db small; each deletes few rows at a time, so that ingest never waits long."""

from __future__ import annotations

import msgspec

from innerwarden.agent.state import record
from innerwarden.agent.state.tx import Tx
from innerwarden.clock import NS

#: Rows deleted in one transaction.
PRUNE_ROWS = 200
#: Pages of 4 KiB. A step of so many takes milliseconds, also where each must move.
RECLAIM_PAGES = 100
RECLAIM_LEAST = 1000
RECLAIM_PCT = 20
TELEMETRY_KEPT = 20_160
"""Two weeks at one a minute."""
TRAIL_KEPT = 20_000
"""Keys of findings per detector."""
AWAITED_KEPT = 1_000
"""Chains that wait for what must not follow."""
#: Beyond this, in event time and in wall time, what was late is not coming.
LATE_NS = 60 * NS


class PruneIncidents(msgspec.Struct, frozen=True):
    """Delete the oldest incidents from before a moment; returns how many went."""

    before_ns: int
    durable: bool = False

    def apply(self, tx: Tx) -> int:
        tx.db.execute(
            "DELETE FROM incidents WHERE id IN"
            " (SELECT id FROM incidents WHERE ts_ns < ? ORDER BY ts_ns LIMIT ?)",
            (self.before_ns, PRUNE_ROWS),
        )
        gone = tx.db.changes()
        tx.count("pruned_incidents", gone)
        return gone


class PruneRecord(msgspec.Struct, frozen=True):
    """Remove the oldest entries of the record; returns how many went. Raises StateError when it does not hold.

    Nothing goes before the oldest entry is `slack_ns` past the moment: every pruning leaves an entry of its own.
    """

    before_ns: int
    slack_ns: int
    durable: bool = True

    def apply(self, tx: Tx) -> int:
        oldest = tx.db.execute("SELECT ts_ns FROM record ORDER BY seq LIMIT 1").get
        if oldest is None or oldest >= self.before_ns - self.slack_ns:
            return 0
        return record.prune(tx, self.before_ns)


class Reclaim(msgspec.Struct, frozen=True):
    """Give up to RECLAIM_PAGES free pages back to the file system while at least RECLAIM_PCT of the file and
    RECLAIM_LEAST of them are free; returns whether there are more."""

    durable: bool = False

    def apply(self, tx: Tx) -> bool:
        free, total = tx.db.pragma("freelist_count"), tx.db.pragma("page_count")
        if free < RECLAIM_LEAST or free * 100 < total * RECLAIM_PCT:
            return False
        # One page a row: the statement must be run to its end.
        tx.db.execute(f"PRAGMA incremental_vacuum({RECLAIM_PAGES})").fetchall()
        return bool(tx.db.pragma("freelist_count") < free)


class PruneTelemetry(msgspec.Struct, frozen=True):
    """Delete telemetry from before a moment and beyond TELEMETRY_KEPT lines; returns how many went."""

    before_ns: int
    durable: bool = False

    def apply(self, tx: Tx) -> int:
        tx.db.execute(
            "DELETE FROM telemetry WHERE ts_ns IN"
            " (SELECT ts_ns FROM telemetry WHERE ts_ns < ? ORDER BY ts_ns LIMIT ?)",
            (self.before_ns, PRUNE_ROWS),
        )
        gone = tx.db.changes()
        tx.db.execute(
            "DELETE FROM telemetry WHERE ts_ns IN"
            " (SELECT ts_ns FROM telemetry ORDER BY ts_ns DESC LIMIT ? OFFSET ?)",
            (PRUNE_ROWS, TELEMETRY_KEPT),
        )
        return gone + tx.db.changes()


class ExpireTrail(msgspec.Struct, frozen=True):
    """Forget findings that no rule can use any more; returns how many keys of findings went.

    A finding must be over in event time (the newest stored incident is past its end) and on the clock: after a
    pause of the agent the backlog still finds what it belongs to.
    """

    durable: bool = False

    def apply(self, tx: Tx) -> int:
        newest = tx.db.execute("SELECT ts_ns FROM incidents ORDER BY id DESC LIMIT 1").get
        if newest is None:
            return 0
        tx.db.execute(
            "DELETE FROM trail WHERE until_ns + ?1 < ?2 AND kept_ns + ?1 < ?3", (LATE_NS, newest, tx.now_ns)
        )
        gone = tx.db.changes()
        evicted = self._evict(tx)
        tx.count("trail_evicted", evicted)
        return gone + evicted

    def _evict(self, tx: Tx) -> int:
        """The oldest of each detector that has too many: a botnet brings one key per address."""
        evicted = 0
        crowded = tx.db.execute(
            "SELECT detector FROM trail GROUP BY detector HAVING count(*) > ?", (TRAIL_KEPT,)
        ).fetchall()
        for (detector,) in crowded:
            tx.db.execute(
                "DELETE FROM trail WHERE detector = ?1 AND incident <= (SELECT incident FROM trail"
                " WHERE detector = ?1 ORDER BY incident DESC LIMIT 1 OFFSET ?2)",
                (detector, TRAIL_KEPT),
            )
            evicted += tx.db.changes()
        tx.db.execute(
            "DELETE FROM awaited WHERE (rule, incident) IN"
            " (SELECT rule, incident FROM awaited ORDER BY due_ns DESC LIMIT -1 OFFSET ?)",
            (AWAITED_KEPT,),
        )
        return evicted + tx.db.changes()

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
CHAINS_KEPT = 10_000
"""Open chains per rule; a botnet opens one per address."""
WAITING_KEPT = 10_000
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


class ExpireChains(msgspec.Struct, frozen=True):
    """Forget chains that no later finding can advance; returns how many went.

    A chain must be over in event time (the newest stored incident is past it) and in wall time (nothing
    touched it for as long as it had left): after a pause of the agent the backlog still finds its chains.
    """

    durable: bool = False

    def apply(self, tx: Tx) -> int:
        newest = tx.db.execute("SELECT ts_ns FROM incidents ORDER BY id DESC LIMIT 1").get
        if newest is None:
            return 0
        tx.db.execute(
            "DELETE FROM chains WHERE expires_ns + ?1 < ?2"
            " AND touched_ns + max(0, expires_ns - last_ns) + ?1 < ?3",
            (LATE_NS, newest, tx.now_ns),
        )
        gone = tx.db.changes()
        tx.db.execute(
            "DELETE FROM chain_waiting WHERE ts_ns + ?1 < ?2 AND touched_ns + ?1 < ?3",
            (LATE_NS, newest, tx.now_ns),
        )
        evicted = self._evict(tx)
        tx.count("chains_evicted", evicted)
        return gone + evicted

    def _evict(self, tx: Tx) -> int:
        evicted = 0
        crowded = tx.db.execute(
            "SELECT rule FROM chains GROUP BY rule HAVING count(*) > ?", (CHAINS_KEPT,)
        ).fetchall()
        for (rule,) in crowded:
            tx.db.execute(
                "DELETE FROM chains WHERE id IN (SELECT id FROM chains WHERE rule = ?"
                " ORDER BY touched_ns DESC, id DESC LIMIT -1 OFFSET ?)",
                (rule, CHAINS_KEPT),
            )
            evicted += tx.db.changes()
        tx.db.execute(
            "DELETE FROM chain_waiting WHERE incident <="
            " (SELECT incident FROM chain_waiting ORDER BY incident DESC LIMIT 1 OFFSET ?)",
            (WAITING_KEPT,),
        )
        return evicted + tx.db.changes()

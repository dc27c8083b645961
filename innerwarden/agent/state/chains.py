# SPDX-License-Identifier: Apache-2.0
"""Correlation progress in state.db: open chains, their join keys and members, and steps that came early."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from innerwarden.agent.state.tx import Stored, Tx


class Chain(msgspec.Struct, frozen=True, kw_only=True):
    """`done_steps` of the rule have happened; `incident` is set once the story is told."""

    id: int
    done_steps: int
    last_ns: int
    expires_ns: int
    incident: int | None


class ChainStore:
    """All calls belong to the transaction that `tx` is; times are event times."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self._db = tx.db

    def joined(self, rule: str, keys: Collection[str], at_ns: int) -> list[Chain]:
        """Chains of a rule that share a key and have not expired at `at_ns`, oldest first."""
        marks = ", ".join("?" * len(keys))
        rows = self._db.execute(
            "SELECT DISTINCT c.id, c.done_steps, c.last_ns, c.expires_ns, c.incident"  # noqa: S608
            " FROM chain_keys AS k JOIN chains AS c ON c.id = k.chain"
            f" WHERE k.rule = ? AND k.key IN ({marks}) AND c.expires_ns >= ? ORDER BY c.id",
            (rule, *keys, at_ns),
        )
        return [Chain(id=r[0], done_steps=r[1], last_ns=r[2], expires_ns=r[3], incident=r[4]) for r in rows]

    def start(self, rule: str, at_ns: int, expires_ns: int) -> Chain:
        """A chain without steps; add_member gives it the first."""
        self._db.execute(
            "INSERT INTO chains (rule, done_steps, last_ns, expires_ns, touched_ns) VALUES (?, 0, ?, ?, ?)",
            (rule, at_ns, expires_ns, self._tx.now_ns),
        )
        number = self._db.last_insert_rowid()
        return Chain(id=number, done_steps=0, last_ns=at_ns, expires_ns=expires_ns, incident=None)

    def add_member(self, rule: str, chain: int, step: int, incident: int, keys: Collection[str]) -> None:
        self._db.execute(
            "INSERT OR IGNORE INTO chain_members (chain, step, incident) VALUES (?, ?, ?)",
            (chain, step, incident),
        )
        self._db.executemany(
            "INSERT OR IGNORE INTO chain_keys (rule, key, chain) VALUES (?, ?, ?)",
            [(rule, key, chain) for key in keys],
        )

    def update(self, chain: Chain) -> None:
        self._db.execute(
            "UPDATE chains SET done_steps = ?, last_ns = ?, expires_ns = ?, incident = ?, touched_ns = ?"
            " WHERE id = ?",
            (chain.done_steps, chain.last_ns, chain.expires_ns, chain.incident, self._tx.now_ns, chain.id),
        )

    def keys(self, chain: int) -> list[str]:
        rows = self._db.execute("SELECT key FROM chain_keys WHERE chain = ? ORDER BY key", (chain,))
        return [str(key) for (key,) in rows]

    def members(self, chain: int) -> list[tuple[int, Stored]]:
        """(step, incident), in the order of the story."""
        rows = self._db.execute(
            "SELECT m.step, m.incident FROM chain_members AS m JOIN incidents AS i ON i.id = m.incident"
            " WHERE m.chain = ? ORDER BY m.step, i.ts_ns, i.id",
            (chain,),
        ).fetchall()
        pairs = msgspec.convert(rows, list[tuple[int, int]])
        return [(step, self._tx.load(incident)) for step, incident in pairs]

    def add_late_member(self, chain: Chain, step: int, incident: int) -> None:
        """A repetition after the story was told: it joins the members of the correlation incident."""
        if chain.incident is not None:
            self._tx.add_members(chain.incident, [(step, incident)])

    def wait(self, rule: str, step: int, incident: int, keys: Collection[str], at_ns: int) -> None:
        """Keep a step that nothing led to yet; what should have come first may be on its way."""
        self._db.executemany(
            "INSERT OR IGNORE INTO chain_waiting (rule, step, key, incident, ts_ns, touched_ns)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            [(rule, step, key, incident, at_ns, self._tx.now_ns) for key in keys],
        )

    def take_waiting(
        self, rule: str, step: int, keys: Collection[str], since_ns: int, until_ns: int
    ) -> Stored | None:
        """The earliest early step that shares a key and lies in the span; it no longer waits."""
        marks = ", ".join("?" * len(keys))
        row = self._db.execute(
            "SELECT incident FROM chain_waiting"  # noqa: S608
            f" WHERE rule = ? AND step = ? AND key IN ({marks}) AND ts_ns BETWEEN ? AND ?"
            " ORDER BY ts_ns, incident LIMIT 1",
            (rule, step, *keys, since_ns, until_ns),
        ).fetchone()
        if row is None:
            return None
        self._db.execute(
            "DELETE FROM chain_waiting WHERE rule = ? AND step = ? AND incident = ?", (rule, step, row[0])
        )
        return self._tx.load(row[0])

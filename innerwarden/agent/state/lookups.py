# SPDX-License-Identifier: Apache-2.0
"""Reputation that was fetched, and budgets of calls to the outside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from innerwarden.agent.state.connection import open_read_only
from innerwarden.agent.state.tx import Tx


class SaveListing(msgspec.Struct, frozen=True, kw_only=True):
    """Operation: keep what a provider said until `expires_ns`."""

    provider: str
    address: str
    listed: bool
    text: str
    expires_ns: int
    durable: bool = False

    def apply(self, tx: Tx) -> None:
        tx.db.execute(
            "INSERT OR REPLACE INTO reputation (provider, address, listed, text, expires_ns) VALUES (?, ?, ?, ?, ?)",
            (self.provider, self.address, int(self.listed), self.text, self.expires_ns),
        )


class ClaimBudget(msgspec.Struct, frozen=True, kw_only=True):
    """Operation: take up to `wanted` calls of a period's `limit`; returns how many. What is claimed is spent,
    whatever comes of the call, and a restart forgets none."""

    name: str
    period: str
    limit: int
    wanted: int = 1
    durable: bool = False

    def apply(self, tx: Tx) -> int:
        sql = "SELECT used FROM budgets WHERE name = ? AND period = ?"
        used = tx.db.execute(sql, (self.name, self.period)).get or 0
        granted = max(0, min(self.wanted, self.limit - int(used)))
        if granted:
            tx.db.execute(
                "INSERT INTO budgets (name, period, used, touched_ns) VALUES (?1, ?2, ?3, ?4)"
                " ON CONFLICT (name, period) DO UPDATE SET used = used + ?3, touched_ns = ?4",
                (self.name, self.period, granted, tx.now_ns),
            )
        return granted


class Count(msgspec.Struct, frozen=True):
    """Operation: add to counters."""

    counted: dict[str, int]
    durable: bool = False

    def apply(self, tx: Tx) -> None:
        for name, by in self.counted.items():
            tx.count(name, by)


class ListingRow(msgspec.Struct, frozen=True, kw_only=True):
    provider: str
    address: str
    listed: bool
    text: str


class LookupReader:
    """Over a connection that can only read. Belongs to one thread."""

    def __init__(self, path: Path) -> None:
        self._db = open_read_only(path)

    def close(self) -> None:
        self._db.close()

    def listings(self, addresses: Sequence[str], now_ns: int) -> list[ListingRow]:
        """What is kept of these addresses and has not expired."""
        found = []
        for address in addresses:
            rows = self._db.execute(
                "SELECT provider, address, listed, text FROM reputation WHERE address = ? AND expires_ns > ?",
                (address, now_ns),
            )
            for provider, where, listed, text in rows:
                row = {"provider": provider, "address": where, "listed": bool(listed), "text": text}
                found.append(msgspec.convert(row, ListingRow))
        return found

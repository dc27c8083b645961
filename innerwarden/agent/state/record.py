# SPDX-License-Identifier: Apache-2.0
"""The record: entries in a hash chain, each covered by all that follow."""

from __future__ import annotations

import hashlib

import msgspec

from innerwarden.agent.state.tx import Tx
from innerwarden.model.record import AnyEntry

#: What stands before the first entry.
GENESIS = bytes(32)
_ENCODER = msgspec.json.Encoder(order="deterministic")


def append(tx: Tx, entry: AnyEntry) -> int:
    """Add an entry in this transaction; returns its number. What follows from it may only happen after the commit."""
    last = tx.db.execute("SELECT seq, hash FROM record ORDER BY seq DESC LIMIT 1").fetchone()
    seq, before = (1, GENESIS) if last is None else (last[0] + 1, last[1])
    body = _ENCODER.encode(entry)
    digest = link(before, seq, tx.now_ns, entry.kind, body)
    tx.db.execute(
        "INSERT INTO record (seq, ts_ns, kind, body, hash) VALUES (?, ?, ?, ?, ?)",
        (seq, tx.now_ns, entry.kind, body, digest),
    )
    return seq


def link(before: bytes, seq: int, ts_ns: int, kind: str, body: bytes) -> bytes:
    """SHA-256 over the hash before, and every column with its length."""
    digest = hashlib.sha256(before)
    for part in (str(seq).encode(), str(ts_ns).encode(), kind.encode(), body):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()

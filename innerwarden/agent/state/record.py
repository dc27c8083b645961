# SPDX-License-Identifier: Apache-2.0
"""The record: entries in a hash chain, each covered by all that follow."""

from __future__ import annotations

import hashlib
import struct

import apsw
import msgspec

from innerwarden.agent.state.tx import Tx
from innerwarden.errors import StateError
from innerwarden.model.record import AnyEntry, Pruned

#: What stands before the first entry.
GENESIS = bytes(32)
#: Entries that one transaction of `prune` removes.
PRUNE_ENTRIES = 2000
_ENCODER = msgspec.json.Encoder(order="deterministic")
_HEAD = struct.Struct("<qqI").pack
_SHA256 = hashlib.sha256
_LOOK = "Look at it with: innerwarden audit verify"


def append(tx: Tx, entry: AnyEntry) -> int:
    """Add an entry in this transaction; returns its number. What follows from it may only happen after the commit.

    Raises StateError when the record is not as the last append left it: then nothing may follow.
    """
    head = tx.db.execute("SELECT last_seq, last_hash FROM record_head").fetchone()
    if head is None:
        raise StateError("the record has lost its head", _LOOK)
    seq: int = head[0] + 1
    kind, body = entry.kind, _ENCODER.encode(entry)
    digest = link(head[1], seq, tx.now_ns, kind.encode(), body)
    try:
        tx.db.execute(
            "INSERT INTO record (seq, ts_ns, kind, body, hash) VALUES (?, ?, ?, ?, ?)",
            (seq, tx.now_ns, kind, body, digest),
        )
    except apsw.ConstraintError as error:
        raise StateError(f"the record has an entry {seq} that its head does not know", _LOOK) from error
    tx.db.execute(
        "UPDATE record_head SET last_seq = ?, last_hash = ?, entry_count = entry_count + 1", (seq, digest)
    )
    return seq


def link(before: bytes, seq: int, ts_ns: int, kind: bytes, body: bytes) -> bytes:
    """SHA-256 over the hash before, number, time, kind with its length, and body: no two entries give equal bytes."""
    return _SHA256(before + _HEAD(seq, ts_ns, len(kind)) + kind + body).digest()


def prune(tx: Tx, before_ns: int, at_most: int = PRUNE_ENTRIES) -> int:
    """Remove the oldest entries from before a moment, up to the first younger one; returns how many went.

    What goes is verified first, and a `pruned` entry with its checkpoint carries the chain on. Raises StateError
    when it is broken: nothing is removed from a record that does not hold.
    """
    before, first = start(tx.db)
    seq, digest = first - 1, before
    for row in tx.db.execute(
        "SELECT seq, ts_ns, CAST(kind AS BLOB), body, hash FROM record ORDER BY seq LIMIT ?", (at_most,)
    ):
        if row[1] >= before_ns:
            break
        if link(digest, *row[:4]) != row[4]:
            raise StateError(f"the record does not hold at entry {seq + 1}; nothing of it is removed", _LOOK)
        seq, digest = row[0], row[4]
    gone = seq - first + 1
    if not gone:
        return 0
    entry = Pruned(first_seq=first, last_seq=seq, last_hash=digest.hex(), entry_count=gone)
    number = append(tx, entry)
    tx.db.execute("DELETE FROM record WHERE seq <= ?", (seq,))
    tx.db.execute("DELETE FROM record_checkpoints WHERE seq <= ?", (seq,))
    tx.db.execute(
        "INSERT INTO record_checkpoints (seq, first_seq, last_seq, last_hash, entry_count) VALUES (?, ?, ?, ?, ?)",
        (number, first, seq, digest, gone),
    )
    tx.db.execute("UPDATE record_head SET entry_count = entry_count - ?", (gone,))
    tx.count("pruned_record_entries", gone)
    return gone


def start(db: apsw.Connection) -> tuple[bytes, int]:
    """(hash before the oldest entry, number of the oldest entry), as the newest checkpoint says."""
    row = db.execute("SELECT last_hash, last_seq + 1 FROM record_checkpoints ORDER BY last_seq DESC LIMIT 1")
    found = row.fetchone()
    return (GENESIS, 1) if found is None else (found[0], found[1])

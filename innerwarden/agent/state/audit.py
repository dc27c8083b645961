# SPDX-License-Identifier: Apache-2.0
"""Audit: questions to the record over one read-only connection."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from innerwarden.agent.state.anchor import Anchor
from innerwarden.agent.state.connection import open_read_only
from innerwarden.agent.state.damage import question
from innerwarden.agent.state.read import MAX_ROWS
from innerwarden.agent.state.rows import CheckRow
from innerwarden.agent.state.verify import Report, Verifier, verify
from innerwarden.clock import realtime_ns, rfc3339
from innerwarden.model.record import AnyEntry
from innerwarden.unreadable import UNREADABLE

_ENTRY: msgspec.json.Decoder[AnyEntry] = msgspec.json.Decoder(AnyEntry)


class RecordRow(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the record; `entry` is None when this version does not know its kind."""

    seq: int
    ts: str
    kind: str
    hash: str
    entry: AnyEntry | None


class Audit:
    """Open one per thread. It and its methods raise StateError when the database is missing, damaged or of another
    version."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = open_read_only(path)

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Audit:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @question
    def entries(
        self,
        *,
        since_ns: int | None = None,
        kind: str | None = None,
        limit: int = 100,
        before_seq: int | None = None,
    ) -> list[RecordRow]:
        """The newest entries that fit, oldest of them first."""
        where = " AND ".join(
            clause
            for clause, value in (
                ("ts_ns >= :since", since_ns),
                ("kind = :kind", kind),
                ("seq < :seq", before_seq),
            )
            if value is not None
        )
        sql = (
            "SELECT seq, ts_ns, kind, hash, body FROM record"  # noqa: S608 - fixed texts
            f"{' WHERE ' + where if where else ''} ORDER BY seq DESC LIMIT :limit"
        )
        values = {"since": since_ns, "kind": kind, "seq": before_seq, "limit": max(0, min(limit, MAX_ROWS))}
        return [_row(*row) for row in self._db.execute(sql, values)][::-1]

    @question
    def check(self, name: str) -> CheckRow | None:
        """What the agent found out last under this name."""
        columns = ", ".join(CheckRow.__struct_fields__)
        sql = f"SELECT {columns} FROM checks WHERE name = ?"  # noqa: S608 - our own names
        for row in self._db.execute(sql, (name,)):
            return msgspec.convert(
                dict(zip(CheckRow.__struct_fields__, row, strict=True)), CheckRow, strict=False
            )
        return None

    @question
    def verify(self, anchors: Iterable[Anchor] = ()) -> Report:
        return verify(self._db, anchors)

    def verifier(self) -> Verifier:
        """For a caller that does other things between two slices."""
        return Verifier(self._db)

    @question
    def anchor(self, host: str) -> Anchor:
        """The end of the record as it is now; that all before it holds is what verify() says."""
        with self._db:
            row = self._db.execute("SELECT last_seq, last_hash, entry_count FROM record_head").fetchone()
        seq, digest, count = msgspec.convert(row, tuple[int, bytes, int])
        return Anchor(host=host, ts=rfc3339(realtime_ns()), seq=seq, hash=digest.hex(), count=count).sealed()


def _row(seq: int, ts_ns: int, kind: str, digest: bytes, body: bytes) -> RecordRow:
    try:
        entry = _ENTRY.decode(body)
    except UNREADABLE:
        entry = None
    return RecordRow(seq=seq, ts=rfc3339(ts_ns), kind=kind, hash=digest.hex(), entry=entry)

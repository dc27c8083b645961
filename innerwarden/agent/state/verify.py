# SPDX-License-Identifier: Apache-2.0
"""Verify the record: every link, its beginning, its end, and what was kept elsewhere of it."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from enum import StrEnum

import apsw
import msgspec

from innerwarden.agent.state.anchor import Anchor
from innerwarden.agent.state.record import GENESIS, link, start
from innerwarden.model.record import Pruned

#: Links that one read transaction looks at, so that the log of writes can be folded in between.
SLICE_ENTRIES = 50_000
_COLUMNS = "seq, ts_ns, CAST(kind AS BLOB), body, hash"
_ENTRY = msgspec.json.Decoder(Pruned)
#: seq, first_seq, last_seq, last_hash, entry_count
_Checkpoint = tuple[int, int, int, bytes, int]


class Verdict(StrEnum):
    INTACT = "intact"
    CHANGED = "changed"
    """An entry, or what says where the chain begins and ends, is not what was written."""
    TRUNCATED = "truncated"
    """Entries are missing at one end."""
    REWRITTEN = "rewritten"
    """The chain holds in itself and is not the one that an anchor saw."""
    UNCONFIRMED = "unconfirmed"
    """The chain holds in itself; no anchor that was given is about what is left of it."""


TODO = {
    Verdict.INTACT: "",
    Verdict.CHANGED: "Keep the file as it is (innerwarden backup PATH), compare it with your last backup, and treat"
    " this host as taken over: only root and the agent's account can write there.",
    Verdict.TRUNCATED: "Keep the file as it is (innerwarden backup PATH). When nobody restored an older copy, somebody"
    " removed what was decided: read those entries in your last backup and in the system's log.",
    Verdict.REWRITTEN: "Keep the file as it is (innerwarden backup PATH). When nobody restored an older copy, the whole"
    " record was made anew: trust your last backup and treat this host as taken over.",
    Verdict.UNCONFIRMED: "Give a newer anchor: retention has removed the entries that these were about.",
}


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """`seq` is the first place that does not hold; None when all does. Hashes are hex."""

    verdict: Verdict
    seq: int | None
    what: str
    todo: str
    entry_count: int
    first_seq: int | None
    last_seq: int | None
    last_hash: str | None
    anchors_met: int
    anchors_given: int

    @property
    def holds(self) -> bool:
        return self.verdict is Verdict.INTACT


class _BreakError(Exception):
    def __init__(self, verdict: Verdict, seq: int, what: str) -> None:
        super().__init__(what)
        self.verdict, self.seq, self.what = verdict, seq, what


class Verifier:
    """Goes through the record in slices of one read transaction each; memory does not grow with it.

    Entries may be appended and pruned between two slices. Use: `while verifier.step(): ...`, then `report`.
    """

    def __init__(self, db: apsw.Connection, anchors: Iterable[Anchor] = ()) -> None:
        self._db = db
        self._anchors: dict[int, list[Anchor]] = {}
        for anchor in anchors:
            self._anchors.setdefault(anchor.seq, []).append(anchor)
        self._seq = 0
        self._hash = GENESIS
        self._begun = False
        self._met = 0
        self.report: Report | None = None

    def step(self, entries: int = SLICE_ENTRIES) -> bool:
        """Look at the next entries; False once `report` is there."""
        verdict, seq, what = Verdict.INTACT, None, "every entry follows from the one before it"
        try:
            with self._db:  # one snapshot
                if self._slice(entries) == entries:
                    return True
                self._end()
            if self._anchors and not self._met:
                verdict, what = Verdict.UNCONFIRMED, "no anchor is about an entry that is left"
        except _BreakError as broken:
            verdict, seq, what = broken.verdict, broken.seq, broken.what
        except (
            apsw.Error,
            ValueError,
            TypeError,
            ArithmeticError,
            struct.error,
        ) as error:  # damage can turn a column into another type
            verdict, seq = Verdict.CHANGED, self._seq + 1
            what = f"state.db cannot be read behind entry {self._seq}: {error}"
        self.report = self._report(verdict, seq, what)
        return False

    def _slice(self, at_most: int) -> int:
        self._begin()
        first, pruned = self._seq, []
        before, anchors = self._hash, self._anchors
        expected = first + 1
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM record WHERE seq > ? ORDER BY seq LIMIT ?",  # noqa: S608 - our own names
            (first, at_most),
        )
        try:
            for seq, ts_ns, kind, body, digest in rows:
                if seq != expected:
                    self._gap(expected, seq)
                if link(before, seq, ts_ns, kind, body) != digest:
                    self._explain(seq, before)
                if seq in anchors:
                    self._meet(seq, digest)
                if kind == b"pruned":
                    pruned.append((seq, body))
                before = digest
                expected += 1
        finally:
            self._seq, self._hash = expected - 1, before
        self._checkpoints(first, pruned)
        return self._seq - first

    def _begin(self) -> None:
        """Go on behind what retention removed meanwhile."""
        before, first = start(self._db)
        if first <= self._seq:
            return
        if first - 1 > self._seq or not self._begun:
            self._seq, self._hash = first - 1, before
        if not self._begun and first - 1 in self._anchors:
            self._meet(first - 1, before)
        self._begun = True

    def _meet(self, seq: int, digest: bytes) -> None:
        for anchor in self._anchors[seq]:
            if anchor.hash != digest.hex():
                raise _BreakError(
                    Verdict.REWRITTEN, seq, f"entry {seq} is not the one that the anchor of {anchor.ts} saw"
                )
            self._met += 1

    def _gap(self, expected: int, seq: int) -> None:
        if expected == start(self._db)[1]:
            text = f"entries {expected} to {seq - 1} are missing at the beginning, and no pruning tells of it"
            raise _BreakError(Verdict.TRUNCATED, expected, text)
        raise _BreakError(Verdict.CHANGED, expected, f"entries {expected} to {seq - 1} were removed")

    def _explain(self, seq: int, before: bytes) -> None:
        """Name what was done at `seq`: look for the entry that would follow, and for a double of the one there."""
        where = None
        for row in self._db.execute(
            f"SELECT {_COLUMNS} FROM record WHERE seq > ? ORDER BY seq",  # noqa: S608 - our own names
            (seq,),
        ):
            if link(before, seq, *row[1:4]) == row[4]:
                where = row[0]
                break
        text = f"entry {seq} does not follow from the one before it: one of the two was changed"
        if where is not None:
            text = f"entry {seq} now stands at {where}: entries were reordered, or one was inserted before it"
        else:
            double = self._db.execute(
                "SELECT seq FROM record WHERE seq <> ?1 AND hash = (SELECT hash FROM record WHERE seq = ?1) LIMIT 1",
                (seq,),
            ).get
            if double is not None:
                text = f"entry {seq} is a copy of entry {double}"
        raise _BreakError(Verdict.CHANGED, seq, text)

    def _checkpoints(self, first: int, pruned: list[tuple[int, bytes]]) -> None:
        """Those of this slice are exactly its `pruned` entries; they go on from one another."""
        found = self._db.execute(
            "SELECT seq, first_seq, last_seq, last_hash, entry_count FROM record_checkpoints"
            " WHERE seq > ? AND seq <= ? ORDER BY seq",
            (first, self._seq),
        ).fetchall()
        rows = msgspec.convert(found, list[_Checkpoint])
        told: list[_Checkpoint] = []
        for seq, body in pruned:
            try:
                entry = _ENTRY.decode(body)
                told.append(
                    (seq, entry.first_seq, entry.last_seq, bytes.fromhex(entry.last_hash), entry.entry_count)
                )
            except (msgspec.MsgspecError, ValueError) as error:
                raise _BreakError(Verdict.CHANGED, seq, f"entry {seq} tells of no pruning: {error}") from None
        if rows != told:
            odd = min(set(rows) ^ set(told))[0]
            raise _BreakError(
                Verdict.CHANGED, odd, f"the checkpoint of entry {odd} is not what that entry says"
            )

    def _end(self) -> None:
        """The end of the chain is where the last append left it."""
        rows = self._db.execute("SELECT last_seq, last_hash, entry_count FROM record_head").fetchall()
        head = msgspec.convert(rows, list[tuple[int, bytes, int]])
        highest = int(self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'record'").get or 0)
        count, first = self._db.execute("SELECT count(*), min(seq) FROM record").fetchone() or (0, None)
        beyond = max((seq for seq in self._anchors if seq > self._seq), default=0)
        told = max([highest, *(row[0] for row in head)])
        if told > self._seq:
            text = f"entries {self._seq + 1} to {told} are missing at the end"
            raise _BreakError(Verdict.TRUNCATED, self._seq + 1, text)
        if beyond:
            seen = self._anchors[beyond][0].ts
            text = f"the record ends at entry {self._seq}; the anchor of {seen} saw entry {beyond}"
            raise _BreakError(Verdict.TRUNCATED, self._seq + 1, text)
        if len(head) != 1 or head[0] != (self._seq, self._hash, count) or highest != self._seq:
            text = (
                f"the head of the record does not fit its last entry {self._seq}: entries were added past it"
            )
            raise _BreakError(Verdict.CHANGED, self._seq, text)
        stray = self._db.execute(
            "SELECT seq FROM record_checkpoints WHERE seq > ? OR seq < ?", (self._seq, first or 0)
        ).get
        if stray is not None:
            raise _BreakError(Verdict.CHANGED, stray, f"a checkpoint names entry {stray}, which is not there")

    def _report(self, verdict: Verdict, seq: int | None, what: str) -> Report:
        try:
            count, first, last = self._db.execute(
                "SELECT count(*), min(seq), max(seq) FROM record"
            ).fetchone() or ((0, None, None))
            digest = self._db.execute("SELECT hash FROM record WHERE seq = ?", (last,)).get
        except apsw.Error:
            count, first, last, digest = 0, None, None, None
        return Report(
            verdict=verdict,
            seq=seq,
            what=what,
            todo=TODO[verdict],
            entry_count=count,
            first_seq=first,
            last_seq=last,
            last_hash=digest.hex() if digest else None,
            anchors_met=self._met,
            anchors_given=sum(map(len, self._anchors.values())),
        )


def verify(db: apsw.Connection, anchors: Iterable[Anchor] = ()) -> Report:
    """All slices, one after another."""
    verifier = Verifier(db, anchors)
    while verifier.step():
        pass
    assert verifier.report is not None  # noqa: S101 - step() returned False
    return verifier.report

# SPDX-License-Identifier: Apache-2.0
"""The record's chain: whatever is changed, removed, added or moved in it is found, also after retention."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest

from innerwarden.agent.state import record
from innerwarden.agent.state.anchor import Anchor, parse_anchors
from innerwarden.agent.state.audit import Audit
from innerwarden.agent.state.connection import open_writer
from innerwarden.agent.state.tx import Tx
from innerwarden.agent.state.verify import Report, Verdict, Verifier, verify
from innerwarden.errors import StateError, UsageError
from innerwarden.model.record import Answered, AnyEntry, Decided, Operated, Outcome, Pruned, Requested, Undone
from innerwarden.model.verb import BlockAddress

VERB = BlockAddress(address="203.0.113.7")
ENTRIES: tuple[AnyEntry, ...] = (
    Decided(
        incident_id="x:203.0.113.7:t", outcome=Outcome.ACT, by="rule:x", reason="why", verb=VERB, ttl_s=60
    ),
    Requested(response_id="r1", verb=VERB, ttl_s=60, by="rule:x", dry_run=False),
    Answered(response_id="r1", state="active"),
    Undone(response_id="r1", state="undone", why="expired"),
    Operated(who="ana", what="deny", subject="r1"),
    Decided(incident_id="y", outcome=Outcome.DISMISS, by="gate:age", reason="old"),
)
START = 1_767_323_045_000_000_000
COLUMNS = ("seq", "ts_ns", "kind", "body", "hash")


def fill(db: apsw.Connection, count: int, at: int = 0) -> None:
    """Entries numbered from `at`, one nanosecond apart, in one transaction."""
    with db:
        for n in range(at, at + count):
            record.append(Tx(db, START + n), ENTRIES[n % len(ENTRIES)])


def prune(db: apsw.Connection, before: int, now: int) -> int:
    with db:
        return record.prune(Tx(db, START + now), START + before)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[apsw.Connection]:
    """40 entries written, retention was there three times: kinds of every sort, two checkpoints left."""
    connection = open_writer(tmp_path / "state.db")
    fill(connection, 20)
    assert prune(connection, 6, 20) == 6
    fill(connection, 12, 21)
    assert prune(connection, 10, 40) == 4
    fill(connection, 4, 41)
    assert prune(connection, 15, 50) == 5
    fill(connection, 4, 51)
    kinds = {kind for (kind,) in connection.execute("SELECT DISTINCT kind FROM record")}
    assert kinds == {"decided", "requested", "answered", "undone", "operated", "pruned"}
    assert connection.execute("SELECT count(*) FROM record_checkpoints").get == 3
    assert verify(connection).holds
    yield connection
    connection.close()


@contextmanager
def mutant(db: apsw.Connection, *statements: tuple[str, tuple[object, ...]]) -> Iterator[None]:
    """The statements hold inside; afterwards all is as before."""
    db.execute("BEGIN")
    try:
        for sql, values in statements:
            db.execute(sql, values)  # type: ignore[arg-type]
        yield
    finally:
        db.execute("ROLLBACK")


def broken(db: apsw.Connection, *statements: tuple[str, tuple[object, ...]]) -> Report:
    with mutant(db, *statements):
        report = verify(db)
    assert not report.holds, statements
    assert report.what and report.todo and report.seq is not None
    assert verify(db).holds
    return report


def rows(db: apsw.Connection) -> list[tuple[int, int, str, bytes, bytes]]:
    return list(db.execute("SELECT seq, ts_ns, kind, body, hash FROM record ORDER BY seq"))


def one_of_each(db: apsw.Connection) -> list[int]:
    found = {}
    for seq, _, kind, body, _ in rows(db):
        found.setdefault((kind, b'"verb"' in body), seq)
    seqs = [r[0] for r in rows(db)]
    return sorted({*found.values(), seqs[0], seqs[-1]})


def test_every_byte_of_every_column_is_covered(db: apsw.Connection) -> None:
    tried = 0
    by_seq = {row[0]: row for row in rows(db)}
    for seq in one_of_each(db):
        for column, value in zip(COLUMNS[2:], by_seq[seq][2:], strict=True):
            data = value.encode() if isinstance(value, str) else value
            for place in range(len(data)):
                changed = bytearray(data)
                changed[place] ^= 1 << (place % 7)
                new = bytes(changed).decode("latin-1") if column == "kind" else bytes(changed)
                report = broken(db, (f"UPDATE record SET {column} = ? WHERE seq = ?", (new, seq)))
                assert report.seq in (seq, seq + 1), (column, place, report)
                tried += 1
    assert tried > 1000


@pytest.mark.parametrize("bit", range(63))
def test_every_bit_of_time_and_number_is_covered(db: apsw.Connection, bit: int) -> None:
    for seq, ts_ns, *_ in rows(db)[:: max(1, len(rows(db)) // 8)]:
        report = broken(db, ("UPDATE record SET ts_ns = ? WHERE seq = ?", (ts_ns ^ 1 << bit, seq)))
        assert (report.verdict, report.seq) == (Verdict.CHANGED, seq)
        if seq ^ 1 << bit not in {row[0] for row in rows(db)}:
            broken(db, ("UPDATE record SET seq = ? WHERE seq = ?", (seq ^ 1 << bit, seq)))


def test_a_column_that_is_cut_or_longer_is_found(db: apsw.Connection) -> None:
    for seq, _, kind, body, _ in rows(db):
        for new in (body[:-1], body[1:], b"", body + b" ", b"\0" + body):
            broken(db, ("UPDATE record SET body = ? WHERE seq = ?", (new, seq)))
        for text in (kind[:-1], kind + "x", ""):
            broken(db, ("UPDATE record SET kind = ? WHERE seq = ?", (text, seq)))
        # A byte that goes from one column to the next leaves the same bytes in a row.
        moved = (kind + chr(body[0]), body[1:], seq)
        broken(db, ("UPDATE record SET kind = ?, body = ? WHERE seq = ?", moved))


def test_every_row_that_goes_is_missed(db: apsw.Connection) -> None:
    all_rows = rows(db)
    first, last = all_rows[0][0], all_rows[-1][0]
    for seq, *_ in all_rows:
        report = broken(db, ("DELETE FROM record WHERE seq = ?", (seq,)))
        at_an_end = seq in (first, last)
        assert report.verdict is (Verdict.TRUNCATED if at_an_end else Verdict.CHANGED), seq
        assert report.seq == seq
        assert "missing" in report.what or "removed" in report.what
    for length in range(1, len(all_rows) + 1):
        for start in (first, last - length + 1):
            report = broken(db, ("DELETE FROM record WHERE seq BETWEEN ? AND ?", (start, start + length - 1)))
            assert report.verdict is Verdict.TRUNCATED
        if length < len(all_rows) - 1:
            gap = ("DELETE FROM record WHERE seq BETWEEN ? AND ?", (first + 1, first + length))
            assert broken(db, gap).seq == first + 1


def set_row(seq: int, row: tuple[int, int, str, bytes, bytes]) -> tuple[str, tuple[object, ...]]:
    return "UPDATE record SET ts_ns = ?, kind = ?, body = ?, hash = ? WHERE seq = ?", (*row[1:], seq)


def test_rows_that_change_places_are_found(db: apsw.Connection) -> None:
    all_rows = rows(db)
    for a in range(0, len(all_rows), 3):
        for b in range(a + 1, len(all_rows)):
            one, two = all_rows[a], all_rows[b]
            report = broken(db, set_row(one[0], two), set_row(two[0], one))
            assert report.seq == one[0]
            if one[2] != "pruned" and two[2] != "pruned":
                assert f"now stands at {two[0]}" in report.what


def test_a_copy_is_found_wherever_it_is_put(db: apsw.Connection) -> None:
    all_rows = rows(db)
    last = all_rows[-1][0]
    insert = "INSERT INTO record (seq, ts_ns, kind, body, hash) VALUES (?, ?, ?, ?, ?)"
    for row in all_rows:
        assert "copy" in broken(db, (insert, (last + 1, *row[1:]))).what
        for place in (last + 5, all_rows[0][0] - 1):
            broken(db, (insert, (place, *row[1:])))
    # In the middle, all later ones moved on by one.
    place = all_rows[5][0]
    report = broken(
        db,
        ("UPDATE record SET seq = -seq - 1 WHERE seq >= ?", (place,)),
        ("UPDATE record SET seq = -seq WHERE seq < 0", ()),
        (insert, (place, *all_rows[2][1:])),
    )
    assert report.seq == place


def test_an_entry_that_was_added_past_the_head_is_found(db: apsw.Connection) -> None:
    seq, ts_ns, _, body, digest = rows(db)[-1]
    new = record.link(digest, seq + 1, ts_ns, b"operated", body)
    insert = "INSERT INTO record (seq, ts_ns, kind, body, hash) VALUES (?, ?, 'operated', ?, ?)"
    assert "head" in broken(db, (insert, (seq + 1, ts_ns, body, new))).what


@pytest.mark.parametrize("column", ["seq", "first_seq", "last_seq", "last_hash", "entry_count"])
def test_checkpoints_cannot_be_edited(db: apsw.Connection, column: str) -> None:
    for row in db.execute(f"SELECT seq, {column} FROM record_checkpoints").fetchall():
        values = [row[1] + 100, row[1] - 1] if isinstance(row[1], int) else [bytes(32), row[1][::-1]]
        for value in values:
            broken(db, (f"UPDATE record_checkpoints SET {column} = ? WHERE seq = ?", (value, row[0])))
        broken(db, ("DELETE FROM record_checkpoints WHERE seq = ?", (row[0],)))
    broken(db, ("DELETE FROM record_checkpoints", ()))
    broken(db, ("INSERT INTO record_checkpoints VALUES (1, 1, 3, zeroblob(32), 3)", ()))
    broken(db, ("INSERT INTO record_checkpoints VALUES (9999, 1, 9998, zeroblob(32), 3)", ()))


def test_more_cut_at_the_beginning_with_a_fitting_checkpoint_is_found(db: apsw.Connection) -> None:
    newest = db.execute("SELECT max(seq) FROM record_checkpoints").get
    for seq, _, _, _, digest in rows(db)[:-1]:
        report = broken(
            db,
            ("DELETE FROM record WHERE seq <= ?", (seq,)),
            ("DELETE FROM record_checkpoints WHERE seq <= ? AND seq <> ?", (seq, newest)),
            (
                "UPDATE record_checkpoints SET last_seq = ?, last_hash = ? WHERE seq = ?",
                (seq, digest, newest),
            ),
            ("UPDATE record_head SET entry_count = (SELECT count(*) FROM record)", ()),
        )
        assert report.seq is not None


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE record_head SET last_seq = last_seq + 1",
        "UPDATE record_head SET last_seq = last_seq - 1",
        "UPDATE record_head SET last_hash = zeroblob(32)",
        "UPDATE record_head SET entry_count = entry_count - 1",
        "DELETE FROM record_head",
        "UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'record'",
        "UPDATE sqlite_sequence SET seq = seq - 1 WHERE name = 'record'",
        "DELETE FROM sqlite_sequence WHERE name = 'record'",
        "DROP TABLE record_head",
        "DROP TABLE record_checkpoints",
        "DELETE FROM record",
        "DROP TABLE record",
    ],
)
def test_head_and_tables_cannot_be_edited(db: apsw.Connection, sql: str) -> None:
    broken(db, (sql, ()))


def anchor_of(db: apsw.Connection) -> Anchor:
    seq, digest, count = (
        db.execute("SELECT last_seq, last_hash, entry_count FROM record_head").fetchone() or ()
    )
    ts = "2026-01-02T03:04:05.000000000Z"
    return Anchor(host="web-1", ts=ts, seq=seq, hash=digest.hex(), count=count).sealed()


def cut_tail(seq: int) -> tuple[tuple[str, tuple[object, ...]], ...]:
    """All that a person with root can set right after removing what came behind `seq`."""
    return (
        ("DELETE FROM record WHERE seq > ?", (seq,)),
        ("DELETE FROM record_checkpoints WHERE seq > ?", (seq,)),
        ("UPDATE sqlite_sequence SET seq = ? WHERE name = 'record'", (seq,)),
        ("UPDATE record_head SET last_seq = ?", (seq,)),
        ("UPDATE record_head SET last_hash = (SELECT hash FROM record WHERE seq = ?)", (seq,)),
        ("UPDATE record_head SET entry_count = (SELECT count(*) FROM record)", ()),
    )


def test_a_tail_that_was_cut_with_its_head_needs_an_anchor(db: apsw.Connection) -> None:
    anchor = anchor_of(db)
    # Not past the newest checkpoint, whose entry the beginning hangs on.
    for seq in range(db.execute("SELECT max(seq) FROM record_checkpoints").get or 0, anchor.seq):
        with mutant(db, *cut_tail(seq)):
            assert verify(db).holds, "without an anchor this cannot be seen, and the documents say so"
            report = verify(db, [anchor])
        assert (report.verdict, report.seq) == (Verdict.TRUNCATED, seq + 1)
        assert f"saw entry {anchor.seq}" in report.what


def test_a_record_made_anew_is_told_by_an_anchor(db: apsw.Connection) -> None:
    anchor = anchor_of(db)
    first = rows(db)[0]
    db.execute("BEGIN")
    before, _ = record.start(db)
    for seq, ts_ns, kind, body, _ in rows(db):
        other = body.replace(b"203.0.113.7", b"203.0.113.8")
        before = record.link(before, seq, ts_ns, kind.encode(), other)
        db.execute("UPDATE record SET body = ?, hash = ? WHERE seq = ?", (other, before, seq))
    db.execute("UPDATE record_head SET last_hash = ?", (before,))
    assert verify(db).holds
    report = verify(db, [anchor])
    assert (report.verdict, report.seq) == (Verdict.REWRITTEN, anchor.seq)
    db.execute("ROLLBACK")
    assert first == rows(db)[0]


def test_an_older_copy_of_the_file_is_told_by_an_anchor(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    open_writer(path).close()
    db = open_writer(path)
    fill(db, 10)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    older = path.read_bytes()
    fill(db, 5, 10)
    anchor = anchor_of(db)
    db.close()
    path.write_bytes(older)
    with Audit(path) as audit:
        assert audit.verify().holds
        report = audit.verify([anchor])
    assert (report.verdict, report.seq) == (Verdict.TRUNCATED, 11)
    # Going on from the older copy makes other entries of the same numbers.
    db = open_writer(path)
    fill(db, 20, 100)
    report = verify(db, [anchor])
    db.close()
    assert (report.verdict, report.seq) == (Verdict.REWRITTEN, 15)


def test_anchors_hold_after_more_entries_and_after_retention(db: apsw.Connection) -> None:
    anchor = anchor_of(db)
    fill(db, 10, 60)
    assert verify(db, [anchor]).anchors_met == 1
    assert prune(db, 54, 80) > 0
    assert verify(db, [anchor]).holds
    prune(db, 1000, 90)
    report = verify(db, [anchor])
    assert report.verdict is Verdict.UNCONFIRMED
    assert verify(db, [anchor, anchor_of(db)]).holds


def test_the_very_entry_that_retention_stopped_at_is_compared(db: apsw.Connection) -> None:
    anchor = anchor_of(db)
    at = rows(db)[-1][1] - START
    prune(db, at + 1, 200)
    assert rows(db)[0][0] == anchor.seq + 1
    assert verify(db, [anchor]).anchors_met == 1
    forged = Anchor(host="h", ts=anchor.ts, seq=anchor.seq, hash="0" * 64, count=1)
    assert verify(db, [forged]).verdict is Verdict.REWRITTEN


def test_an_empty_record_has_an_anchor_too(tmp_path: Path) -> None:
    db = open_writer(tmp_path / "state.db")
    anchor = anchor_of(db)
    assert (anchor.seq, anchor.hash, verify(db, [anchor]).anchors_met) == (0, "0" * 64, 1)
    fill(db, 3)
    assert verify(db, [anchor]).holds
    db.close()


def test_any_change_of_an_anchor_is_refused(db: apsw.Connection) -> None:
    line = anchor_of(db).line()
    assert parse_anchors([line, "", f"Nov 21 10:00:00 web innerwarden-audit[7]: {line}\n"], "f") != []
    for place in range(len(line)):
        for new in ("", "0" if line[place] != "0" else "1"):
            with pytest.raises(UsageError, match="f:1 "):
                parse_anchors([line[:place] + new + line[place + 1 :]], "f")
    with pytest.raises(UsageError, match="no anchor"):
        parse_anchors(["", "\n"], "f")


def test_retention_may_come_any_number_of_times(tmp_path: Path) -> None:
    db = open_writer(tmp_path / "state.db")
    draw = random.Random(7)
    written = gone = 0
    for turn in range(60):
        count = draw.randrange(1, 9)
        fill(db, count, turn * 100)
        written += count
        went = prune(db, (turn - draw.randrange(4)) * 100, turn * 100 + 50)
        gone += went
        written += went > 0
        report = verify(db)
        assert report.holds, report
        assert report.entry_count == written - gone
    assert gone > 200
    assert db.execute("SELECT count(*) FROM record_checkpoints").get <= report.entry_count
    db.close()


def test_pruning_stops_at_the_first_younger_entry_and_at_its_limit(tmp_path: Path) -> None:
    db = open_writer(tmp_path / "state.db")
    fill(db, 10)
    with db:  # the clock was set back
        record.append(Tx(db, START - 5), ENTRIES[0])
    assert prune(db, 4, 20) == 4
    assert prune(db, 4, 20) == 0
    with db:
        assert record.prune(Tx(db, START + 30), START + 1000, at_most=3) == 3
    assert verify(db).holds
    db.close()


def test_nothing_is_pruned_from_a_record_that_does_not_hold(db: apsw.Connection) -> None:
    count = len(rows(db))
    for sql in (
        "UPDATE record SET ts_ns = ts_ns + 1 WHERE seq = (SELECT min(seq) + 1 FROM record)",
        "DELETE FROM record WHERE seq = (SELECT min(seq) + 1 FROM record)",
        "DELETE FROM record WHERE seq = (SELECT min(seq) FROM record)",
    ):
        with mutant(db, (sql, ())), pytest.raises(StateError, match="nothing of it is removed"):
            record.prune(Tx(db, START + 99), START + 99)
    assert len(rows(db)) == count


@pytest.mark.parametrize(
    "sql",
    ["DELETE FROM record_head", "UPDATE record_head SET last_seq = last_seq - 3, last_hash = zeroblob(32)"],
)
def test_nothing_is_appended_to_a_record_without_its_head(db: apsw.Connection, sql: str) -> None:
    with mutant(db, (sql, ())), pytest.raises(StateError, match="head"):
        record.append(Tx(db, START), ENTRIES[0])


def test_a_failed_transaction_leaves_no_trace(db: apsw.Connection) -> None:
    before = rows(db)

    def failing() -> None:
        with db:
            record.append(Tx(db, START), ENTRIES[0])
            raise ValueError

    with pytest.raises(ValueError):
        failing()
    assert rows(db) == before
    fill(db, 1, 90)
    assert verify(db).holds


def stepped(verifier: Verifier, entries: int, between: Callable[[int], None]) -> Report:
    steps = 0
    while verifier.step(entries):
        between(steps)
        steps += 1
    assert verifier.report is not None
    return verifier.report


def test_slices_see_what_is_appended_and_pruned_in_between(db: apsw.Connection) -> None:
    report = stepped(Verifier(db), 3, lambda n: fill(db, 1, 60 + n))
    assert report.holds
    pruned = []
    report = stepped(Verifier(db), 3, lambda n: pruned.append(prune(db, 12 + 9 * n, 100 + n)))
    assert report.holds and sum(pruned) > 9


def test_slices_find_what_one_look_finds(db: apsw.Connection) -> None:
    for seq, *_ in rows(db):
        with mutant(db, ("UPDATE record SET ts_ns = 1 WHERE seq = ?", (seq,))):
            whole, sliced = verify(db), stepped(Verifier(db), 1, lambda n: None)
        assert (whole.verdict, whole.seq, whole.what) == (sliced.verdict, sliced.seq, sliced.what)


def test_damage_to_the_file_itself_is_found(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    db = open_writer(path)
    fill(db, 400)
    content = rows(db)
    db.close()
    whole = path.read_bytes()
    pages = [at for at in range(0, len(whole), 4096) if whole.count(b'"entry":', at, at + 4096) > 3]
    assert len(pages) > 10
    draw = random.Random(3)
    found = 0
    for page in pages[:-1]:
        for place in (0, 3, 8, 9, draw.randrange(2000, 4096), draw.randrange(2000, 4096), 4000):
            data = bytearray(whole)
            data[page + place] ^= 0x55
            path.write_bytes(data)
            with Audit(path) as audit:
                report = audit.verify()
            found += not report.holds
            if report.holds:  # SQLite sees it itself, or the byte belongs to no row
                damaged = apsw.Connection(str(path))
                assert damaged.execute("PRAGMA quick_check(1)").get != "ok" or rows(damaged) == content
    assert found > 50


def test_the_kinds_of_this_test_are_all_there_are() -> None:
    assert {type(entry) for entry in ENTRIES} | {Pruned} == set(AnyEntry.__args__)

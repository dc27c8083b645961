# SPDX-License-Identifier: Apache-2.0
"""One transaction per operation: all or nothing, in order, durable when asked."""

from __future__ import annotations

import time
from pathlib import Path

import apsw
import pytest

from innerwarden.agent.state import record
from innerwarden.agent.state.audit import Audit
from innerwarden.agent.state.connection import BUSY_MS
from innerwarden.agent.state.maintain import PRUNE_ROWS, PruneIncidents, PruneRecord, PruneTelemetry, Reclaim
from innerwarden.agent.state.tx import BAD_LINES_KEPT, Tx
from innerwarden.agent.state.writer import Checkpoint, StorageError, Writer
from innerwarden.clock import NS
from innerwarden.errors import StateError
from innerwarden.model.record import Operated
from innerwarden.paths import state_db
from tests.unit.agent.support import START_NS, append, finding, ingest_all, reading, telemetry


class Do:
    """Operation made of a function."""

    def __init__(self, function: object, durable: bool = False) -> None:
        self.function = function
        self.durable = durable

    def apply(self, tx: Tx) -> object:
        return self.function(tx)  # type: ignore[operator]


def test_an_error_undoes_the_whole_operation(tmp_path: Path) -> None:
    def half(tx: Tx) -> None:
        tx.count("x")
        raise ValueError("after the first row")

    writer = Writer(state_db(tmp_path))
    with pytest.raises(ValueError, match="first row"):
        writer.run(Do(half))
    writer.run(Do(lambda tx: tx.count("y", 2)))
    writer.close()
    with reading(tmp_path) as reader:
        assert reader.counters() == {"y": 2}


def test_operations_keep_their_order_and_close_finishes_them(tmp_path: Path) -> None:
    seen: list[int] = []
    writer = Writer(state_db(tmp_path))
    for n in range(40):
        writer.submit(Do(lambda tx, n=n: seen.append(n)))
    writer.close()
    assert seen == list(range(40))
    with pytest.raises(StateError, match="closed"):
        writer.run(Do(lambda tx: None))


def test_durability_is_per_operation(tmp_path: Path) -> None:
    writer = Writer(state_db(tmp_path))
    levels = [
        writer.run(Do(lambda tx: tx.db.pragma("synchronous"), durable)) for durable in (False, True, False)
    ]
    writer.close()
    assert levels == [1, 2, 1]


def test_another_program_that_holds_the_file_is_a_storage_problem(tmp_path: Path) -> None:
    writer = Writer(state_db(tmp_path))
    writer.run(Do(lambda tx: tx.db.set_busy_timeout(50)))
    other = apsw.Connection(str(state_db(tmp_path)))
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="cannot write"):
        writer.run(Do(lambda tx: tx.count("x")))
    other.execute("ROLLBACK")
    writer.run(Do(lambda tx: tx.count("x")))
    writer.close()


def test_checkpoint_cuts_the_log(tmp_path: Path) -> None:
    writer = Writer(state_db(tmp_path))
    writer.run(Do(lambda tx: tx.count("x")))
    log = tmp_path / "state.db-wal"
    assert log.stat().st_size > 0
    assert writer.run(Checkpoint()) is True
    assert log.stat().st_size == 0
    writer.close()


def test_a_checkpoint_never_waits_for_a_reader(tmp_path: Path) -> None:
    writer = Writer(state_db(tmp_path))
    writer.run(Do(lambda tx: tx.count("x")))
    other = apsw.Connection(str(state_db(tmp_path)))
    other.execute("BEGIN")
    other.execute("SELECT * FROM counters").fetchall()
    writer.run(Do(lambda tx: tx.count("x")))
    began = time.monotonic()
    assert writer.run(Checkpoint()) is False
    assert time.monotonic() - began < 1
    assert writer.run(Do(lambda tx: tx.db.execute("PRAGMA busy_timeout").get)) == BUSY_MS
    other.execute("COMMIT")
    assert writer.run(Checkpoint()) is True
    writer.close()


def bulk(tx: Tx, first: int, count: int) -> None:
    tx.db.executemany(
        "INSERT INTO incidents (incident_id, ts_ns, stored_ns, severity, detector, source, title, summary, fields)"
        " VALUES (?, ?, 0, 3, 'd', 'sensor', 't', 's', zeroblob(3000))",
        ((f"x{n}", n) for n in range(first, first + count)),
    )


def test_space_goes_back_in_short_steps(tmp_path: Path) -> None:
    writer = Writer(state_db(tmp_path))
    writer.run(Do(lambda tx: bulk(tx, 0, 4000)))
    writer.run(Checkpoint())
    before = state_db(tmp_path).stat().st_size
    assert writer.run(Reclaim()) is False
    writer.run(Do(lambda tx: tx.db.execute("DELETE FROM incidents WHERE id % 4 <> 0")))
    steps, longest = 0, 0.0
    while True:
        began = time.monotonic()
        more = writer.run(Reclaim())
        longest = max(longest, time.monotonic() - began)
        if not more:
            break
        steps += 1
    writer.run(Checkpoint())
    writer.close()
    assert steps > 10
    assert longest < 1
    assert state_db(tmp_path).stat().st_size < before / 2
    db = apsw.Connection(str(state_db(tmp_path)))
    assert db.execute("PRAGMA integrity_check").get == "ok"
    assert db.execute("SELECT count(*) FROM incidents").get == 1000


def test_the_record_is_pruned_a_day_at_a_time(tmp_path: Path) -> None:
    day = 86_400 * NS
    writer = Writer(state_db(tmp_path))

    def write(tx: Tx) -> None:
        for hour in range(72):
            record.append(
                Tx(tx.db, START_NS + hour * 3600 * NS), Operated(who="ana", what="close", subject="x")
            )

    writer.run(Do(write))
    assert writer.run(PruneRecord(START_NS + day, day)) == 0
    assert writer.run(PruneRecord(START_NS + day + 1, day)) == 25
    assert [writer.run(PruneRecord(START_NS + hours * 3600 * NS, day)) for hours in (30, 48)] == [0, 0]
    assert writer.run(PruneRecord(START_NS + 2 * day + 3600 * NS + 1, day)) == 25
    writer.close()
    with Audit(state_db(tmp_path)) as audit:
        report = audit.verify()
    assert report.holds
    assert (report.entry_count, report.first_seq, report.last_seq) == (24, 51, 74)


def test_only_the_last_bad_lines_are_kept_but_all_are_counted(tmp_path: Path) -> None:
    append(tmp_path, *[b"x\n"] * (BAD_LINES_KEPT + 50))
    ingest_all(tmp_path)
    with reading(tmp_path) as reader:
        cursor = reader.cursor(last=10_000)
    assert cursor.bad_lines == BAD_LINES_KEPT + 50
    assert len(cursor.last_bad) == BAD_LINES_KEPT
    assert cursor.last_bad[0].offset == 2 * (BAD_LINES_KEPT + 49)


def test_pruning_takes_the_old_in_small_bites_and_all_that_hangs_on_them(tmp_path: Path) -> None:
    append(
        tmp_path, *(finding(key=str(n), at_s=n) for n in range(PRUNE_ROWS + 20)), telemetry(0), telemetry(60)
    )
    ingest_all(tmp_path)
    writer = Writer(state_db(tmp_path))
    before = START_NS + (PRUNE_ROWS + 10) * NS
    assert [writer.run(PruneIncidents(before)) for _ in range(3)] == [PRUNE_ROWS, 10, 0]
    assert writer.run(PruneTelemetry(START_NS + NS)) == 1
    writer.close()
    with reading(tmp_path) as reader:
        assert len(reader.incidents(limit=1000)) == 10
        assert reader.telemetry_since(0) == [telemetry(60)]
        assert reader.counters()["pruned_incidents"] == PRUNE_ROWS + 10

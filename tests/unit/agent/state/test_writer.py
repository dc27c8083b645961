# SPDX-License-Identifier: Apache-2.0
"""One transaction per operation: all or nothing, in order, durable when asked."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from innerwarden.agent.state.maintain import PRUNE_ROWS, PruneIncidents, PruneTelemetry
from innerwarden.agent.state.tx import BAD_LINES_KEPT, Tx
from innerwarden.agent.state.writer import Checkpoint, StorageError, Writer
from innerwarden.clock import NS
from innerwarden.errors import StateError
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

# SPDX-License-Identifier: Apache-2.0
"""The agent looks after its own state: damage and a broken record are told once, anchors reach the system's log."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import apsw
import msgspec
import pytest

from innerwarden import clock, paths
from innerwarden.agent.slow_loop import TaskContext
from innerwarden.agent.state import record
from innerwarden.agent.state.anchor import parse_anchors
from innerwarden.agent.state.audit import Audit
from innerwarden.agent.state.read import Reader
from innerwarden.agent.state.rows import CheckRow, IncidentRow
from innerwarden.agent.state.tx import Tx
from innerwarden.agent.state.writer import Checkpoint, Writer
from innerwarden.agent.tasks import anchor_record, check_state, verify_record, wal_checkpoint
from innerwarden.config import AgentConfig, Config
from innerwarden.ctl import health
from innerwarden.model.record import Operated
from innerwarden.model.severity import Severity
from tests.unit.agent.support import append, finding, ingest_all


class Append:
    durable = False

    def apply(self, tx: Tx) -> None:
        for n in range(20):
            record.append(tx, Operated(who="ana", what="close", subject=f"incident-{n}"))


@pytest.fixture
def context(tmp_path: Path) -> Iterator[TaskContext]:
    append(tmp_path, *(finding(key=str(n), summary="x" * 500) for n in range(300)))
    ingest_all(tmp_path)
    writer = Writer(paths.state_db(tmp_path))
    writer.run(Append())
    yield TaskContext(writer, Config(host="web-1"), tmp_path)
    writer.close()


def found(context: TaskContext) -> tuple[dict[str, CheckRow], list[IncidentRow]]:
    with Reader(paths.state_db(context.data_dir)) as reader:
        checks = {check.name: check for check in reader.checks()}
        return checks, [row for row in reader.incidents() if row.source == "agent"]


def test_a_whole_state_is_ok_and_tells_nothing(context: TaskContext) -> None:
    check_state.run(context)
    verify_record.run(context)
    checks, incidents = found(context)
    assert {name: check.ok for name, check in checks.items()} == {"state": True, "record": True}
    assert incidents == []


def test_a_broken_record_is_critical_and_told_once(context: TaskContext) -> None:
    class Spoil:
        durable = False

        def __init__(self, seq: int) -> None:
            self.seq = seq

        def apply(self, tx: Tx) -> None:
            tx.db.execute("UPDATE record SET body = CAST(body || x'20' AS BLOB) WHERE seq = ?", (self.seq,))

    context.writer.run(Spoil(7))
    for _ in range(3):
        verify_record.run(context)
    checks, incidents = found(context)
    assert not checks["record"].ok
    assert "changed at entry 7" in checks["record"].detail
    (told,) = incidents
    assert (told.detector, told.severity, told.fields.host) == ("record_broken", Severity.CRITICAL, "web-1")
    assert "entry 7" in told.summary
    context.writer.run(Spoil(5))
    verify_record.run(context)
    assert len(found(context)[1]) == 2
    status = health.gather(context.data_dir)
    assert any("the record does not hold" in text for text in status.trouble)


def test_damage_of_the_file_is_high_and_told_once(context: TaskContext) -> None:
    context.writer.run(Checkpoint())
    path = paths.state_db(context.data_dir)
    db = apsw.Connection(str(path))
    root = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'dashboard_tokens'").get
    db.close()
    with path.open("r+b") as file:  # a table that the incident of it does not touch
        file.seek((int(root) - 1) * 4096)
        file.write(b"\xa5" * 60)
    for _ in range(2):
        check_state.run(context)
    checks, incidents = found(context)
    assert not checks["state"].ok
    assert checks["state"].detail
    (told,) = incidents
    assert (told.detector, told.severity) == ("state_damaged", Severity.HIGH)
    assert any("state.db is damaged" in text for text in health.gather(context.data_dir).trouble)


def test_a_reader_that_stays_open_is_told_before_the_log_grows_unseen(
    context: TaskContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wal_checkpoint, "WARN_BYTES", 100_000)
    reader = apsw.Connection(str(paths.state_db(context.data_dir)))
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM incidents").fetchall()
    for _ in range(40):
        context.writer.run(Append())
    wal_checkpoint.run(context)
    check = found(context)[0]["wal"]
    assert not check.ok
    assert "from being folded in" in check.detail
    status = health.gather(context.data_dir)
    assert status.state is not None and status.state.wal_bytes > 100_000
    assert any("folded in" in text for text in status.trouble)
    reader.execute("COMMIT")
    reader.close()
    wal_checkpoint.run(context)
    assert found(context)[0]["wal"].ok


@pytest.fixture
def system_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    path = tmp_path / "log-socket"
    monkeypatch.setattr(anchor_record, "SYSLOG", str(path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(path))
        log.setblocking(False)
        yield log


def received(log: socket.socket) -> list[str]:
    lines = []
    while True:
        try:
            lines.append(log.recv(4096).decode())
        except BlockingIOError:
            return lines


def later(monkeypatch: pytest.MonkeyPatch, minutes: int) -> None:
    now = clock.realtime_ns() + minutes * 60 * clock.NS
    monkeypatch.setattr(anchor_record, "realtime_ns", lambda: now)


def test_anchors_reach_the_log_when_the_record_grew(
    context: TaskContext, system_log: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    anchor_record.run(context)
    anchor_record.run(context)
    (line,) = received(system_log)
    assert line.startswith("<85>") and " innerwarden-audit[" in line
    assert parse_anchors([line], "log")[0].seq == 20
    later(monkeypatch, 61)
    anchor_record.run(context)
    assert received(system_log) == []
    context.writer.run(Append())
    anchor_record.run(context)
    (second,) = received(system_log)
    with Audit(paths.state_db(context.data_dir)) as audit:
        assert audit.verify(parse_anchors([line, second], "log")).anchors_met == 2
    later(monkeypatch, 61 + 59)
    context.writer.run(Append())
    anchor_record.run(context)
    assert received(system_log) == []
    later(monkeypatch, 61 + 60)
    anchor_record.run(context)
    assert len(received(system_log)) == 1


def test_a_day_without_entries_still_gives_a_sign_of_life(
    context: TaskContext, system_log: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    anchor_record.run(context)
    later(monkeypatch, 24 * 60 - 1)
    anchor_record.run(context)
    assert len(received(system_log)) == 1
    later(monkeypatch, 24 * 60 + 1)
    anchor_record.run(context)
    assert len(received(system_log)) == 1


def test_anchoring_can_be_switched_off(context: TaskContext, system_log: socket.socket) -> None:
    config = msgspec.structs.replace(context.config, agent=AgentConfig(anchor_minutes=0))
    anchor_record.run(msgspec.structs.replace(context, config=config))
    assert received(system_log) == []


def test_a_missing_system_log_is_shown_and_no_trouble(
    context: TaskContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(anchor_record, "SYSLOG", str(tmp_path / "none"))
    anchor_record.run(context)
    check = found(context)[0]["anchor"]
    assert not check.ok and "cannot be told" in check.detail
    assert health.gather(context.data_dir).trouble == ()


def test_an_empty_record_needs_no_anchor(tmp_path: Path, system_log: socket.socket) -> None:
    writer = Writer(paths.state_db(tmp_path))
    anchor_record.run(TaskContext(writer, Config(), tmp_path))
    writer.close()
    assert received(system_log) == []

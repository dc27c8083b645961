# SPDX-License-Identifier: Apache-2.0
"""Backups are whole, private and never half there; a restore changes nothing until all is checked."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from innerwarden.agent.main import lock
from innerwarden.agent.state import backup as backup_module
from innerwarden.agent.state import migrate, record
from innerwarden.agent.state.backup import backup, restore
from innerwarden.agent.state.connection import APPLICATION_ID, open_writer
from innerwarden.agent.state.responses import Order, intend
from innerwarden.agent.state.verify import verify
from innerwarden.agent.state.writer import Writer
from innerwarden.errors import StateError, UnavailableError
from innerwarden.model.record import Decided, Operated, Outcome
from innerwarden.model.verb import BlockAddress
from innerwarden.paths import state_db
from tests.unit.agent.state.test_writer import Do, bulk
from tests.unit.agent.support import append, finding, ingest_all, reading
from tests.unit.ctl.test_reading_commands import invoke

#: A playbook, a question to a model, and notices: handed over, due, held back, sent.
UNDER_WAY = """
INSERT INTO playbook_runs (incident, playbook, step, state) VALUES (1, 'p', 0, 'running');
INSERT INTO triage_questions VALUES (1);
INSERT INTO notice_intake (incident, kind, outcome, reason, dry_run) VALUES (1, 'incident', 'act', 'why', 0);
INSERT INTO notices (channel, key, kind, state, severity, detector, entity, outcome, incident_id, created_ns, due_ns)
    VALUES ('c', 'a', 'incident', 'due', 4, 'd', 'e', 'act', 'x', 1, 1),
           ('c', 'b', 'incident', 'deferred', 4, 'd', 'e', 'act', 'x', 1, 1),
           ('c', 'c', 'incident', 'sent', 4, 'd', 'e', 'act', 'x', 1, 1);
"""


def note(text: str) -> Do:
    return Do(lambda tx: record.append(tx, Operated(who="ana", what="close", subject=text)))


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    data_dir = tmp_path / "data"
    data_dir.mkdir(mode=0o700)
    append(data_dir, *(finding(key=str(n)) for n in range(20)))
    ingest_all(data_dir)
    writer = Writer(state_db(data_dir))
    for n in range(5):
        writer.run(note(str(n)))
    yield writer
    writer.close()


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir()) if path.is_file()}


def test_a_backup_while_the_agent_writes_is_one_moment_of_it(writer: Writer, tmp_path: Path) -> None:
    writer.run(Do(lambda tx: bulk(tx, 0, 6000)))
    stop, written = threading.Event(), [0]

    def write() -> None:
        while not stop.is_set():
            # Two rows that only ever come together.
            writer.run(Do(lambda tx, n=written[0]: (note(f"t{n}").apply(tx), bulk(tx, 10_000 + n, 1))))
            written[0] += 1

    thread = threading.Thread(target=write)
    thread.start()
    target = tmp_path / "copy.db"
    for turn in range(3):
        before = written[0]
        copied = backup(state_db(tmp_path / "data"), target.with_suffix(f".{turn}"))
        assert copied.record.holds
        entries = copied.record.entry_count - 5
        assert before <= entries
        assert copied.incident_count == 6020 + entries
    stop.set()
    thread.join()
    assert written[0] > 10, "the writer was held up"


def test_a_backup_is_private_alone_and_opens_anywhere(writer: Writer, tmp_path: Path) -> None:
    place = tmp_path / "backups"
    place.mkdir()
    copied = backup(state_db(tmp_path / "data"), place / "copy.db")
    assert [path.name for path in place.iterdir()] == ["copy.db"]
    assert stat.S_IMODE((place / "copy.db").stat().st_mode) == 0o600
    assert (copied.incident_count, copied.record.last_seq) == (20, 5)
    db = apsw.Connection(str(place / "copy.db"), flags=apsw.SQLITE_OPEN_READONLY)
    assert db.pragma("journal_mode") == "delete"
    assert db.execute("PRAGMA integrity_check").get == "ok"


def test_nothing_is_overwritten(writer: Writer, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    for make in (lambda: target.write_text("mine"), lambda: target.symlink_to(tmp_path / "elsewhere")):
        make()
        with pytest.raises(StateError, match="exists already"):
            backup(state_db(tmp_path / "data"), target)
        target.unlink()
    assert not (tmp_path / "elsewhere").exists()


def test_a_name_that_is_taken_meanwhile_stays(
    writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "copy.db"
    sync = backup_module._sync
    monkeypatch.setattr(backup_module, "_sync", lambda path: (sync(path), target.write_text("mine")))
    with pytest.raises(StateError, match="exists already"):
        backup(state_db(tmp_path / "data"), target)
    assert target.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.db", "data"]


def test_a_damaged_original_gives_no_backup(writer: Writer, tmp_path: Path) -> None:
    writer.close()
    path = state_db(tmp_path / "data")
    data = bytearray(path.read_bytes())
    data[8192 : 8192 + 100] = b"\xa5" * 100
    path.write_bytes(data)
    with pytest.raises(StateError, match="damaged"):
        backup(path, tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()


def test_a_broken_record_is_copied_as_evidence_and_never_restored(writer: Writer, tmp_path: Path) -> None:
    writer.run(Do(lambda tx: tx.db.execute("UPDATE record SET ts_ns = 1 WHERE seq = 3")))
    code, out = invoke("backup", str(tmp_path / "copy.db"), "--data-dir", str(tmp_path / "data"))
    assert code == 1 and "changed" in out
    writer.close()
    before = files(tmp_path / "data")
    with pytest.raises(StateError, match="entry 3"):
        restore(tmp_path / "copy.db", state_db(tmp_path / "data"), "ana")
    assert files(tmp_path / "data") == before


def test_a_restore_sets_aside_and_goes_on_from_the_backup(writer: Writer, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    backup(state_db(data_dir), tmp_path / "copy.db")
    for n in range(7):
        writer.run(note(f"later-{n}"))
    writer.close()
    state_db(data_dir).chmod(0o640)
    restored = restore(tmp_path / "copy.db", state_db(data_dir), "ana")
    assert (restored.incident_count, restored.entry_count, restored.from_version) == (20, 6, migrate.latest())
    assert stat.S_IMODE(state_db(data_dir).stat().st_mode) == 0o640
    assert sorted(path.name for path in data_dir.iterdir() if path.is_file()) == [
        "findings.jsonl",
        "state.db",
    ]
    kept = apsw.Connection(str(Path(restored.set_aside or "") / "state.db"))
    assert verify(kept).entry_count == 12
    db = open_writer(state_db(data_dir))
    assert verify(db).holds
    body = db.execute("SELECT body FROM record ORDER BY seq DESC LIMIT 1").get
    assert b'"what":"restore"' in body and b'"who":"ana"' in body
    db.close()


def test_nothing_that_was_on_its_way_goes_on_after_a_restore(writer: Writer, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    verb = BlockAddress(address="203.0.113.7")
    decided = Decided(incident_id="x", outcome=Outcome.ACT, by="rule:x", reason="why", verb=verb, ttl_s=60)
    writer.run(Do(lambda tx: intend(tx, Order(decided=decided, verb=verb, ttl_s=60))))
    writer.run(Do(lambda tx: tx.db.execute(UNDER_WAY)))
    assert writer.run(
        Do(lambda tx: tx.db.execute("SELECT count(*) FROM incidents WHERE triaged_ns IS NULL").get)
    )
    backup(state_db(data_dir), tmp_path / "copy.db")
    writer.close()
    restored = restore(tmp_path / "copy.db", state_db(data_dir), "ana")
    assert restored.dropped_responses == 1
    db = open_writer(state_db(data_dir))
    assert db.execute("SELECT count(*) FROM incidents WHERE triaged_ns IS NULL").get == 0
    assert db.execute("SELECT state FROM responses").fetchall() == [("failed",)]
    assert db.execute("SELECT state FROM playbook_runs").fetchall() == [("aborted",)]
    assert db.execute("SELECT state FROM notices ORDER BY id").fetchall() == [("dead",), ("dead",), ("sent",)]
    for table in ("triage_questions", "notice_intake"):
        assert db.execute(f"SELECT count(*) FROM {table}").get == 0
    assert [kind for (kind,) in db.execute("SELECT kind FROM record ORDER BY seq DESC LIMIT 2")] == [
        "answered",
        "operated",
    ]
    assert verify(db).holds
    db.close()


def test_a_log_that_was_left_behind_never_reaches_the_restored_file(writer: Writer, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    backup(state_db(data_dir), tmp_path / "copy.db")
    for n in range(50):
        writer.run(note(f"later-{n}"))
    left = files(data_dir)  # as a kill -9 leaves it
    writer.close()
    for name, data in left.items():
        (data_dir / name).write_bytes(data)
    assert len(left["state.db-wal"]) > 10_000
    restored = restore(tmp_path / "copy.db", state_db(data_dir), "ana")
    with open_writer(state_db(data_dir)) as db:
        assert verify(db).entry_count == 6
        assert db.execute("PRAGMA integrity_check").get == "ok"
    kept = apsw.Connection(str(Path(restored.set_aside or "") / "state.db"))
    assert verify(kept).entry_count == 55


def damaged(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096 * 3 : 4096 * 3 + 64] = b"\xa5" * 64
    path.write_bytes(data)


def foreign(path: Path) -> None:
    path.unlink()
    apsw.Connection(str(path)).execute("CREATE TABLE precious (x)")


def newer(path: Path) -> None:
    apsw.Connection(str(path)).pragma("user_version", migrate.latest() + 1)


def spoilt(path: Path) -> None:
    apsw.Connection(str(path)).execute("DELETE FROM record WHERE seq = 2")


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (damaged, "damaged|malformed"),
        (foreign, "not a state.db"),
        (newer, f"schema version {migrate.latest() + 1}"),
        (spoilt, "the record"),
        (lambda path: path.write_bytes(b"text\n" * 2000), "cannot be"),
        (lambda path: path.write_bytes(b""), "not a state.db"),
        (lambda path: path.unlink(), "not there"),
    ],
)
def test_what_is_no_good_backup_changes_nothing(
    writer: Writer, tmp_path: Path, spoil: object, why: str
) -> None:
    data_dir = tmp_path / "data"
    backup(state_db(data_dir), tmp_path / "copy.db")
    writer.close()
    spoil(tmp_path / "copy.db")  # type: ignore[operator]
    before = files(data_dir)
    with pytest.raises(StateError, match=why):
        restore(tmp_path / "copy.db", state_db(data_dir), "ana")
    assert files(data_dir) == before
    assert [path for path in data_dir.iterdir() if path.is_dir()] == []


def test_an_older_schema_is_migrated_forward(writer: Writer, tmp_path: Path) -> None:
    from innerwarden.agent.state.migrations import m0001_initial

    writer.close()
    old = tmp_path / "old.db"
    db = apsw.Connection(str(old))
    db.execute(m0001_initial.SQL)
    db.pragma("application_id", APPLICATION_ID)
    db.pragma("user_version", 1)
    db.execute("INSERT INTO counters VALUES ('incidents', 41)")
    db.close()
    restored = restore(old, state_db(tmp_path / "data"), "ana")
    assert restored.from_version == 1
    with reading(tmp_path / "data") as reader:
        assert reader.counters() == {"incidents": 41}


def test_a_restore_is_refused_while_the_agent_runs(writer: Writer, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    backup(state_db(data_dir), tmp_path / "copy.db")
    fd = lock(data_dir)
    with pytest.raises(UnavailableError, match="already uses"):
        invoke("restore", str(tmp_path / "copy.db"), "--data-dir", str(data_dir))
    os.close(fd)
    writer.close()
    code, out = invoke("restore", str(tmp_path / "copy.db"), "--data-dir", str(data_dir))
    assert code == 0 and "20 incidents, 6 entries" in out and "state-set-aside-" in out


@pytest.mark.skipif(os.geteuid() != 0, reason="only root restores for somebody else")
def test_root_restores_for_the_owner_of_the_directory(writer: Writer, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    backup(state_db(data_dir), tmp_path / "copy.db")
    writer.close()
    for path in (data_dir, *data_dir.iterdir()):
        os.chown(path, 4242, 4243)
    invoke("restore", str(tmp_path / "copy.db"), "--data-dir", str(data_dir))
    owners = {path.name.partition("-2")[0]: path.stat().st_uid for path in data_dir.iterdir()}
    assert owners == dict.fromkeys(("findings.jsonl", "state.db", "agent.lock", "state-set-aside"), 4242)


def test_a_kill_at_any_point_of_a_restore_leaves_a_state(
    writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_dir = tmp_path / "data"
    backup(state_db(data_dir), tmp_path / "copy.db")
    writer.run(note("later"))
    writer.close()

    class KilledError(BaseException):
        pass

    def die(*_: object) -> None:
        raise KilledError

    for place in ("_copy", "verify", "_settle", "_belong_as", "_sync", "_set_aside"):
        with monkeypatch.context() as patch, pytest.raises(KilledError):
            patch.setattr(backup_module, place, die)
            restore(tmp_path / "copy.db", state_db(data_dir), "ana")
        db = open_writer(state_db(data_dir))
        assert verify(db).entry_count == 6, place
        db.close()
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(Path, "rename", die)  # after the old one was set aside
        restore(tmp_path / "copy.db", state_db(data_dir), "ana")
    db = open_writer(state_db(data_dir))
    assert verify(db).entry_count == 6
    db.close()

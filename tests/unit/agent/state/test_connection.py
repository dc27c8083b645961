# SPDX-License-Identifier: Apache-2.0
"""Opening state.db: damaged, foreign and newer files are refused with the way out and never changed."""

from __future__ import annotations

import shutil
import stat
import subprocess
from pathlib import Path

import apsw
import pytest

from innerwarden.agent.state.connection import APPLICATION_ID, open_read_only, open_writer
from innerwarden.agent.state.migrate import latest, upgrade, version_of
from innerwarden.agent.state.read import Reader
from innerwarden.errors import StateError
from tests.unit.agent.support import append, finding, ingest_all


def test_a_new_file_is_migrated_and_private(tmp_path: Path) -> None:
    path = tmp_path / "deep/state.db"
    db = open_writer(path)
    assert version_of(db) == latest() >= 1
    assert db.pragma("application_id") == APPLICATION_ID
    assert db.pragma("journal_mode") == "wal"
    assert db.pragma("synchronous") == 2
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) & 0o137 == 0, file
    db.close()


@pytest.mark.parametrize("size", [0, 5, 4096, 100_000])
def test_a_damaged_file_is_refused_and_kept(tmp_path: Path, size: int) -> None:
    path = tmp_path / "state.db"
    open_writer(path).close()
    whole = path.read_bytes()
    data = b"\xa5" * size + whole[size:] if size else whole[: len(whole) // 2]
    path.write_bytes(data)
    with pytest.raises(StateError, match="damaged") as refused:
        open_writer(path)
    assert path.read_bytes() == data
    assert "mv " in refused.value.remedy


def test_damage_deep_in_the_file_is_found_at_the_start(tmp_path: Path) -> None:
    append(tmp_path, *(finding(key=str(n), summary="x" * 500) for n in range(300)))
    ingest_all(tmp_path)
    path = tmp_path / "state.db"
    data = bytearray(path.read_bytes())
    for page in range(len(data) // 8192, len(data) // 4096):
        data[page * 4096 : page * 4096 + 200] = b"\xa5" * 200
    path.write_bytes(data)
    with pytest.raises(StateError, match="damaged"):
        open_writer(path)
    assert path.read_bytes() == data


def test_the_remedy_works_as_written(tmp_path: Path) -> None:
    path = tmp_path / "with a space" / "state.db"
    path.parent.mkdir()
    path.write_bytes(b"\xa5" * 8192)
    with pytest.raises(StateError) as refused:
        open_writer(path)
    command = refused.value.remedy.split("`")[1]
    subprocess.run(["/bin/sh", "-c", command], check=True)
    open_writer(path).close()
    assert (path.parent / "state-set-aside/state.db").read_bytes() == b"\xa5" * 8192


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    db = open_writer(path)
    db.pragma("user_version", latest() + 1)
    db.close()
    for opening in (open_writer, open_read_only):
        with pytest.raises(StateError, match=f"schema version {latest() + 1}"):
            opening(path)


def test_a_foreign_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    other = apsw.Connection(str(path))
    other.execute("CREATE TABLE precious (x)")
    other.close()
    with pytest.raises(StateError, match="but not a state"):
        open_writer(path)


def test_a_failing_migration_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from innerwarden.agent.state.migrations import m0001_initial

    broken = m0001_initial.SQL + "CREATE TABLE half (x); CREATE TABLE half (x);"
    monkeypatch.setattr(m0001_initial, "SQL", broken)
    path = tmp_path / "state.db"
    with pytest.raises(StateError, match="half"):
        open_writer(path)
    db = apsw.Connection(str(path))
    assert (version_of(db), db.execute("SELECT count(*) FROM sqlite_schema").get) == (0, 0)
    monkeypatch.undo()
    assert upgrade(db, APPLICATION_ID) == latest()


def test_reading_a_missing_database_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="does not exist"):
        Reader(tmp_path / "state.db")
    assert list(tmp_path.iterdir()) == []


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    open_writer(path).close()
    with pytest.raises(apsw.ReadOnlyError):
        open_read_only(path).execute("DELETE FROM incidents")


def test_the_whole_file_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.mkdir()
    with pytest.raises(StateError, match="cannot be opened"):
        open_writer(path)


def as_before_shrinking(path: Path, rows: int) -> None:
    """A state.db of the newest schema, made without incremental vacuum."""
    db = apsw.Connection(str(path))
    db.execute("PRAGMA journal_mode = WAL")
    upgrade(db, APPLICATION_ID)
    with db:
        for n in range(rows):
            db.execute("INSERT INTO counters VALUES (?, ?)", (f"c{n}", n))
    db.close()


def test_an_older_file_is_made_to_shrink_once(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    as_before_shrinking(path, 500)
    db = open_writer(path)
    assert db.pragma("auto_vacuum") == 2
    assert db.pragma("application_id") == APPLICATION_ID
    assert (version_of(db), db.execute("SELECT sum(value) FROM counters").get) == (latest(), sum(range(500)))
    assert db.execute("PRAGMA integrity_check").get == "ok"
    db.close()


def test_without_room_the_file_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.db"
    as_before_shrinking(path, 5)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 0))
    db = open_writer(path)
    assert db.pragma("auto_vacuum") == 0
    assert db.execute("SELECT count(*) FROM counters").get == 5
    db.close()

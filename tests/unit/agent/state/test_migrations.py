# SPDX-License-Identifier: Apache-2.0
"""Every earlier schema comes forward with all that is in it; a migration that fails leaves what was there."""

from __future__ import annotations

import importlib
from pathlib import Path

import apsw
import pytest

from innerwarden.agent.state import migrate
from innerwarden.agent.state.connection import APPLICATION_ID, open_writer
from innerwarden.agent.state.verify import verify
from innerwarden.errors import StateError

#: Rows of the first schema, in all its tables.
ROWS = """
INSERT INTO incidents VALUES
    (3, 'a:1', 1000, 1001, 4, 'a', 'sensor', 'open', 'A', 'first', x'7b7d'),
    (5, 'b:1', 2000, 2001, 3, 'b', 'sensor', 'closed', 'B', 'second', x'7b7d'),
    (9, 'chain:1', 3000, 3001, 5, 'chain', 'correlation', 'open', 'C', 'both', x'7b7d');
UPDATE sqlite_sequence SET seq = 50 WHERE name = 'incidents';
INSERT INTO incident_entities VALUES ('203.0.113.7', 'ip', 3), ('203.0.113.7', 'ip', 5), ('ana', 'user', 9);
INSERT INTO incident_members VALUES (9, 0, 3), (9, 1, 5);
INSERT INTO cursors VALUES ('findings', '/f', 1, 2, 300, 'ab', 1, 0, 4000);
INSERT INTO counters VALUES ('incidents', 3);
INSERT INTO bad_lines VALUES (7, 100, '/f', 10, 'empty line');
INSERT INTO telemetry VALUES (500, x'7b7d');
INSERT INTO chains VALUES (2, 'chain', 2, 2000, 9000, 3000, 9), (4, 'chain', 1, 1000, 8000, 3000, NULL);
INSERT INTO chain_keys VALUES ('chain', 'ip:203.0.113.7', 2), ('chain', 'ip:203.0.113.8', 4);
INSERT INTO chain_members VALUES (2, 0, 3), (2, 1, 5), (4, 0, 3);
INSERT INTO chain_waiting VALUES ('chain', 1, 'ip:203.0.113.9', 5, 2000, 3000);
INSERT INTO tasks VALUES ('t', 1.0, 10, 'waiting', 1, 0, 0, NULL, NULL, NULL);
INSERT INTO dashboard_tokens VALUES ('00', 1, NULL);
"""
#: Half-finished chains, which correlation kept before version 6; it decides anew from the findings now.
GONE = {"chains", "chain_keys", "chain_members", "chain_waiting"}
FILLED = [line.split()[2] for line in ROWS.splitlines() if line.startswith("INSERT")]
TABLES = tuple(name for name in FILLED if name not in GONE)


def sql_of(number: int) -> str:
    name = migrate.found()[number - 1]
    return str(importlib.import_module(f"innerwarden.agent.state.migrations.{name}").SQL)


def at_version(path: Path, version: int) -> None:
    """A state.db as the migrations up to `version` make it, with the rows of the first schema."""
    db = apsw.Connection(str(path))
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA foreign_keys = OFF")
    for number in range(1, version + 1):
        db.execute(sql_of(number))
        if number == 1:
            db.execute(ROWS)
    db.pragma("application_id", APPLICATION_ID)
    db.pragma("user_version", version)
    db.close()


def content(db: apsw.Connection) -> dict[str, list[tuple[object, ...]]]:
    return {table: sorted(db.execute(f"SELECT * FROM {table}"), key=repr) for table in TABLES}


def shape(db: apsw.Connection) -> list[tuple[object, ...]]:
    return list(
        db.execute(
            "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name"
        )
    )


@pytest.mark.parametrize("version", range(1, migrate.latest()))
def test_all_that_was_there_comes_forward(tmp_path: Path, version: int) -> None:
    at_version(tmp_path / "state.db", version)
    before = content(apsw.Connection(str(tmp_path / "state.db")))
    db = open_writer(tmp_path / "state.db")
    after = content(db)
    assert (migrate.version_of(db), db.pragma("foreign_keys")) == (migrate.latest(), 1)
    assert {t: rows for t, rows in after.items() if t != "incidents"} == {
        t: rows for t, rows in before.items() if t != "incidents"
    }
    # Columns may be added behind the first eleven; what is older than triage is history.
    assert [row[:11] for row in after["incidents"]] == [row[:11] for row in before["incidents"]]
    assert db.execute("SELECT count(*) FROM incidents WHERE triaged_ns IS NULL").get == 0
    assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    assert db.execute("PRAGMA integrity_check").get == "ok"
    assert verify(db).holds
    # Numbers go on, and what hangs on an incident still goes with it.
    db.execute(
        "INSERT INTO incidents (incident_id, ts_ns, stored_ns, severity, detector, source, title, summary, fields)"
        " VALUES ('d:1', 1, 1, 1, 'd', 'agent', 'D', 'd', x'7b7d')"
    )
    assert db.last_insert_rowid() == 51
    db.execute("DELETE FROM incidents WHERE id = 9")
    assert db.execute("SELECT count(*) FROM incident_members").get == 0
    assert not GONE & {name for (name,) in db.execute("SELECT name FROM sqlite_schema")}
    db.close()


@pytest.mark.parametrize("version", range(1, migrate.latest()))
def test_an_upgraded_file_has_the_shape_of_a_new_one(tmp_path: Path, version: int) -> None:
    at_version(tmp_path / "state.db", version)
    old, new = open_writer(tmp_path / "state.db"), open_writer(tmp_path / "new.db")
    assert shape(old) == shape(new)
    old.close()
    new.close()


@pytest.mark.parametrize("version", range(1, migrate.latest()))
@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ("CREATE TABLE half (x); INSERT INTO nothing VALUES (1);", "nothing"),
        ("DELETE FROM incidents WHERE id = 3;", "point nowhere"),
    ],
)
def test_a_migration_that_fails_leaves_the_version_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int, broken: str, why: str
) -> None:
    path = tmp_path / "state.db"
    at_version(path, version)
    failing = importlib.import_module(f"innerwarden.agent.state.migrations.{migrate.found()[version]}")
    before = apsw.Connection(str(path))
    rows, tables = content(before), shape(before)
    before.close()
    monkeypatch.setattr(failing, "SQL", failing.SQL + broken)
    with pytest.raises(StateError, match=why):
        open_writer(path)
    after = apsw.Connection(str(path))
    assert (migrate.version_of(after), content(after), shape(after)) == (version, rows, tables)
    after.close()
    monkeypatch.undo()
    db = open_writer(path)
    assert migrate.version_of(db) == migrate.latest()
    db.close()

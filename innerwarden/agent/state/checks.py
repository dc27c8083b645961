# SPDX-License-Identifier: Apache-2.0
"""Checks of state.db by the agent itself: looking without holding anybody up, and keeping what was found."""

from __future__ import annotations

from pathlib import Path

import apsw
import msgspec

from innerwarden.agent.state.connection import open_read_only
from innerwarden.agent.state.rows import CheckRow
from innerwarden.agent.state.tx import NewIncident, Tx

#: Lines of SQLite's own report that are kept.
REPORT_LINES = 5


class SaveCheck(msgspec.Struct, frozen=True, kw_only=True):
    """Operation: the result of a check; `incident` is stored when it tells something that the last one did not.
    Returns whether it was."""

    row: CheckRow
    incident: NewIncident | None = None
    durable: bool = True

    def apply(self, tx: Tx) -> bool:
        row = self.row
        before = tx.db.execute("SELECT ok, detail FROM checks WHERE name = ?", (row.name,)).fetchone()
        tx.db.execute(
            "INSERT OR REPLACE INTO checks (name, ok, ts_ns, took_ms, detail) VALUES (?, ?, ?, ?, ?)",
            (row.name, int(row.ok), row.ts_ns, row.took_ms, row.detail),
        )
        if self.incident is None or before == (0, row.detail):
            return False
        return tx.insert_incident(self.incident) is not None


def quick_check(path: Path) -> str | None:
    """What SQLite finds wrong in state.db, None when nothing.

    One table with its indexes at a time, each from a snapshot of its own: no log of writes grows behind a whole
    pass. Raises StateError when the file cannot be opened.
    """
    db = open_read_only(path)
    try:
        tables = [str(name) for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        for table in ("sqlite_schema", *tables):
            quoted = table.replace("'", "''")
            found = [str(text) for (text,) in db.execute(f"PRAGMA quick_check('{quoted}')")]
            if found != ["ok"]:
                return f"{table}: " + "; ".join(line.replace("\n", " ") for line in found[:REPORT_LINES])
    except apsw.Error as error:
        return str(error)
    finally:
        db.close()
    return None

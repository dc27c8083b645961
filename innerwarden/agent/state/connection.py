# SPDX-License-Identifier: Apache-2.0
"""Opening state.db: migrated for the writer, read-only for the others, refused when damaged or not ours."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

import apsw

from innerwarden.agent.state import migrate
from innerwarden.errors import DamagedError, StateError

#: "IWar": PRAGMA application_id of every state.db.
APPLICATION_ID = 0x49576172
#: Above this size a start does not read the whole file; SQLite still reports the damage that it meets.
CHECK_AT_START_BYTES = 128 << 20
BUSY_MS = 5000


def open_writer(path: Path) -> apsw.Connection:
    """The one read-write connection: WAL, synchronous FULL (a commit survives a power cut), migrated.

    Raises StateError for a file that is damaged, newer than this version or not a state.db; such a
    file is never changed.
    """
    fresh = not path.exists()
    if fresh:
        path.parent.mkdir(parents=True, exist_ok=True)
        # SQLite gives -wal and -shm the mode of the database.
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o640))
    try:
        db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        db.set_busy_timeout(BUSY_MS)
        _check(db, path)
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # heeded by an empty file, and by VACUUM
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA wal_autocheckpoint = 1000")
        db.execute("PRAGMA cache_size = -2000")
        db.execute("PRAGMA journal_size_limit = 16777216")
        migrate.upgrade(db, APPLICATION_ID)
        _let_shrink(db, path)
    except apsw.Error as error:
        raise refusal(path, error) from error
    return db


def _let_shrink(db: apsw.Connection, path: Path) -> None:
    """Make a file of before incremental vacuum anew, once; where there is no room for it, the next start tries."""
    if db.pragma("auto_vacuum") != 0:
        return
    if shutil.disk_usage(path.parent).free > 3 * path.stat().st_size:
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        db.execute("VACUUM")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def open_read_only(path: Path) -> apsw.Connection:
    """A connection that can only read. Raises StateError with the way out."""
    if not path.exists():
        raise StateError(f"{path} does not exist", "Start the agent first: innerwarden run (or agent)")
    try:
        db = read_only_as_is(path)
        version = migrate.version_of(db)
    except apsw.Error as error:
        raise refusal(path, error) from error
    if version != migrate.latest():
        db.close()
        raise StateError(
            f"{path} has schema version {version}; this InnerWarden reads version {migrate.latest()}",
            "Start the agent of this version once (it migrates), or use the version that wrote it",
        )
    return db


def damage_at_rest(path: Path) -> str | None:
    """What a start of the agent would find wrong in the file, None when nothing; for while no agent runs."""
    try:
        if path.stat().st_size > CHECK_AT_START_BYTES:
            return None
        db = read_only_as_is(path)
    except OSError:
        return None
    except apsw.Error as error:
        return str(error) if isinstance(error, apsw.NotADBError | apsw.CorruptError) else None
    try:
        found = db.execute("PRAGMA quick_check(1)").get
    except apsw.Error as error:
        return str(error)
    finally:
        db.close()
    return None if found == "ok" else str(found)


def read_only_as_is(path: Path) -> apsw.Connection:
    """A connection that can only read, whatever the file holds. Raises apsw.Error."""
    db = _read_only(path)
    db.set_busy_timeout(BUSY_MS)
    db.execute("PRAGMA query_only = ON")
    return db


def _read_only(path: Path) -> apsw.Connection:
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        db.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    except apsw.CantOpenError:
        # A WAL database needs its -shm file, which a user without write permission cannot make. When no
        # agent runs there is no -wal either, nothing can change, and the file may be read as it is.
        db.close()
        if Path(f"{path}-wal").exists():
            raise
        uri = f"file:{path.resolve().as_posix().replace('%', '%25').replace('?', '%3f').replace('#', '%23')}"
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        db = apsw.Connection(f"{uri}?immutable=1", flags=flags)
    return db


def _check(db: apsw.Connection, path: Path) -> None:
    tables = db.execute("SELECT count(*) FROM sqlite_schema").get
    application = db.pragma("application_id")
    if tables and application != APPLICATION_ID:
        raise StateError(f"{path} is a SQLite file, but not a state.db", set_aside(path))
    version = migrate.version_of(db)
    if version > migrate.latest():
        raise StateError(
            f"{path} has schema version {version}, and this InnerWarden knows {migrate.latest()}",
            f"Run the newer InnerWarden again; or start afresh. {set_aside(path)}",
        )
    if path.stat().st_size <= CHECK_AT_START_BYTES:
        damage = db.execute("PRAGMA quick_check(1)").get
        if damage != "ok":
            raise DamagedError(f"{path} is damaged: {damage}", set_aside(path))


def set_aside(path: Path) -> str:
    """The sentence with the command that keeps the old files and lets the agent start afresh."""
    kept = shlex.quote(str(path.parent / "state-set-aside"))
    return (
        f"Nothing was changed. Set it aside with `mkdir -p {kept} && mv {shlex.quote(str(path))}* {kept}/`"
        " and start again: the findings files that are still there are read anew"
    )


def refusal(path: Path, error: apsw.Error) -> StateError:
    """What SQLite said about the file, with what to do."""
    if isinstance(error, apsw.NotADBError | apsw.CorruptError):
        return DamagedError(f"{path} is damaged or not a SQLite file: {error}", set_aside(path))
    if isinstance(error, apsw.FullError):
        return StateError(
            f"{path} cannot be opened, the disk is full: {error}", "Free some space and start again"
        )
    if isinstance(error, apsw.BusyError):
        return StateError(
            f"{path} is locked by another process: {error}", "Close the program that writes to it"
        )
    return StateError(
        f"{path} cannot be opened: {error}", "Check that its directory is writable for this user"
    )

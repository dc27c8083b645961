# SPDX-License-Identifier: Apache-2.0
"""Copies of state.db: made while the agent runs, checked before they count, put back without losing what was there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw
import msgspec

from innerwarden.agent.state import migrate, record
from innerwarden.agent.state.connection import APPLICATION_ID, open_writer, read_only_as_is
from innerwarden.agent.state.tx import Tx
from innerwarden.agent.state.verify import Report, verify
from innerwarden.clock import realtime_ns, rfc3339
from innerwarden.errors import StateError
from innerwarden.files import sync_directory
from innerwarden.model.record import Answered, Operated

#: Pages between two looks at the other threads.
STEP_PAGES = 1000
_BESIDE = ("-wal", "-shm", "-journal")


class Copied(msgspec.Struct, frozen=True, kw_only=True):
    """A copy that SQLite finds whole. `record` says whether its chain holds, as the original's does or does not."""

    path: str
    file_bytes: int
    incident_count: int
    record: Report


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """`set_aside` is the directory that now holds what was there, None when nothing was. `from_version` is of the
    backup's schema."""

    path: str
    from_version: int
    incident_count: int
    entry_count: int
    set_aside: str | None
    dropped_responses: int
    """Orders that the backup had not carried out; they are failed, not carried out now."""


def backup(source: Path, target: Path) -> Copied:
    """Copy state.db as it is at this moment; writers are not held up. The copy belongs to the caller alone.

    Raises StateError when `target` exists, cannot be written, or is not whole; then there is no copy.
    """
    if os.path.lexists(target):
        raise StateError(f"{target} exists already", "Give a name that is not taken; nothing is overwritten")
    with _scratch(target, 0o600) as scratch:
        with closing(_opened(source)) as db:
            _copy(db, scratch)
        with closing(apsw.Connection(str(scratch))) as db:
            db.execute("PRAGMA journal_mode = DELETE")
            _need_whole(db, source)
            report = verify(db)
            incidents = int(db.execute("SELECT count(*) FROM incidents").get)
        _sync(scratch)
        try:
            os.link(scratch, target)
        except OSError as error:
            if os.path.lexists(target):
                raise StateError(f"{target} exists already", "Give a name that is not taken") from error
            scratch.rename(target)  # a file system without links
        sync_directory(target.parent)
        return Copied(
            path=str(target), file_bytes=target.stat().st_size, incident_count=incidents, record=report
        )


def restore(source: Path, state: Path, who: str) -> Restored:
    """Put a backup in the place of state.db; the caller holds the agent's lock. What was there is set aside.

    Checked and migrated as a copy first: raises StateError for a file that is damaged, newer, not ours, or whose
    record does not hold, and then nothing was changed.
    """
    with _scratch(state, 0o640) as scratch:
        with closing(_opened(source)) as db:
            version = _acceptable(db, source)
            _copy(db, scratch)
        with closing(open_writer(scratch)) as db:
            _need_whole(db, source)
            report = verify(db)
            if not report.holds:
                raise StateError(
                    f"the record in {source} is {report.verdict} at entry {report.seq}: {report.what}",
                    "Take an older backup",
                )
            with db:
                dropped = _settle(
                    Tx(db, realtime_ns()), Operated(who=who, what="restore", subject=str(source))
                )
            incidents = int(db.execute("SELECT count(*) FROM incidents").get)
            entries = verify(db).entry_count
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        _belong_as(scratch, state if state.exists() else state.parent)
        _sync(scratch)
        aside = _set_aside(state)
        scratch.rename(state)
        sync_directory(state.parent)
    return Restored(
        path=str(state),
        from_version=version,
        incident_count=incidents,
        entry_count=entries,
        set_aside=str(aside) if aside else None,
        dropped_responses=dropped,
    )


def _settle(tx: Tx, restored: Operated) -> int:
    """Nothing that was on its way at the time of the backup goes on by itself."""
    record.append(tx, restored)
    detail = "not carried out: state.db was restored from a backup"
    tx.db.execute("UPDATE incidents SET triaged_ns = ? WHERE triaged_ns IS NULL", (tx.now_ns,))
    tx.db.execute("UPDATE playbook_runs SET state = 'aborted' WHERE state = 'running'")
    tx.db.execute("DELETE FROM triage_questions")
    tx.db.execute("DELETE FROM notice_intake")
    tx.db.execute(
        "UPDATE notices SET state = 'dead', ended_ns = ?, detail = ? WHERE state IN ('due', 'deferred')",
        (tx.now_ns, detail),
    )
    dropped = [
        str(row[0])
        for row in tx.db.execute("SELECT response_id FROM responses WHERE state = 'intended' ORDER BY id")
    ]
    for response_id in dropped:
        tx.db.execute(
            "UPDATE responses SET state = 'failed', detail = ? WHERE response_id = ?", (detail, response_id)
        )
        record.append(tx, Answered(response_id=response_id, state="failed", detail=detail))
    return len(dropped)


@contextmanager
def _scratch(target: Path, mode: int) -> Iterator[Path]:
    """An empty file beside `target`; gone afterwards with what SQLite put beside it, unless it was renamed."""
    scratch = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        os.close(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode))
    except OSError as error:
        raise StateError(
            f"{scratch} cannot be made: {error.strerror}", "Give a directory that can be written"
        ) from error
    try:
        yield scratch
    except apsw.FullError as error:
        raise StateError(
            f"no room for {target}: {error}", "Free some space, or give another place"
        ) from error
    except apsw.Error as error:
        raise StateError(
            f"{target} cannot be made: {error}", "Check the disk and the file that is copied"
        ) from error
    finally:
        for path in (scratch, *(Path(f"{scratch}{end}") for end in _BESIDE)):
            path.unlink(missing_ok=True)


def _opened(path: Path) -> apsw.Connection:
    if not path.is_file():
        raise StateError(
            f"{path} is not there, or is no file", "Name a state.db that `innerwarden backup` made"
        )
    try:
        return read_only_as_is(path)
    except apsw.Error as error:
        raise StateError(f"{path} cannot be read as a state.db: {error}", "Take another backup") from error


def _copy(db: apsw.Connection, target: Path) -> None:
    with closing(apsw.Connection(str(target))) as copy:
        copy.execute("PRAGMA synchronous = OFF")  # it counts only after _sync
        with db:  # one snapshot: else every commit of the agent would begin the copy anew
            db.execute("SELECT count(*) FROM sqlite_schema").fetchall()
            with copy.backup("main", db, "main") as copying:
                while not copying.done:
                    copying.step(STEP_PAGES)


def _acceptable(db: apsw.Connection, source: Path) -> int:
    """The schema version. Raises StateError for what is no state.db of this or an older version."""
    version = migrate.version_of(db)
    if db.pragma("application_id") != APPLICATION_ID or version < 1:
        raise StateError(f"{source} is not a state.db", "Name a file that `innerwarden backup` made")
    if version > migrate.latest():
        raise StateError(
            f"{source} has schema version {version}, and this InnerWarden knows {migrate.latest()}",
            "Restore it with the version that made it, or a newer one",
        )
    return version


def _need_whole(db: apsw.Connection, source: Path) -> None:
    damage = db.execute("PRAGMA integrity_check(1)").get
    if damage != "ok":
        raise StateError(
            f"{source} is damaged: {damage}",
            f"Keep it as evidence with: cp -a {source} {source}-wal ELSEWHERE",
        )


def _belong_as(path: Path, model: Path) -> None:
    """Root restores for the agent's user."""
    found = model.stat()
    if os.geteuid() == 0:
        os.chown(path, found.st_uid, found.st_gid, follow_symlinks=False)


def _set_aside(state: Path) -> Path | None:
    """Move what is there into a directory of its own. state.db keeps its name until the new one takes it, so that no
    agent ever begins with nothing; its log goes first, because SQLite would fold it into whatever has that name."""
    present = [path for path in (state, *(Path(f"{state}{end}") for end in _BESIDE)) if path.exists()]
    if not present:
        return None
    aside = state.parent / f"state-set-aside-{rfc3339(realtime_ns())[:19].replace(':', '')}Z"
    while aside.exists():
        aside = aside.with_name(f"{aside.name}x")
    aside.mkdir(mode=0o700)
    _belong_as(aside, state.parent)
    for path in present:
        kept = aside / path.name
        if path == state:
            try:
                os.link(path, kept)
            except OSError:  # a file system without links
                shutil.copy2(path, kept)
        else:
            path.rename(kept)
    sync_directory(aside)
    return aside


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)

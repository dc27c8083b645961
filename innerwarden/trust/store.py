# SPDX-License-Identifier: Apache-2.0
"""The directory of trust files: read, and read again when it changed.

The files decide what is not told, so a file or directory that somebody else may write is refused. One file with a
problem makes every entry void: what was meant is not known, and a lost "distrust" would let another entry trust more.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from innerwarden.errors import TrustError
from innerwarden.files import who_else_writes
from innerwarden.trust.judge import TrustSet
from innerwarden.trust.model import Placed
from innerwarden.trust.programs import Programs
from innerwarden.trust.read import read

SUFFIX = ".toml"
MAX_BYTES = 1 << 20
#: inode, size, times, mode and owner of the directory and of each file.
Stamp = tuple[tuple[str, int, int, int, int, int, int], ...]


class TrustStore:
    """Owned by one thread. `current` is what counts now."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.problems: tuple[str, ...] = ()
        self.current = TrustSet()
        self._programs = Programs()
        self._stamp: Stamp | None = None

    def refresh(self) -> bool:
        """Read again if anything changed since the last call; True then. A few stat calls when nothing did.

        With problems `current` is empty and `problems` lists all of them.
        """
        stamp = stamp_of(self.directory)
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        placed, problems = load(self.directory)
        self.problems = tuple(problems)
        self.current = TrustSet([] if problems else placed, self._programs)
        return True

    def require(self) -> None:
        """Read, and raise TrustError with every problem."""
        self.refresh()
        if self.problems:
            raise TrustError(self.problems)


def stamp_of(directory: Path) -> Stamp:
    """What changes when the directory or a file of it does; empty without a directory."""
    try:
        names = sorted(name for name in os.listdir(directory) if name.endswith(SUFFIX))  # noqa: PTH208
    except OSError:
        return ()
    rows = []
    for path in (directory, *(directory / name for name in names)):
        try:
            found = path.lstat()
        except OSError:
            continue
        rows.append((
            path.name, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_mode,
            found.st_uid,
        ))  # fmt: skip
    return tuple(rows)


def load(directory: Path) -> tuple[list[Placed], list[str]]:
    """Entries of every file and all problems as `file:line: text`. A directory that is not there holds none."""
    if not os.path.lexists(directory):
        return [], []
    problem = guarded(directory)
    if problem is not None:
        return [], [problem]
    placed: list[Placed] = []
    problems: list[str] = []
    try:
        paths = sorted(path for path in directory.iterdir() if path.name.endswith(SUFFIX))
    except OSError as error:
        return [], [f"{directory}:1: {error.strerror}; run as root"]
    for path in paths:
        text, why = _text(path)
        if text is None:
            problems.append(f"{path}:1: {why}")
            continue
        entries, wrong = read(text, str(path))
        placed += entries
        problems += wrong
    return placed, problems + doubles(placed)


def doubles(placed: list[Placed]) -> list[str]:
    """An id names one entry."""
    first: dict[str, Placed] = {}
    out = []
    for one in placed:
        other = first.setdefault(one.entry.id, one)
        if other is not one:
            place = f"{other.file}:{other.line}"
            out.append(f"{one.file}:{one.line}: the id {one.entry.id!r} is taken by {place}; choose another")
    return out


def guarded(path: Path) -> str | None:
    """Why somebody else could write there, as a problem, or None."""
    try:
        why = who_else_writes(str(path), sticky=True, owner=os.geteuid())
    except OSError as error:
        return f"{path}:1: {error.strerror}"
    return None if why is None else f"{path}:1: {why}; chown root and chmod go-w"


def _text(path: Path) -> tuple[str | None, str]:
    if (why := guarded(path)) is not None:
        return None, why.partition(":1: ")[2]
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return None, "no regular file; remove it"
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            return None, f"more than {MAX_BYTES} bytes; split it"
        return data.decode("utf-8"), ""
    except OSError as error:
        return None, f"{error.strerror}; run as root"
    except UnicodeDecodeError as error:
        return None, f"{error}; write it in UTF-8"

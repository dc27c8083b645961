# SPDX-License-Identifier: Apache-2.0
"""Follow findings.jsonl through rotations, truncation and restarts, to the byte."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import msgspec

from innerwarden.agent.lines import TOO_LONG
from innerwarden.agent.state.tx import Cursor
from innerwarden.model.finding import MAX_LINE_BYTES

CHUNK_BYTES = 256 << 10
#: Enough of a first line to hold its time in ns and its incident id.
SIGNATURE_BYTES = 256


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes [start, end) of the current file: a whole line (`line`), or something to skip. `reason` says why
    a skipped piece counts as a bad line; None for the rest of one that is counted already."""

    start: int
    end: int
    line: bytes | None = None
    reason: str | None = None
    skipping: bool = False


class Notes(msgspec.Struct):
    """What happened to the files since the last commit."""

    restarts: int = 0
    missed_files: int = 0
    bad: list[tuple[str, int, str]] = msgspec.field(default_factory=list)


class _File(msgspec.Struct, frozen=True):
    path: Path
    device: int
    inode: int


class Tail:
    """Pure reader: pieces() does not move, advance() does, so that a failed commit loses nothing.

    Order of the files: highest number first, `findings.jsonl` last. The file being read is held open: it is
    finished even when rotation has already removed it.
    """

    def __init__(self, path: Path, cursor: Cursor | None) -> None:
        self._path = path
        self._cursor = cursor
        self._fd = -1
        self._file: _File | None = None
        self._offset = 0
        self._skipping = False
        self._seen_size = -1
        self._idle_size = -1
        self._name = str(path)
        self.notes = Notes()
        self.problem: str | None = None
        """Why a findings file that is there cannot be read; None when none is refused."""

    @property
    def file(self) -> str:
        return str((self._file or _File(self._path, 0, 0)).path)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def pieces(self) -> list[Piece]:
        """The next pieces in order, [] when there is nothing new. Goes on to the next file by itself."""
        if self._fd < 0 and not self._locate():
            return []
        if self._is_idle():
            return []
        if self._was_replaced() and not self._locate():
            return []
        while True:
            size = os.fstat(self._fd).st_size
            found = self._read()
            if found:
                return found
            following = self._following()
            if following is None:
                self._idle_size = size
                return []
            # The writer may have added a line between our read and its rotation.
            found = self._read()
            if found:
                os.close(following[1])
                return found
            self._leave(following)

    def _is_idle(self) -> bool:
        """The cheap answer, fifty times a second: the newest file, as long as when there was nothing in it."""
        file = self._file
        if file is None or os.fstat(self._fd).st_size != self._idle_size:
            return False
        try:
            status = os.stat(self._name)  # noqa: PTH116 - a Path costs more than the call
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == (file.device, file.inode)

    def advance(self, last: Piece) -> None:
        self._offset = last.end
        self._skipping = last.skipping

    def cursor_after(self, last: Piece | None) -> Cursor | None:
        """The cursor to commit with everything up to `last` (None: the present place)."""
        if self._file is None:
            return None
        offset = last.end if last else self._offset
        first = os.pread(self._fd, min(offset, SIGNATURE_BYTES), 0)
        return Cursor(
            file=str(self._file.path),
            device=self._file.device,
            inode=self._file.inode,
            offset=offset,
            signature=first.hex(),
            signed=len(first),
            skipping=last.skipping if last else self._skipping,
        )

    def _read(self) -> list[Piece]:
        base, data = self._offset, os.pread(self._fd, CHUNK_BYTES, self._offset)
        skipping, at, found = self._skipping, 0, []
        while (newline := data.find(b"\n", at)) >= 0:
            line = None if skipping else data[at:newline]
            found.append(Piece(start=base + at, end=base + newline + 1, line=line))
            skipping, at = False, newline + 1
        rest = len(data) - at
        if rest and skipping:
            found.append(Piece(start=base + at, end=base + len(data), skipping=True))
        elif rest > MAX_LINE_BYTES:
            found.append(Piece(start=base + at, end=base + len(data), reason=TOO_LONG, skipping=True))
        return found

    def _was_replaced(self) -> bool:
        """Cut shorter than what we read, or other first bytes under the same inode."""
        size = os.fstat(self._fd).st_size
        if size < self._offset:
            return True
        if size == self._seen_size:
            return False
        self._seen_size = size
        before = self._cursor
        return before is not None and not _signature_fits(self._fd, before)

    def remember(self, cursor: Cursor | None) -> None:
        """The cursor that was committed last: what _was_replaced and _locate compare with."""
        self._cursor = cursor

    def _locate(self) -> bool:
        """Open the file that the cursor names, or a copy of it, or the best place to start over."""
        files = self._scan()
        if not files:
            return False
        held = self._fd >= 0
        cursor = self._cursor
        if cursor is None:
            return self._open(files[0], 0, False)
        same = [f for f in files if (f.device, f.inode) == (cursor.device, cursor.inode)]
        for file in [*same, *(f for f in files if f not in same and cursor.signed)]:
            if self._open(file, cursor.offset, cursor.skipping):
                fits = _signature_fits(self._fd, cursor)
                if fits and os.fstat(self._fd).st_size >= cursor.offset:
                    return True
        if same:
            self.notes.restarts += 1
        else:
            self.notes.missed_files += 1
        self._cursor = None
        # An inode that we held open is the same file, cut or written over. After a restart it may have
        # been given to a new file: then only the oldest file is sure to skip nothing (what is stored already
        # is not stored twice).
        return self._open(same[0] if same and held else files[0], 0, False)

    def _open(self, file: _File, offset: int, skipping: bool) -> bool:
        fd = self._open_checked(file)
        if fd < 0:
            return False
        self.close()
        self._fd, self._file, self._offset, self._skipping = fd, file, offset, skipping
        self._seen_size = self._idle_size = -1
        return True

    def _leave(self, following: tuple[_File, int]) -> None:
        """Go on with the next file; a line without its end can no longer be finished."""
        rest = os.fstat(self._fd).st_size - self._offset
        if rest > 0 and not self._skipping:
            self.notes.bad.append((self.file, self._offset, "the rotated file ends inside this line"))
        self.close()
        self._file, self._fd = following
        self._offset, self._skipping = 0, False
        self._seen_size = self._idle_size = -1
        self._cursor = None

    def _following(self) -> tuple[_File, int] | None:
        """The next newer file, opened; None when the current one is the newest."""
        for _ in range(5):
            files = self._scan()
            here = self._file
            place = [
                n for n, f in enumerate(files) if here and (f.device, f.inode) == (here.device, here.inode)
            ]
            if not files or (place and place[0] == len(files) - 1):
                return None
            following = files[place[0] + 1] if place else files[0]
            fd = self._open_checked(following)
            if fd >= 0:
                if not place:
                    self.notes.missed_files += 1
                return following, fd
        return None

    def _open_checked(self, file: _File) -> int:
        """A descriptor of exactly this inode, or -1 when the name means another file by now or is refused."""
        try:
            fd = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        except FileNotFoundError:
            return -1
        except OSError as error:
            self.problem = f"{file.path}: {error.strerror}"
            return -1
        self.problem = None
        status = os.fstat(fd)
        if (status.st_dev, status.st_ino) != (file.device, file.inode):
            os.close(fd)
            return -1
        return fd

    def _scan(self) -> list[_File]:
        """Oldest first; repeated until two looks agree, so that a rotation in between cannot hide a file."""
        before = self._look()
        for _ in range(5):
            after = self._look()
            if after == before:
                break
            before = after
        return before

    def _look(self) -> list[_File]:
        numbered = []
        prefix = self._path.name + "."
        try:
            names = os.listdir(self._path.parent)  # noqa: PTH208 - names only, ten times a second
        except OSError:
            return []
        for name in names:
            number = name.removeprefix(prefix)
            if name == self._path.name:
                numbered.append((0, self._path))
            elif number != name and number.isascii() and number.isdigit():
                numbered.append((int(number), self._path.with_name(name)))
        files = []
        for _, path in sorted(numbered, reverse=True):
            try:
                status = path.stat()
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode):
                files.append(_File(path, status.st_dev, status.st_ino))
        return files


def _signature_fits(fd: int, cursor: Cursor) -> bool:
    return os.pread(fd, cursor.signed, 0).hex() == cursor.signature

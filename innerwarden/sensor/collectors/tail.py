# SPDX-License-Identifier: Apache-2.0
"""Follow a growing text file to the byte: rotation, truncation, copytruncate, replaced links, restarts.

A file is known by device and inode, a place in it by the bytes before the offset (`Place.signature`). A
line is handed over once, with its newline; a line that is not finished stays in the file.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from innerwarden.sensor.collectors.tail_file import OpenFile, Place, open_rotated

CHUNK_BYTES = 256 << 10
#: As long as the parser accepts; the rest of a longer line is skipped.
LINE_MAX_BYTES = 64 << 10
#: How long a renamed file is still read: a log daemon writes to it until it is told to reopen.
LINGER_S = 30.0
MAX_LINGERING = 4
#: Bytes of one poll, so that a backlog does not hold up the kernel rings.
POLL_BYTES = 4 << 20
#: What logrotate names a former file; others beside the log are none of ours.
ROTATED = re.compile(r"(\.\d{1,4}|-\d{8}(-?\d+)?)$")


class Cursor(msgspec.Struct, frozen=True):
    """Every file that was still read, oldest first; the last is the one that bears the name."""

    path: str
    places: tuple[Place, ...]


class TailStats(msgspec.Struct):
    """What a person may want to know about the file's history."""

    bytes: int = 0
    too_long: int = 0
    rotations: int = 0
    truncations: int = 0
    gaps: int = 0
    """Places where lines may be missing: the file of the cursor, or its copy, was not found."""


class Tail:
    """`from_start`: where to begin without a cursor in a file that exists; a file that appears later is
    always read from its start."""

    def __init__(
        self,
        path: Path,
        cursor: Cursor | None = None,
        *,
        from_start: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self.stats = TailStats()
        self.absent = ""
        self._monotonic = monotonic
        self._file: OpenFile | None = None
        self._lingering: list[OpenFile] = []
        self._resumed_at = 0
        self._begin(cursor if cursor and cursor.path == str(path) else None, from_start)

    def _begin(self, cursor: Cursor | None, from_start: bool) -> None:
        current = self._file = self._open()
        if cursor is None:
            if current is not None and not from_start:
                self._to_end(current)
            return
        for number, place in enumerate(cursor.places):
            here = self._file
            is_last = number == len(cursor.places) - 1
            if (
                here is not None
                and is_last
                and here.identity == (place.device, place.inode)
                and here.fits(place)
            ):
                self._file = OpenFile(here.fd, place.offset, place.skipping)
                self._resumed_at = place.offset
            elif (older := self._continuation(place)) is not None:
                self._linger(older)
            elif place.offset:
                self.stats.gaps += 1
        if cursor.places and self._lingering:
            self._add_between()

    def _add_between(self) -> None:
        """Rotated files that are newer than the newest one of the cursor, from their start."""
        newest = os.fstat(self._lingering[-1].fd).st_mtime_ns
        known = {f.identity for f in [*self._lingering, self._file] if f is not None}
        between = []
        for path in self._rotated():
            if (file := open_rotated(path)) is None:
                continue
            modified = os.fstat(file.fd).st_mtime_ns
            if file.identity in known or modified <= newest:
                file.close()
            else:
                between.append((modified, file))
        for _, file in sorted(between, key=lambda pair: pair[0]):
            self._linger(file)

    def _to_end(self, file: OpenFile) -> None:
        """Behind the last whole line; a line that is being written is read when it is finished."""
        size = os.fstat(file.fd).st_size
        start = max(0, size - LINE_MAX_BYTES)
        newline = os.pread(file.fd, size - start, start).rfind(b"\n")
        offset = start + newline + 1 if newline >= 0 else (0 if start == 0 else size)
        self._file = OpenFile(file.fd, offset, skipping=newline < 0 and start > 0)

    def _open(self) -> OpenFile | None:
        """The file behind the path, or None with the reason in `absent`."""
        fd = -1
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
            if stat.S_ISREG(os.fstat(fd).st_mode):
                self.absent = ""
                return OpenFile(fd)
            self.absent = f"{self.path} is not a regular file"
        except FileNotFoundError:
            self.absent = f"{self.path} does not exist; it is read as soon as it appears"
        except PermissionError:
            self.absent = (
                f"{self.path} may not be read by uid {os.geteuid()}; run as root or in the group adm"
            )
        except OSError as error:
            self.absent = f"{self.path}: {error.strerror}"
        if fd >= 0:
            os.close(fd)
        return None

    def _rotated(self) -> list[Path]:
        """Former files of this log, uncompressed, by name."""
        try:
            beside = sorted(self.path.parent.iterdir())
        except OSError:
            return []
        length = len(self.path.name)
        return [p for p in beside if p.name.startswith(self.path.name) and ROTATED.match(p.name[length:])]

    def _continuation(self, place: Place) -> OpenFile | None:
        """The rotated file, or the copy, that holds that place."""
        for path in self._rotated():
            if (file := open_rotated(path)) is None:
                continue
            same = file.identity == (place.device, place.inode)
            if (same or place.offset) and file.fits(place):
                return OpenFile(file.fd, place.offset, place.skipping)
            file.close()
        return None

    def _linger(self, file: OpenFile) -> None:
        file.expires = self._monotonic() + LINGER_S
        self._lingering.append(file)
        if len(self._lingering) > MAX_LINGERING:
            self.stats.gaps += 1
            self._lingering.pop(0).close()

    def before(self, limit: int) -> Iterator[bytes]:
        """Whole lines of the present file before the place where a restart went on, at most `limit` bytes.

        Nothing moves: they were handed over before the restart, and are given again only so that who counts
        can bring its windows to where they were. Empty after the first `chunks`.
        """
        file, end, self._resumed_at = self._file, self._resumed_at, 0
        if file is None or not end:
            return
        offset = max(0, end - limit)
        skipping = offset > 0
        while offset < end:
            data = os.pread(file.fd, min(CHUNK_BYTES, end - offset), offset)
            start = data.find(b"\n") + 1 if skipping else 0
            stop = data.rfind(b"\n") + 1
            if not stop:
                return
            if stop > start:
                yield data[start:stop]
            offset, skipping = offset + stop, False

    def chunks(self) -> Iterator[bytes]:
        """Whole lines, oldest first, at most POLL_BYTES; every chunk ends in a newline."""
        budget, self._resumed_at = POLL_BYTES, 0
        self._follow_name()
        for file in [*self._lingering, self._file]:
            if file is None:
                continue
            if file.was_replaced():
                yield from self._recover(file)
            while budget > 0:
                data, size = self._read(file)
                if not size:
                    break
                budget -= size
                self.stats.bytes += len(data)
                if data:
                    yield data
        yield from self._expire()

    def _follow_name(self) -> None:
        """Notice that the name means another file by now."""
        try:
            status = self.path.stat()
        except OSError:
            # Renamed and not yet created again: the daemon may still write to what is open.
            if self._file is None:
                self._open()
            return
        if self._file is not None and self._file.identity == (status.st_dev, status.st_ino):
            return
        following = self._open()
        if following is None:
            return
        if self._file is not None:
            self.stats.rotations += 1
            self._linger(self._file)
        self._file = following

    def _recover(self, file: OpenFile) -> Iterator[bytes]:
        """The same inode holds other text: what copytruncate moved away first, then from the start."""
        self.stats.truncations += 1
        copy = self._continuation(file.place())
        file.restart()
        if copy is None:
            return
        while True:
            data, size = self._read(copy)
            if not size:
                break
            self.stats.bytes += len(data)
            if data:
                yield data
        if rest := self._rest(copy):
            yield rest
        copy.close()

    def _read(self, file: OpenFile) -> tuple[bytes, int]:
        """Whole lines and the bytes that were consumed for them (more when a long line was skipped)."""
        data = os.pread(file.fd, CHUNK_BYTES, file.offset)
        if not data:
            return b"", 0
        skipped = 0
        if file.skipping:
            newline = data.find(b"\n")
            skipped = newline + 1 if newline >= 0 else len(data)
            file.advance(file.offset + skipped, data[:skipped], newline < 0)
            if newline < 0:
                return b"", skipped
            data = data[skipped:]
        end = data.rfind(b"\n") + 1
        if end == 0 and len(data) > LINE_MAX_BYTES:
            self.stats.too_long += 1
            file.advance(file.offset + len(data), data, True)
            return b"", skipped + len(data)
        if end:
            file.advance(file.offset + end, data[:end], False)
        return data[:end], skipped + end

    def _rest(self, file: OpenFile) -> bytes:
        """The last line of a file that nobody will finish, given the newline that it lacks."""
        rest = b"" if file.skipping else os.pread(file.fd, LINE_MAX_BYTES, file.offset)
        return rest + b"\n" if rest else b""

    def _expire(self) -> Iterator[bytes]:
        now = self._monotonic()
        for file in [f for f in self._lingering if f.expires <= now]:
            if os.fstat(file.fd).st_size - file.offset > LINE_MAX_BYTES:
                continue
            self._lingering.remove(file)
            if rest := self._rest(file):
                yield rest
            file.close()

    def cursor(self) -> Cursor | None:
        """None before a file was there."""
        open_files = [f for f in [*self._lingering, self._file] if f is not None]
        return Cursor(str(self.path), tuple(f.place() for f in open_files)) if open_files else None

    def close(self) -> None:
        for file in [*self._lingering, self._file]:
            if file is not None:
                file.close()
        self._lingering.clear()
        self._file = None

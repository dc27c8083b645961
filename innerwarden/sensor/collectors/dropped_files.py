# SPDX-License-Identifier: Apache-2.0
"""Files that are dropped into a directory whole and never change, each read once, over restarts too.

A file is known by its name, size and modification time. Those that are there at the very first start are not read:
`innerwarden replay` is for what lies there already. One that is still being written is read when two looks agree.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import stat
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

RESCAN_S = 5.0
#: Directory entries of one look; what lies beyond them waits until others are gone.
ENTRIES_MAX = 20_000
STEP_ENTRIES = 256
DEPTH_MAX = 12
#: Files that are remembered one by one; older ones count as read.
KNOWN_MAX = 4096
REFUSED_MAX = 16
BLOCK_BYTES = 256 << 10
SUFFIXES = (".json", ".json.gz")


class Cursor(msgspec.Struct, frozen=True):
    """`known`: digests of read files with their modification times; files not newer than `floor_ns` count as read."""

    known: tuple[tuple[str, int], ...]
    floor_ns: int = 0


class Found(msgspec.Struct, frozen=True):
    path: Path
    size: int
    modified_ns: int

    @property
    def digest(self) -> str:
        """Of what a file is known by."""
        text = f"{self.path}\0{self.size}\0{self.modified_ns}"
        return hashlib.blake2b(os.fsencode(text), digest_size=8).hexdigest()


class DroppedFiles:
    """`next_file` gives the bytes of one new file at a time; each of its steps is short."""

    def __init__(
        self,
        directories: Sequence[str],
        cursor: Cursor | None,
        *,
        file_bytes: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.refused: OrderedDict[str, str] = OrderedDict()
        """File -> why it was not read, with the way out; the last few."""
        self.refused_count = self.read_count = self.left_out = 0
        self._directories = [Path(name) for name in directories]
        self._file_bytes = file_bytes
        self._monotonic = monotonic
        self._is_new = cursor is None
        self._floor_ns = cursor.floor_ns if cursor else 0
        self._known: OrderedDict[str, int] = OrderedDict(cursor.known if cursor else ())
        self._last: dict[Path, Found] = {}
        self._ready: list[Found] = []
        self._next_look = monotonic()
        self._looking: Iterator[None] | None = None
        self._opening = False

    @property
    def here(self) -> bool:
        return any(directory.is_dir() for directory in self._directories)

    def steps(self) -> Iterator[tuple[Path, bytes] | None]:
        """For ever: None after a short step, or a file with its unpacked bytes."""
        while True:
            if self._ready:
                self._opening = True
                yield from self._open(self._ready.pop(0))
                self._opening = False
            elif self._looking is not None:
                if next(self._looking, self._looking) is self._looking:
                    self._looking = None
                yield None
            else:
                if self._monotonic() >= self._next_look:
                    self._next_look = self._monotonic() + RESCAN_S
                    self._looking = self._look()
                yield None

    @property
    def idle(self) -> bool:
        """Nothing to do before the next look."""
        waits = not self._ready and self._looking is None and not self._opening
        return waits and self._monotonic() < self._next_look

    def _look(self) -> Iterator[None]:
        """One look at the directories; files that did not change since the last one are ready, oldest first."""
        seen: dict[Path, Found] = {}
        for found in self._walk():
            if found is None:
                yield None
                continue
            if found.modified_ns <= self._floor_ns or found.digest in self._known:
                continue
            seen[found.path] = found
        if self._is_new:
            for found in sorted(seen.values(), key=lambda f: f.modified_ns):
                self._remember(found)
            self._is_new = False
            return
        ready = [found for path, found in seen.items() if self._last.get(path) == found]
        self._last = seen
        self._ready = sorted(ready, key=lambda found: (found.modified_ns, found.path))

    def _walk(self) -> Iterator[Found | None]:
        waiting = [(directory, 0) for directory in self._directories]
        count = 0
        while waiting:
            directory, depth = waiting.pop()
            try:
                entries = os.scandir(directory)
            except OSError:
                continue
            with entries:
                for entry in entries:
                    count += 1
                    if count > ENTRIES_MAX:
                        self.left_out += 1
                        return
                    if count % STEP_ENTRIES == 0:
                        yield None
                    if entry.is_dir(follow_symlinks=False):
                        if depth < DEPTH_MAX:
                            waiting.append((Path(entry.path), depth + 1))
                    elif entry.name.endswith(SUFFIXES) and (found := _found(entry)) is not None:
                        yield found

    def _remember(self, found: Found) -> None:
        self._known[found.digest] = found.modified_ns
        while len(self._known) > KNOWN_MAX:
            oldest = min(self._known, key=self._known.__getitem__)
            self._floor_ns = max(self._floor_ns, self._known.pop(oldest))

    def _open(self, found: Found) -> Iterator[tuple[Path, bytes] | None]:
        self._last.pop(found.path, None)
        self._remember(found)
        try:
            data = bytearray()
            for block in _blocks(found.path):
                data += block
                if len(data) > self._file_bytes:
                    self.refuse(found.path, f"it has more than {self._file_bytes >> 20} MiB; split it")
                    return
                yield None
        except (OSError, EOFError, zlib.error) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            self.refuse(found.path, f"it cannot be read ({why}); copy it again")
            return
        self.read_count += 1
        yield found.path, bytes(data)

    def refuse(self, path: Path, why: str) -> None:
        """Note a file that is not used; it is looked at again when it changes."""
        self.refused_count += 1
        self.refused[str(path)] = why
        while len(self.refused) > REFUSED_MAX:
            self.refused.popitem(last=False)

    def cursor(self) -> Cursor | None:
        if self._is_new:
            return None
        return Cursor(tuple(self._known.items()), self._floor_ns)


def _found(entry: os.DirEntry[str]) -> Found | None:
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return Found(Path(entry.path), status.st_size, status.st_mtime_ns)


def _blocks(path: Path) -> Iterator[bytes]:
    """The file's bytes, unpacked when it is gzip by its content. Never follows a link, never waits for a pipe."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    with os.fdopen(fd, "rb") as raw:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError("not a regular file")
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        file = gzip.GzipFile(fileobj=raw) if packed else raw
        while block := file.read(BLOCK_BYTES):
            yield block

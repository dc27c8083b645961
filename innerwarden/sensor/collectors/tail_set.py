# SPDX-License-Identifier: Apache-2.0
"""Follow every file that some patterns name, each with its own tailer; files may come at any time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from innerwarden.sensor.collectors.tail import Cursor, Tail

RESCAN_S = 5.0
#: One descriptor and one stat a poll each; a server with more virtual hosts logs them into one file.
MAX_FILES = 64
#: Bytes of one poll over all files; a single file's own bound is the tailer's.
POLL_BYTES = 4 << 20


class Cursors(msgspec.Struct, frozen=True):
    """The cursor of every file, in no order that matters."""

    files: tuple[Cursor, ...]


class TailSet:
    """A pattern is an absolute path whose last component may have `*`, `?` and `[...]`.

    Files that are there at the first look begin at their cursor, or at their end; later ones at their start.
    Two names of one file (a link beside it) are read once.
    """

    def __init__(
        self,
        patterns: Sequence[str],
        cursors: Cursors | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tails: list[Tail] = []
        self.left_out = 0
        """Files beyond MAX_FILES."""
        self._patterns = [Path(pattern) for pattern in patterns]
        self._monotonic = monotonic
        self._turn = 0
        known = {cursor.path: cursor for cursor in cursors.files} if cursors else {}
        self._known: dict[str, Cursor] = known
        self._look(first=True)

    @property
    def here(self) -> bool:
        """Whether this machine has a directory for such logs at all."""
        return bool(self.tails) or any(pattern.parent.is_dir() for pattern in self._patterns)

    def absent(self) -> str:
        """Why there is nothing to read, with the way out; empty when there is a file."""
        reasons = [tail.absent for tail in self.tails if tail.absent]
        if self.tails and len(reasons) < len(self.tails):
            return ""
        if reasons:
            return reasons[0]
        names = ", ".join(map(str, self._patterns))
        return f"no file matches {names}; one is read as soon as it appears"

    def _look(self, *, first: bool = False) -> None:
        self._next_look = self._monotonic() + RESCAN_S
        self.left_out = 0
        paths = {tail.path for tail in self.tails}
        identities = {_identity(path) for path in paths}
        for path in self._matching():
            identity = _identity(path)
            if path in paths or identity is None or identity in identities:
                continue
            if len(self.tails) >= MAX_FILES:
                self.left_out += 1
                continue
            identities.add(identity)
            cursor = self._known.get(str(path))
            self.tails.append(Tail(path, cursor, from_start=not first, monotonic=self._monotonic))

    def _matching(self) -> Iterator[Path]:
        for pattern in self._patterns:
            try:
                names = sorted(entry.name for entry in os.scandir(pattern.parent))
            except OSError:
                continue
            yield from (pattern.parent / name for name in names if fnmatchcase(name, pattern.name))

    def before(self, limit: int) -> Iterator[bytes]:
        """What led up to the places of a restart, see Tail.before; of all files together at most `limit`."""
        for tail in self.tails:
            yield from tail.before(limit // len(self.tails))

    def chunks(self) -> Iterator[bytes]:
        """Whole lines; a file that was not reached within POLL_BYTES comes first the next time."""
        if self._monotonic() >= self._next_look:
            self._look()
        taken = 0
        for _ in range(len(self.tails)):
            tail = self.tails[self._turn % len(self.tails)]
            self._turn += 1
            for chunk in tail.chunks():
                taken += len(chunk)
                yield chunk
            if taken >= POLL_BYTES:
                return

    def stat(self, name: str) -> int:
        """Sum of one of TailStats' counters."""
        return sum(getattr(tail.stats, name) for tail in self.tails)

    def cursor(self) -> Cursors | None:
        cursors = [cursor for tail in self.tails if (cursor := tail.cursor()) is not None]
        return Cursors(tuple(cursors)) if cursors else None

    def close(self) -> None:
        for tail in self.tails:
            tail.close()
        self.tails.clear()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino

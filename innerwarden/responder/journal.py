# SPDX-License-Identifier: Apache-2.0
"""The journal: one JSON line a change, on the disk before anything else happens; the last line of a request counts.

What it says is in effect is in effect, or is made so, or is undone: nothing else remembers.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec

from innerwarden.clock import NS
from innerwarden.errors import InnerWardenError
from innerwarden.files import replace_whole, sync_directory
from innerwarden.model.responder import MAX_TTL_S
from innerwarden.model.verb import AnyVerb
from innerwarden.responder.moments import Begin, Clock
from innerwarden.unreadable import UNREADABLE

logger = logging.getLogger(__name__)

FILE_MODE = 0o600
#: What has ended is remembered so long, and so much of it, for requests that come again.
REMEMBER_S = MAX_TTL_S
REMEMBER = 20_000
#: After so many lines the file is written anew, without what is over.
SLACK_LINES = 2000
HOUR_NS = 3600 * NS

#: `doing` and `undoing` stand before an action, the others after it.
EntryState = Literal["doing", "active", "undoing", "undone", "done", "failed", "lost"]
LIVE: tuple[EntryState, ...] = ("doing", "active", "undoing")


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that is known of one request. `number` grows with each; `uid` asked; `why` is what ended it."""

    number: int
    request_id: str
    verb: AnyVerb
    ttl_s: int
    uid: int
    asked: Begin
    since: Begin
    """From when `ttl_s` counts."""
    state: EntryState
    handle: str = ""
    why: str = ""
    detail: str = ""
    ended: Begin | None = None

    @property
    def live(self) -> bool:
        return self.state in LIVE


class JournalError(InnerWardenError):
    """The journal cannot be read or written; nothing may be done that it cannot hold."""


_DECODER = msgspec.json.Decoder(Entry)
_ENCODER = msgspec.json.Encoder()


class Journal:
    """One process holds it. A torn last line never happened; other lines that cannot be read are put aside with the
    file they stood in, counted, and the rest is taken."""

    def __init__(self, path: Path, at: Clock) -> None:
        self._path = path
        self._at = at
        self._fd = -1
        self._good_bytes = 0
        self._lines = self._kept_lines = 0
        self._torn = False
        self._entries: dict[str, Entry] = {}
        self._live: dict[str, Entry] = {}
        self._last_number = 0
        self.damaged_lines = 0
        self.problem = ""
        """Why the last write failed; empty when it went well."""
        self._lock_fd = self._lock()
        try:
            self._open(self._load())
        except BaseException:
            self.close()
            raise
        if self._lines > len(self._live):
            self._compact()

    def close(self) -> None:
        for fd in (self._fd, self._lock_fd):
            if fd >= 0:
                os.close(fd)
        self._fd = self._lock_fd = -1

    def get(self, request_id: str) -> Entry | None:
        return self._entries.get(request_id)

    def live(self) -> list[Entry]:
        """In order of their numbers."""
        return sorted(self._live.values(), key=lambda entry: entry.number)

    def next_number(self) -> int:
        return self._last_number + 1

    def begun_last_hour(self) -> int:
        """Requests that began an action in the last 3600 s, whatever became of them."""
        return sum(entry.asked.age_ns(self._at) < HOUR_NS for entry in self._entries.values())

    def write(self, entry: Entry) -> None:
        """On the disk when it returns. Raises JournalError, and then the file holds what it held."""
        line = _ENCODER.encode(entry) + b"\n"
        try:
            self._append(line)
        except OSError as error:
            self.problem = f"{self._path} cannot be written: {error.strerror}"
            raise JournalError(self.problem, "Free some space on its disk, or check its mount") from error
        self.problem = ""
        self._take(entry)
        self._lines += 1
        if self._lines > self._kept_lines + SLACK_LINES:
            self._compact()

    def remember(self, entry: Entry) -> None:
        """Take an entry without the disk: for what has already happened and could not be written."""
        self._take(entry)

    def _append(self, line: bytes) -> None:
        if self._torn:
            self._cut()
        self._torn = True
        try:
            written = 0
            while written < len(line):
                written += os.write(self._fd, line[written:])
            os.fsync(self._fd)
        except OSError:
            with suppress(OSError):  # else before the next line
                self._cut()
            raise
        self._torn = False
        self._good_bytes += len(line)

    def _cut(self) -> None:
        """Remove what a failed write left."""
        os.ftruncate(self._fd, self._good_bytes)
        os.fsync(self._fd)
        self._torn = False

    def _take(self, entry: Entry) -> None:
        self._entries[entry.request_id] = entry
        self._last_number = max(self._last_number, entry.number)
        if entry.live:
            self._live[entry.request_id] = entry
        else:
            self._live.pop(entry.request_id, None)

    def _lock(self) -> int:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(
                self._path.with_suffix(".lock"),
                os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW,
                FILE_MODE,
            )
        except OSError as error:
            raise JournalError(
                f"{self._path.parent} cannot be used: {error.strerror}", "Run as root"
            ) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            raise JournalError(f"another responder uses {self._path.parent}", "Stop it first") from error
        return fd

    def _load(self) -> int:
        """Take what is there; returns where its last whole line ends."""
        for left in self._path.parent.glob(f".{self._path.name}.*"):
            left.unlink()  # of a replacement that was interrupted
        try:
            content = self._path.read_bytes() if self._path.exists() else b""
        except OSError as error:
            raise JournalError(f"{self._path} cannot be read: {error.strerror}", "Check the disk") from error
        whole, newline, torn = content.rpartition(b"\n")
        if torn:
            logger.warning("journal ended inside a line, which never happened bytes=%d", len(torn))
        for line in whole.split(b"\n") if newline else ():
            try:
                self._take(_DECODER.decode(line))
            except UNREADABLE as error:
                self.damaged_lines += 1
                logger.error("journal has a line that cannot be read path=%s error=%s", self._path, error)
        if self.damaged_lines:
            aside = self._path.with_name(f"{self._path.name}.damaged-{time.time_ns()}")
            os.link(self._path, aside)
            logger.error("journal was damaged, a copy is kept path=%s", aside)
        self._lines = content.count(b"\n")
        return len(content) - len(torn)

    def _open(self, good_bytes: int) -> None:
        try:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._fd = os.open(self._path, flags, FILE_MODE)
            self._good_bytes = good_bytes
            self._cut()
            sync_directory(self._path.parent)
            sync_directory(self._path.parent.parent)
        except OSError as error:
            raise JournalError(
                f"{self._path} cannot be written: {error.strerror}", "Check the disk"
            ) from error

    def _kept(self) -> Iterator[Entry]:
        """Live entries, and ended ones that may still be asked about."""
        ended = [entry for entry in self._entries.values() if not entry.live]
        ended = [
            entry
            for entry in ended
            if (entry.ended or entry.asked).age_ns(self._at) < REMEMBER_S * NS
            or entry.asked.age_ns(self._at) < HOUR_NS
        ]
        ended.sort(key=lambda entry: entry.number)
        yield from ended[-REMEMBER:]
        yield from self.live()

    def _compact(self) -> None:
        """Write the file anew with what counts. Where that fails, the old one goes on."""
        kept = sorted(self._kept(), key=lambda entry: entry.number)
        content = b"".join(_ENCODER.encode(entry) + b"\n" for entry in kept)
        try:
            replace_whole(self._path, content, FILE_MODE)
        except OSError as error:
            logger.warning("journal was not compacted, it goes on as it is error=%s", error)
            self._kept_lines = self._lines
            return
        os.close(self._fd)
        self._fd = -1
        self._open(len(content))
        self._lines = self._kept_lines = len(kept)
        self._entries = {entry.request_id: entry for entry in kept}

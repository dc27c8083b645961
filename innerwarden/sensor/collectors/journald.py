# SPDX-License-Identifier: Apache-2.0
"""systemd's journal, through a `journalctl --follow --output=json` child of our own.

The journal's files have no stable format for others to read; journalctl is the interface that systemd
promises (journalctl(1), systemd.journal-fields(7)).
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from innerwarden_core import Engine, Hit

from innerwarden.log import safe
from innerwarden.model.health import CollectorHealth
from innerwarden.sensor.collectors.base import SOURCE_JOURNALD, Context, auth_parser, decode_cursor
from innerwarden.sensor.collectors.journal_entry import FIELDS, decode_entry

logger = logging.getLogger(__name__)

ID = "journald"
DIRECTORIES = (Path("/var/log/journal"), Path("/run/log/journal"))
READ_BYTES = 256 << 10
POLL_BYTES = 4 << 20
#: Longer entries (a MESSAGE of up to 48 MiB is possible) are skipped and counted.
ENTRY_MAX_BYTES = 512 << 10
BACKOFF_S = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
END_S = 2.0


class Cursor(msgspec.Struct, frozen=True):
    """journald's own cursor of the last entry that was run through the engine."""

    cursor: str


class Journal:
    """`directory`: read these journal files instead of the system's, from their first entry."""

    id = ID

    def __init__(
        self,
        identifiers: Sequence[str],
        context: Context,
        *,
        directory: Path | None = None,
        program: str = "journalctl",
    ) -> None:
        self._identifiers = tuple(identifiers)
        self._directory = directory
        self._program = program
        self._monotonic: Callable[[], float] = context.monotonic
        self._clock = auth_parser(SOURCE_JOURNALD, context, second=True)
        saved = decode_cursor(context.cursor, Cursor)
        self._cursor = saved.cursor if saved else None
        self._began_s = int(time.time())
        self._child: subprocess.Popen[bytes] | None = None
        self._fd = -1
        self._buffer = bytearray()
        self._skipping = False
        self._failures = 0
        self._next_start = 0.0
        self._absent = ""
        self._entries = self.malformed = self.too_long = self.restarts = 0

    def warm_up(self, engine: Engine) -> None:
        """Nothing: the journal is read from its cursor on."""

    def poll(self, engine: Engine) -> list[Hit]:
        if self._child is None and not self._start():
            return []
        entries = self._read()
        records = []
        parser = self._clock.refresh()
        for line in entries:
            entry = decode_entry(line)
            if entry is None:
                self.malformed += 1
                continue
            self._entries += 1
            self._cursor = entry.cursor or self._cursor
            record = parser.parse_message(entry.ts_ns, entry.host, entry.program, entry.pid, entry.message)
            if record is not None:
                records.append(record)
        return engine.feed(b"".join(records)) if records else []

    def _start(self) -> bool:
        """Start the child when there is a journal and the back-off is over."""
        if self._monotonic() < self._next_start:
            return False
        self._absent = self._obstacle()
        if self._absent:
            self._next_start = self._monotonic() + BACKOFF_S[-1]
            return False
        try:
            child = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "SYSTEMD_COLORS": "0"},
                close_fds=True,
            )
        except OSError as error:
            self._absent = f"{self._program} cannot be started: {error.strerror}"
            self._later()
            return False
        self._child = child
        for pipe in (child.stdout, child.stderr):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
        self._fd = child.stdout.fileno() if child.stdout else -1
        self._buffer.clear()
        self._skipping = False
        return True

    def _obstacle(self) -> str:
        """Why there is nothing to follow, with the way out; empty when there is."""
        if shutil.which(self._program) is None:
            return f"{self._program} is not installed; without systemd the log file alone is read"
        directories = (self._directory,) if self._directory else DIRECTORIES
        if not any(next(d.glob("**/*.journal"), None) for d in directories if d.is_dir()):
            return "no journal files; start systemd-journald, or read the log file (collectors.auth_log)"
        return ""

    def command(self) -> list[str]:
        """The child's argv. setpriv ends it with us, even when we are killed."""
        words = [
            self._program,
            "--follow",
            "--output=json",
            f"--output-fields={FIELDS}",
            "--no-pager",
            "--quiet",
        ]
        if self._directory is not None:
            words.append(f"--directory={self._directory}")
        if self._cursor:
            words += ["--lines=all", f"--after-cursor={self._cursor}"]
        else:
            words.append("--lines=all")
            if self._directory is None:
                words.append(f"--since=@{self._began_s}")
        words += [f"--identifier={name}" for name in self._identifiers]
        return ["setpriv", "--pdeathsig", "TERM", "--", *words] if shutil.which("setpriv") else words

    def _read(self) -> list[bytes]:
        """Whole lines that wait in the pipe."""
        budget = POLL_BYTES
        ended = False
        while budget > 0:
            try:
                data = os.read(self._fd, READ_BYTES)
            except BlockingIOError:
                break
            if not data:
                ended = True
                break
            budget -= len(data)
            self._buffer += data
        lines = self._lines()
        if ended:
            self._ended()
        elif lines:
            self._failures = 0
        return lines

    def _lines(self) -> list[bytes]:
        end = self._buffer.rfind(b"\n") + 1
        lines = bytes(self._buffer[:end]).split(b"\n")[:-1] if end else []
        del self._buffer[:end]
        if self._skipping and lines:
            lines, self._skipping = lines[1:], False
        if len(self._buffer) > ENTRY_MAX_BYTES:
            self._buffer.clear()
            if not self._skipping:
                self.too_long += 1
            self._skipping = True
        return lines

    def _ended(self) -> None:
        """The child is gone: say why, try again later, without its cursor when that was refused."""
        said = b""
        if self._child is not None and self._child.stderr is not None:
            said = self._child.stderr.read(4096) or b""
        status = self._reap()
        self.restarts += 1
        self._absent = f"{self._program} ended with status {status}: {safe(said.strip()) or 'no message'}"
        logger.warning("journalctl ended status=%s message=%s", status, safe(said.strip()))
        if b"cursor" in said:
            self._cursor = None
        self._later()

    def _later(self) -> None:
        self._next_start = self._monotonic() + BACKOFF_S[min(self._failures, len(BACKOFF_S) - 1)]
        self._failures += 1

    def _reap(self) -> int | None:
        """End the child that is ours, by its handle, and release the pipes."""
        child = self._child
        if child is None:
            return None
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(END_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait(END_S)
        for pipe in (child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()
        self._child, self._fd = None, -1
        return child.returncode

    def health(self) -> CollectorHealth:
        stats = self._clock.parser.stats()
        if self._child is None:
            state, reason = "absent", self._absent or "not started yet"
        elif self._entries:
            state, reason = "working", ""
        else:
            state, reason = "unconfirmed", "following the journal; no entry of the identifiers yet"
        return CollectorHealth(
            id=self.id,
            state=state,
            reason=reason,
            lines=self._entries,
            matched=stats["matched"],
            malformed=self.malformed,
            lost=self.too_long + stats["too_long"],
        )

    def cursor(self) -> Cursor | None:
        return Cursor(self._cursor) if self._cursor else None

    def close(self) -> None:
        self._reap()


def create(context: Context) -> Journal | None:
    config = context.config.journald
    return Journal(config.identifiers, context) if config.enabled else None

# SPDX-License-Identifier: Apache-2.0
"""systemd's journal, through a `journalctl --follow --output=json` child of our own.

The journal's files have no stable format for others to read; journalctl is the interface that systemd
promises (journalctl(1), systemd.journal-fields(7)).
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from innerwarden_core import Engine, Hit

from innerwarden.model.health import CollectorHealth
from innerwarden.sensor.collectors.base import SOURCE_JOURNALD, Context, auth_parser, decode_cursor
from innerwarden.sensor.collectors.child import Child
from innerwarden.sensor.collectors.journal_entry import FIELDS, decode_entry

ID = "journald"
DIRECTORIES = (Path("/var/log/journal"), Path("/run/log/journal"))
#: Longer entries (a MESSAGE of up to 48 MiB is possible) are skipped and counted.
ENTRY_MAX_BYTES = 512 << 10


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
        self._clock = auth_parser(SOURCE_JOURNALD, context, second=True)
        saved = decode_cursor(context.cursor, Cursor)
        self._cursor = saved.cursor if saved else None
        self._began_s = int(time.time())
        self.child = Child(
            program,
            line_bytes=ENTRY_MAX_BYTES,
            environment={"SYSTEMD_COLORS": "0"},
            monotonic=context.monotonic,
        )
        self._entries = self.malformed = 0

    def warm_up(self, engine: Engine) -> None:
        """Nothing: the journal is read from its cursor on."""

    def poll(self, engine: Engine) -> list[Hit]:
        if self.child.is_due():
            self._start()
        entries = self.child.lines()
        if not self.child.runs and b"cursor" in self.child.said:
            self._cursor, self.child.said = None, b""
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

    def _start(self) -> None:
        """Start the child when there is a journal."""
        if obstacle := self._obstacle():
            self.child.postpone(obstacle)
        else:
            self.child.start(self.words())

    def _obstacle(self) -> str:
        """Why there is nothing to follow, with the way out; empty when there is."""
        if shutil.which(self.child.program) is None:
            return f"{self.child.program} is not installed; without systemd the log file alone is read"
        directories = (self._directory,) if self._directory else DIRECTORIES
        if not any(next(d.glob("**/*.journal"), None) for d in directories if d.is_dir()):
            return "no journal files; start systemd-journald, or read the log file (collectors.auth_log)"
        return ""

    def words(self) -> list[str]:
        """The child's arguments."""
        words = [
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
        return words + [f"--identifier={name}" for name in self._identifiers]

    def health(self) -> CollectorHealth:
        stats = self._clock.parser.stats()
        if not self.child.runs:
            state, reason = "absent", self.child.absent or "not started yet"
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
            lost=self.child.too_long + stats["too_long"],
        )

    def cursor(self) -> Cursor | None:
        return Cursor(self._cursor) if self._cursor else None

    def close(self) -> None:
        self.child.close()


def create(context: Context) -> Journal | None:
    config = context.config.journald
    return Journal(config.identifiers, context) if config.enabled else None

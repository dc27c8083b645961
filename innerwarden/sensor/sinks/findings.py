# SPDX-License-Identifier: Apache-2.0
"""Append findings to findings.jsonl: whole lines in one write, rotated by size, nothing lost in silence."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from innerwarden.model.finding import MAX_LINE_BYTES, Finding, IncidentFields, ProcessRef, Telemetry
from innerwarden.sensor.sinks.rotating import RotatingFile

logger = logging.getLogger(__name__)

#: Lines kept in memory while the disk refuses them; the oldest beyond it are counted as lost.
BACKLOG_LINES = 10_000
#: Whole lines that go to the disk in one write.
BATCH_BYTES = 256 << 10
#: How often the log repeats that the disk refuses.
REMIND_S = 60.0


class FindingsSink:
    """The only writer of findings.jsonl in one data directory.

    A line is at most 64 KiB: evidence details, then ancestors' arguments, are cut (and the finding
    tagged `truncated`) until it fits. When the disk is full or refuses, lines wait in a bounded
    backlog in order and are written as soon as it allows; `lost` counts what fell off.
    """

    def __init__(self, path: Path, *, max_bytes: int, keep: int) -> None:
        self.file = RotatingFile(path, max_bytes=max_bytes, keep=keep)
        self.lost = 0
        self.written = 0
        self._backlog: deque[bytes] = deque()
        self._waiting_since: float | None = None
        self._reminded = 0.0
        self._encoder = msgspec.json.Encoder()

    @property
    def backlog(self) -> int:
        return len(self._backlog)

    def write(self, findings: Sequence[Finding | Telemetry]) -> None:
        """Queue and flush; never raises for the disk's sake."""
        for finding in findings:
            if len(self._backlog) >= BACKLOG_LINES:
                self._backlog.popleft()
                self.lost += 1
            self._backlog.append(self._line(finding))
        self.flush()

    def flush(self) -> None:
        """Write what waits, many lines at once; stops at the first line that is refused and keeps the rest."""
        limit = BATCH_BYTES
        while self._backlog:
            lines = self._next(limit)
            try:
                self.file.append(b"".join(lines))
            except OSError as error:
                if len(lines) > 1:
                    limit = 0  # where a batch has no room, a line may
                    continue
                self._say_waiting(error)
                return
            for _ in lines:
                self._backlog.popleft()
            self.written += len(lines)
        if self._waiting_since is not None:
            logger.warning("findings go on after_s=%.1f", time.monotonic() - self._waiting_since)
            self._waiting_since = None

    def _say_waiting(self, error: OSError) -> None:
        """Once, and then every minute: the log may be on the same disk."""
        now = time.monotonic()
        if self._waiting_since is None or now - self._reminded >= REMIND_S:
            logger.error(
                "findings are waiting path=%s error=%s waiting=%d", self.file.path, error, len(self._backlog)
            )
            self._reminded = now
        self._waiting_since = self._waiting_since or now

    def _next(self, limit: int) -> list[bytes]:
        """The oldest lines, at least one and at most `limit` bytes of them."""
        lines: list[bytes] = []
        size = 0
        for line in self._backlog:
            size += len(line)
            if lines and size > limit:
                break
            lines.append(line)
        return lines

    def _line(self, finding: Finding | Telemetry) -> bytes:
        line = self._encoder.encode(finding) + b"\n"
        if len(line) <= MAX_LINE_BYTES or isinstance(finding, Telemetry):
            return line
        for cut in (_cut_details, _cut_argv, _cut_to_bone):
            finding = msgspec.structs.replace(finding, fields=cut(finding.fields))
            line = self._encoder.encode(finding) + b"\n"
            if len(line) <= MAX_LINE_BYTES:
                break
        return line

    def close(self) -> None:
        self.flush()
        self.lost += len(self._backlog)
        self.file.close()


def _tagged(fields: IncidentFields, **changes: Any) -> IncidentFields:
    tags = fields.tags if "truncated" in fields.tags else (*fields.tags, "truncated")
    return msgspec.structs.replace(fields, tags=tags, **changes)


def _cut_details(fields: IncidentFields) -> IncidentFields:
    """Long detail values keep their first 1,000 characters and their length."""
    evidence = []
    for item in fields.evidence:
        details = {
            key: f"{value[:1000]}... ({len(value)} characters)"
            if isinstance(value, str) and len(value) > 1000
            else value
            for key, value in item.details.items()
        }
        evidence.append(msgspec.structs.replace(item, details=details, text=item.text[:2000]))
    return _tagged(fields, evidence=tuple(evidence[:32]), summary=fields.summary[:4000])


def _cut_argv(fields: IncidentFields) -> IncidentFields:
    """Arguments of the process and its ancestors keep 200 characters each, sixteen of them."""
    if fields.process is None:
        return fields

    def short(one: ProcessRef) -> ProcessRef:
        argv = tuple(word[:200] for word in one.argv[:16])
        if argv == one.argv:
            return one
        argv = argv if len(one.argv) <= 16 else (*argv, f"... ({len(one.argv)} arguments)")
        return msgspec.structs.replace(one, argv=argv, argv_incomplete=True)

    ancestors = tuple(short(one) for one in fields.process.ancestors[:32])
    process = msgspec.structs.replace(short(fields.process), ancestors=ancestors)
    return _tagged(fields, process=process)


def _cut_to_bone(fields: IncidentFields) -> IncidentFields:
    return _tagged(
        fields,
        evidence=(),
        process=None,
        summary=fields.summary[:2000],
        title=fields.title[:500],
        entities=fields.entities[:16],
        incident_id=fields.incident_id[:1000],
    )

# SPDX-License-Identifier: Apache-2.0
"""events.jsonl: the typed event stream, optional, for capture and replay.

One object a line: `{"kind": dotted kind, "details": {field: value}, "process": {...}}`, made by the engine;
`innerwarden replay --source events` runs it through the engine again with the same result.
"""

from __future__ import annotations

import logging
from pathlib import Path

from innerwarden.sensor.sinks.rotating import RotatingFile

logger = logging.getLogger(__name__)


class EventsSink:
    """Writes what `Engine.take_stream` returns; `lost` counts lines that the disk refused."""

    def __init__(self, path: Path, *, max_bytes: int, keep: int) -> None:
        self.file = RotatingFile(path, max_bytes=max_bytes, keep=keep)
        self.lost = 0

    def write(self, lines: bytes) -> None:
        """`lines`: whole lines, or nothing. Never raises for the disk's sake."""
        if not lines:
            return
        try:
            self.file.append(lines)
        except OSError as error:
            self.lost += lines.count(b"\n")
            logger.error("events not written path=%s error=%s lost=%d", self.file.path, error, self.lost)

    def close(self) -> None:
        self.file.close()

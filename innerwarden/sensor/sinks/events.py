# SPDX-License-Identifier: Apache-2.0
"""events.jsonl: the typed event stream, optional, for capture and replay.

One object a line: `{"kind": dotted kind, "details": {field: value}}`, so that
`innerwarden replay --source events` runs it through the engine again with the same result.
"""

from __future__ import annotations

import logging
import struct
from pathlib import Path
from typing import Any

import msgspec
from innerwarden_core import Record

from innerwarden.model._wire import Flag
from innerwarden.model.wire import DOTTED
from innerwarden.sensor.sinks.rotating import RotatingFile

logger = logging.getLogger(__name__)


class EventsSink:
    """Writes what `Engine.take_captured` returns; `lost` counts records that the disk refused."""

    def __init__(self, path: Path, *, max_bytes: int, keep: int, boot_to_realtime_ns: int = 0) -> None:
        self._offset_ns = boot_to_realtime_ns
        self.file = RotatingFile(path, max_bytes=max_bytes, keep=keep)
        self.lost = 0
        self._encoder = msgspec.json.Encoder()

    def write(self, records: bytes) -> None:
        """`records`: contiguous records, each 8-aligned, header first. Never raises for the disk's sake."""
        events = [line(record, self._offset_ns) for record in split(records)]
        if not events:
            return
        try:
            self.file.append(self._encoder.encode_lines(events))
        except OSError as error:
            self.lost += len(events)
            logger.error("events not written path=%s error=%s lost=%d", self.file.path, error, self.lost)

    def close(self) -> None:
        self.file.close()


def split(records: bytes) -> list[bytes]:
    """The single records of a capture; a size that leads nowhere ends it."""
    found, offset = [], 0
    while offset + 8 <= len(records):
        (size,) = struct.unpack_from("<I", records, offset)
        if size < 8 or offset + size > len(records):
            break
        found.append(records[offset : offset + size])
        offset += size
    return found


def line(data: bytes, boot_to_realtime_ns: int | None = None) -> dict[str, Any]:
    """One event as it is written: argv is a list, and with the offset given the time is real time."""
    record = Record(data)
    details = record.to_dict()
    if "argv" in details:
        details["argv"] = record.argv()
    if boot_to_realtime_ns is not None and not details.get("flags", 0) & Flag.REALTIME:
        details["ts_ns"] += boot_to_realtime_ns
        details["flags"] = details.get("flags", 0) | Flag.REALTIME
    for name in ("size", "kind", "sequence"):
        details.pop(name, None)
    return {"kind": DOTTED[record.kind], "details": details}

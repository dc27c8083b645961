# SPDX-License-Identifier: Apache-2.0
"""The collectors' cursors: one small JSON file, replaced as a whole."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from innerwarden.unreadable import UNREADABLE

logger = logging.getLogger(__name__)

VERSION = 1


class CursorFile(msgspec.Struct, frozen=True, kw_only=True):
    """`cursors`: collector id -> its own cursor, as JSON that only the collector reads."""

    version: int = VERSION
    cursors: dict[str, msgspec.Raw] = msgspec.field(default_factory=dict)


class CursorStore:
    """Reads once at start, writes on change. A file that cannot be read is set aside, never fatal."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.corrupt = 0
        self.failures = 0
        self.problem = ""
        self._written = b""
        self._cursors = self._load()

    def _load(self) -> dict[str, bytes]:
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as error:
            self._set_aside(str(error))
            return {}
        try:
            file = msgspec.json.decode(data, type=CursorFile)
        except UNREADABLE as error:
            self._set_aside(str(error))
            return {}
        if file.version != VERSION:
            self._set_aside(f"version {file.version}, this sensor writes {VERSION}")
            return {}
        return {name: bytes(raw) for name, raw in file.cursors.items()}

    def _set_aside(self, why: str) -> None:
        self.corrupt += 1
        aside = self.path.with_name(self.path.name + ".corrupt")
        try:
            self.path.replace(aside)
        except OSError as error:
            logger.error("cursor file cannot be set aside path=%s error=%s", self.path, error)
        self.problem = f"{self.path.name} was unreadable and is set aside, log sources start over: {why}"
        logger.error("cursor file is unreadable, log sources start over path=%s error=%s", self.path, why)

    def get(self, name: str) -> bytes | None:
        """Raw JSON of one collector's cursor."""
        return self._cursors.get(name)

    def save(self, cursors: Mapping[str, msgspec.Struct]) -> None:
        """Write when something changed; cursors of collectors that are switched off stay.

        A disk that refuses is counted and logged, and tried again the next time.
        """
        for name, cursor in cursors.items():
            self._cursors[name] = msgspec.json.encode(cursor)
        file = CursorFile(cursors={name: msgspec.Raw(raw) for name, raw in sorted(self._cursors.items())})
        data = msgspec.json.encode(file)
        if data == self._written:
            return
        temporary = self.path.with_name(self.path.name + ".new")
        try:
            fd = os.open(
                temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640
            )
            try:
                os.write(fd, data)
                os.fdatasync(fd)
            finally:
                os.close(fd)
            temporary.replace(self.path)
        except OSError as error:
            self.failures += 1
            logger.error("cursors not written path=%s error=%s failures=%d", self.path, error, self.failures)
            return
        self._written = data

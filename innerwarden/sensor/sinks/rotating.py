# SPDX-License-Identifier: Apache-2.0
"""An append-only file of whole lines, rotated by size: the base of both sinks."""

from __future__ import annotations

import os
from pathlib import Path


class RotatingFile:
    """`name`, then `name.1` (newest) to `name.<keep>`; mode 0640.

    `append` writes one buffer of whole lines in one call. A short write is undone and raised as OSError,
    so that no half line stays; a torn last line of a dead writer is closed first, so that only it is bad.
    """

    def __init__(self, path: Path, *, max_bytes: int, keep: int) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self._fd = self._open()

    def _open(self) -> int:
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        size = os.fstat(fd).st_size
        if size and os.pread(fd, 1, size - 1) != b"\n":
            os.write(fd, b"\n")
        return fd

    def append(self, lines: bytes) -> None:
        """Raises OSError when the disk refuses; nothing was written then."""
        self._rotate_for(len(lines))
        start = os.fstat(self._fd).st_size
        if os.write(self._fd, lines) != len(lines):
            os.ftruncate(self._fd, start)
            raise OSError(28, "no space left for a whole line")

    def _rotate_for(self, length: int) -> None:
        size = os.fstat(self._fd).st_size
        if size == 0 or size + length <= self._max_bytes:
            return
        for number in range(self._keep - 1, 0, -1):
            older = self._numbered(number)
            if older.exists():
                older.replace(self._numbered(number + 1))
        self.path.replace(self._numbered(1))
        os.close(self._fd)
        self._fd = self._open()

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def fileno(self) -> int:
        return self._fd

    def close(self) -> None:
        os.close(self._fd)

# SPDX-License-Identifier: Apache-2.0
"""One open log file and the place reached in it."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import msgspec

#: Enough to hold a line from its beginning, where logs have the time: many lines end alike.
SIGNATURE_BYTES = 4096


class Place(msgspec.Struct, frozen=True):
    """`signature`: hash of the bytes that end at `offset`, hexadecimal; `skipping`: inside a line that is too long."""

    device: int
    inode: int
    offset: int
    signature: str
    skipping: bool = False


class OpenFile:
    """`expires`: when a file that no longer bears the name is closed, monotonic seconds."""

    def __init__(self, fd: int, offset: int = 0, skipping: bool = False) -> None:
        status = os.fstat(fd)
        self.fd = fd
        self.identity = (status.st_dev, status.st_ino)
        self.offset = offset
        self.skipping = skipping
        self.expires = 0.0
        self._signature = self._before(offset)
        self._checked_size = -1

    def _before(self, offset: int) -> bytes:
        start = max(0, offset - SIGNATURE_BYTES)
        return os.pread(self.fd, offset - start, start)

    def advance(self, offset: int, data: bytes, skipping: bool) -> None:
        """Move to `offset`; `data` are the bytes that end there."""
        self.offset, self.skipping = offset, skipping
        self._signature = (self._signature + data[-SIGNATURE_BYTES:])[-SIGNATURE_BYTES:]

    def was_replaced(self) -> bool:
        """Cut below our offset, or other bytes before it under the same inode."""
        size = os.fstat(self.fd).st_size
        if size < self.offset:
            return True
        if size == self._checked_size:
            return False
        self._checked_size = size
        return self._before(self.offset) != self._signature

    def restart(self) -> None:
        self.offset, self.skipping, self._signature, self._checked_size = 0, False, b"", -1

    def fits(self, place: Place) -> bool:
        """Whether that place exists here."""
        if os.fstat(self.fd).st_size < place.offset:
            return False
        return _digest(self._before(place.offset)) == place.signature

    def place(self) -> Place:
        return Place(*self.identity, self.offset, _digest(self._signature), self.skipping)

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def open_rotated(path: Path) -> OpenFile | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return None
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return OpenFile(fd)
    os.close(fd)
    return None

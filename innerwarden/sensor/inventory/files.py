# SPDX-License-Identifier: Apache-2.0
"""Bounded reads, and what tells one state of a file from another."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator

CHUNK = 1 << 16
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


def read(path: str, limit: int = 1 << 20) -> bytes:
    """At most `limit` bytes of a file or of a kernel file, whose size is not known before. Raises OSError."""
    fd = os.open(path, _FLAGS)
    try:
        parts: list[bytes] = []
        left = limit
        while left > 0 and (part := os.read(fd, min(left, 1 << 18))):
            parts.append(part)
            left -= len(part)
        return b"".join(parts)
    finally:
        os.close(fd)


def text(path: str, limit: int = 1 << 16) -> str | None:
    """Its text without the last line feed, or None when it cannot be read."""
    try:
        return os.fsdecode(read(path, limit)).rstrip("\n")
    except OSError:
        return None


def link(path: str) -> str:
    """Where a symbolic link points; empty when it cannot be read."""
    try:
        return os.readlink(path)  # noqa: PTH115 - text as it is, called for every descriptor
    except OSError:
        return ""


def stamp_of(state: os.stat_result) -> str:
    """Changes whenever content, mode or owner can have changed: ctime cannot be set back from user space."""
    return (
        f"{state.st_dev}.{state.st_ino}.{state.st_mode:o}.{state.st_uid}.{state.st_size}"
        f".{state.st_mtime_ns}.{state.st_ctime_ns}"
    )


def digest(path: str, limit: int) -> Iterator[str | None]:
    """None after each chunk, then the SHA-256 of the file; "" when it is no regular file or longer than `limit`.

    A file that shrinks or vanishes meanwhile gives what was read, or "".
    """
    try:
        fd = os.open(path, _FLAGS | os.O_NOFOLLOW)
    except OSError:
        yield ""
        return
    try:
        state = os.fstat(fd)
        if not stat.S_ISREG(state.st_mode) or state.st_size > limit:
            yield ""
            return
        total, left = hashlib.sha256(), limit
        while left > 0 and (part := os.read(fd, min(left, CHUNK))):
            total.update(part)
            left -= len(part)
            yield None
        yield total.hexdigest()
    except OSError:
        yield ""
    finally:
        os.close(fd)

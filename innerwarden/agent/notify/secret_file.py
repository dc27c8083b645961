# SPDX-License-Identifier: Apache-2.0
"""Files that hold URLs, tokens and keys: read only where nobody else could."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from innerwarden.agent.notify.failure import Failed
from innerwarden.files import who_else_writes

MAX_BYTES = 8192


def read(path: str) -> str:
    """The first line that is neither empty nor a comment. Raises Failed that names the file and the way out."""
    try:
        data = _bytes(path)
    except OSError as error:
        raise Failed(f"{path} cannot be read: {os.strerror(error.errno or 0)}") from None
    try:
        lines = data.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise Failed(f"{path} holds no text") from None
    for line in lines:
        if line.strip() and not line.startswith("#"):
            if not line.strip().isprintable():
                raise Failed(f"{path} holds control characters")
            return line.strip()
    raise Failed(f"{path} is empty")


def _bytes(path: str) -> bytes:
    other = who_else_writes(str(Path(path).parent.resolve()), sticky=True, owner=os.geteuid())
    if other is not None:
        raise Failed(f"{path} is not used, because others could replace it: {other}")
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise Failed(f"{path} is not a regular file")
        if found.st_uid not in (0, os.geteuid()):
            raise Failed(
                f"{path} belongs to uid {found.st_uid}, and this is uid {os.geteuid()}: give it to the agent's user,"
                " and run this as that user"
            )
        if found.st_mode & 0o077:
            raise Failed(
                f"{path} has mode {stat.S_IMODE(found.st_mode):04o}; others must not read it: chmod 0600 {path}"
            )
        if found.st_size > MAX_BYTES:
            raise Failed(f"{path} is larger than {MAX_BYTES} bytes")
        return file.read(MAX_BYTES)


def check(path: str) -> str | None:
    """Why the file cannot be used, or None."""
    try:
        read(path)
    except Failed as error:
        return error.detail
    return None

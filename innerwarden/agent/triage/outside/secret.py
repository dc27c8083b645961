# SPDX-License-Identifier: Apache-2.0
"""Keys: files that nobody else can read, or credentials that systemd hands over."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from innerwarden.agent.triage.outside.http import OutsideError

MAX_BYTES = 8192


def read_key(name: str) -> str:
    """The first line of a file. A name without a slash is a credential (systemd.exec(5), LoadCredential=).

    Raises OutsideError with the file's name and the way out.
    """
    path = Path(name)
    passed = os.environ.get("CREDENTIALS_DIRECTORY")
    credential = "/" not in name and passed is not None
    if credential:
        path = Path(passed or "") / name
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise OutsideError(f"{path} cannot be read: {os.strerror(error.errno or 0)}") from None
    with os.fdopen(fd, "rb") as file:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise OutsideError(f"{path} is no regular file")
        if not credential and (found.st_uid not in (0, os.geteuid()) or found.st_mode & 0o077):
            raise OutsideError(f"others may read {path}: chown it to the agent's user, and chmod 0600 {path}")
        data = file.read(MAX_BYTES)
    key = data.partition(b"\n")[0].strip()
    if not key or not key.isascii() or not key.decode().isprintable():
        raise OutsideError(f"{path} holds no key in its first line")
    return key.decode()

# SPDX-License-Identifier: Apache-2.0
"""Account names by uid, from /etc/passwd alone.

The C library's look-up may ask LDAP or SSSD over a socket; the sensor opens none, so an account
that only a directory service knows stays a number.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

PASSWD = Path("/etc/passwd")
#: A finding asks for twenty names; whether the file changed is looked at once in that time.
LOOK_EVERY_S = 1.0


class Users:
    """Reads the file again when it changed. While it cannot be read, what it said last stays."""

    def __init__(self, path: Path = PASSWD, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._monotonic = monotonic
        self._next_look = 0.0
        self._stamp: tuple[int, int] | None = None
        self._names: dict[int, str] = {}

    def name(self, uid: int) -> str | None:
        """The first account with that uid, or None. A new account is known within LOOK_EVERY_S."""
        now = self._monotonic()
        if now >= self._next_look:
            self._next_look = now + LOOK_EVERY_S
            self._look()
        return self._names.get(uid)

    def knows(self, name: str) -> bool:
        """Whether an account of this machine has that name."""
        self.name(0)
        return name in self._names.values()

    def _look(self) -> None:
        try:
            info = self._path.stat()
            stamp = (info.st_mtime_ns, info.st_ino)
            if stamp != self._stamp:
                self._names = self._read()
                self._stamp = stamp
        except OSError:
            return

    def _read(self) -> dict[int, str]:
        names: dict[int, str] = {}
        for line in self._path.read_text(encoding="utf-8", errors="backslashreplace").splitlines():
            parts = line.split(":")
            if len(parts) >= 4 and parts[2].isdigit():
                names.setdefault(int(parts[2]), parts[0])
        return names

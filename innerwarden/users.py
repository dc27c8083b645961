# SPDX-License-Identifier: Apache-2.0
"""Account names by uid, from /etc/passwd alone.

The C library's look-up may ask LDAP or SSSD over a socket; the sensor opens none, so an account
that only a directory service knows stays a number.
"""

from __future__ import annotations

from pathlib import Path

PASSWD = Path("/etc/passwd")


class Users:
    """Reads the file again when it changed."""

    def __init__(self, path: Path = PASSWD) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._names: dict[int, str] = {}

    def name(self, uid: int) -> str | None:
        """The first account with that uid, or None."""
        try:
            info = self._path.stat()
        except OSError:
            return None
        stamp = (info.st_mtime_ns, info.st_ino)
        if stamp != self._stamp:
            self._names = self._read()
            self._stamp = stamp
        return self._names.get(uid)

    def _read(self) -> dict[int, str]:
        names: dict[int, str] = {}
        for line in self._path.read_text(encoding="utf-8", errors="backslashreplace").splitlines():
            parts = line.split(":")
            if len(parts) >= 4 and parts[2].isdigit():
                names.setdefault(int(parts[2]), parts[0])
        return names

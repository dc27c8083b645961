# SPDX-License-Identifier: Apache-2.0
"""Whether files of one directory were written, made or moved there. Source: inotify(7)."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path

_CLOEXEC, _NONBLOCK = os.O_CLOEXEC, os.O_NONBLOCK
_MODIFY, _MOVED_TO, _CREATE, _OVERFLOW, _ONLYDIR = 0x2, 0x80, 0x100, 0x4000, 0x01000000
_EVENT = struct.Struct("<iIII")
_READ_BYTES = 4096

_libc = ctypes.CDLL(None, use_errno=True)
_libc.inotify_init1.argtypes = (ctypes.c_int,)
_libc.inotify_add_watch.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32)


class Changes:
    """Its descriptor can be read once something of the directory changed; `take` says whether that was `name`."""

    def __init__(self, directory: Path, name: str) -> None:
        """Raises OSError: the directory may not be read, or the user has no watch left."""
        self._name = os.fsencode(name)
        self._fd = _checked(_libc.inotify_init1(_CLOEXEC | _NONBLOCK), "inotify_init1")
        mask = _MODIFY | _MOVED_TO | _CREATE | _ONLYDIR
        try:
            _checked(_libc.inotify_add_watch(self._fd, os.fsencode(directory), mask), "inotify_add_watch")
        except OSError:
            os.close(self._fd)
            raise

    def fileno(self) -> int:
        return self._fd

    def take(self) -> bool:
        """Read what waits; True when it concerns the file, or when the kernel says that it lost some."""
        concerned = False
        while True:
            try:
                data = os.read(self._fd, _READ_BYTES)
            except BlockingIOError:
                return concerned
            at = 0
            while at < len(data):
                _watch, mask, _cookie, length = _EVENT.unpack_from(data, at)
                at += _EVENT.size + length
                name = data[at - length : at].rstrip(b"\0")
                concerned |= name == self._name or bool(mask & _OVERFLOW)

    def close(self) -> None:
        os.close(self._fd)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result

# SPDX-License-Identifier: Apache-2.0
"""fanotify(7): who wrote or ran which file, without waiting for anything.

Every function raises OSError with the kernel's errno; all of it needs CAP_SYS_ADMIN.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

# include/uapi/linux/fanotify.h
MODIFY = 0x02
ATTRIB = 0x04
CLOSE_WRITE = 0x08
MOVED_FROM = 0x40
MOVED_TO = 0x80
CREATE = 0x100
DELETE = 0x200
OPEN_EXEC = 0x1000
OVERFLOW = 0x4000
EVENT_ON_CHILD = 0x08000000
_CLOEXEC, _NONBLOCK, _DIR_FID, _NAME = 0x1, 0x2, 0x400, 0x800
_MARK_ADD, _MARK_ONLYDIR, _MARK_FILESYSTEM = 0x1, 0x8, 0x100
_INFO_DFID_NAME = 2
#: O_LARGEFILE, which os has as 0. Source: include/uapi/asm-generic/fcntl.h, arch/arm64/include/uapi/asm/fcntl.h.
_LARGE_FILE = {"x86_64": 0o100000, "aarch64": 0o400000}
_AT_FDCWD = -100
_HANDLE_BYTES = 128  # MAX_HANDLE_SZ

_EVENT = struct.Struct("=IBBHQii")  # fanotify_event_metadata
_INFO = struct.Struct("=BBH")  # fanotify_event_info_header
_HANDLE = struct.Struct("=Ii")  # file_handle

_libc = ctypes.CDLL(None, use_errno=True)
_libc.fanotify_init.argtypes = (ctypes.c_uint, ctypes.c_uint)
_libc.fanotify_mark.argtypes = (
    *(ctypes.c_int, ctypes.c_uint, ctypes.c_uint64, ctypes.c_int, ctypes.c_char_p),
)
_libc.name_to_handle_at.argtypes = (
    *(ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int),
)


#: Of one read: each costs an open descriptor.
EVENTS_WITH_FILES = 16


class Event(NamedTuple):
    """`fd`: the file, open for reading and the receiver's to close; -1 where names are asked for.

    `place`: handle_of() of the directory, where names are; `name` is then the file's name in it.
    """

    mask: int
    pid: int
    fd: int
    place: bytes = b""
    name: str = ""


def file_flags(machine: str) -> int:
    """How the kernel opens the file of an event. It refuses flags (EINVAL) that do not belong there."""
    return (
        os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | getattr(os, "O_NOATIME", 0) | _LARGE_FILE.get(machine, 0)
    )


class Group:
    """One queue of events; the kernel keeps at most 16384 and then says that it lost some (OVERFLOW)."""

    def __init__(self, *, names: bool) -> None:
        """`names`: events say directory and name (since 5.9) instead of carrying the open file."""
        flags = _CLOEXEC | _NONBLOCK | (_DIR_FID | _NAME if names else 0)
        self.fd = _checked(_libc.fanotify_init(flags, file_flags(os.uname().machine)), "fanotify_init")
        self._bytes = 4096 if names else _EVENT.size * EVENTS_WITH_FILES

    def watch_directory(self, path: str, mask: int) -> None:
        """Events of the files directly in a directory."""
        self._mark(_MARK_ADD | _MARK_ONLYDIR, mask | EVENT_ON_CHILD, path)

    def watch_file_system(self, path: str, mask: int) -> None:
        """Events of all files of the file system that `path` lies on, in every mount namespace."""
        self._mark(_MARK_ADD | _MARK_FILESYSTEM, mask, path)

    def _mark(self, flags: int, mask: int, path: str) -> None:
        result = _libc.fanotify_mark(self.fd, flags, mask, _AT_FDCWD, os.fsencode(path))
        _checked(result, f"fanotify_mark {path}")

    def read(self) -> list[Event]:
        """Some waiting events, at most EVENTS_WITH_FILES where each carries a file; none when nothing waits."""
        try:
            data = os.read(self.fd, self._bytes)
        except BlockingIOError:
            return []
        return list(_events(data))

    def close(self) -> None:
        os.close(self.fd)


def _events(data: bytes) -> Iterator[Event]:
    at = 0
    while at + _EVENT.size <= len(data):
        length, version, _, start, mask, fd, pid = _EVENT.unpack_from(data, at)
        if version != 3 or length < _EVENT.size:
            raise OSError(errno.EPROTO, f"fanotify speaks version {version}, this program knows 3")
        place, name = _name_of(data[at + start : at + length])
        yield Event(mask, pid, fd, place, name)
        at += length


def _name_of(info: bytes) -> tuple[bytes, str]:
    """The directory's file system and handle, and the file's name, of an event's additional record."""
    if len(info) < _INFO.size + 8 + _HANDLE.size or info[0] != _INFO_DFID_NAME:
        return b"", ""
    _, _, length = _INFO.unpack_from(info)
    size, _kind = _HANDLE.unpack_from(info, _INFO.size + 8)
    end = _INFO.size + 8 + _HANDLE.size + size
    return info[_INFO.size + 8 : end], os.fsdecode(info[end:length].split(b"\0", 1)[0])


def handle_of(path: str) -> bytes:
    """What events call a directory: struct file_handle with its bytes (name_to_handle_at(2))."""
    buffer = ctypes.create_string_buffer(_HANDLE.pack(_HANDLE_BYTES, 0), _HANDLE.size + _HANDLE_BYTES)
    mount = ctypes.c_int()
    name = os.fsencode(path)
    result = _libc.name_to_handle_at(_AT_FDCWD, name, buffer, ctypes.byref(mount), 0)
    _checked(result, f"name_to_handle_at {path}")
    size, _kind = _HANDLE.unpack_from(buffer.raw)
    return buffer.raw[: _HANDLE.size + size]


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result

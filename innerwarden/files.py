# SPDX-License-Identifier: Apache-2.0
"""Files as the kernel knows them, and who may change them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

_READ_BYTES = 16 << 10
#: Write permission of group and others.
OTHERS_WRITE = 0o022


class Devices:
    """Which device each mount lies on: st_dev is another number on btrfs (Documentation/filesystems/proc.rst, 3.5 and
    3.8). The mount table is read once, and again for a mount that it lacks."""

    def __init__(self) -> None:
        self._known: dict[bytes, int | None] = {}

    def of(self, fd: int, found: os.stat_result) -> int:
        """major << 20 | minor of the file system that an open file lies on. Raises OSError."""
        info = read_quickly(f"/proc/self/fdinfo/{fd}")
        mount = next((line.split()[1] for line in info.splitlines() if line.startswith(b"mnt_id:")), b"")
        if mount not in self._known:
            self._known |= {mount: None, **_mount_table()}
        device = self._known[mount]
        return device if device is not None else os.major(found.st_dev) << 20 | os.minor(found.st_dev)


def _mount_table() -> dict[bytes, int]:
    table = {}
    for line in read_quickly("/proc/self/mountinfo").splitlines():
        number, _parent, device = line.split(b" ", 3)[:3]
        major, _colon, minor = device.partition(b":")
        table[number] = int(major) << 20 | int(minor)
    return table


def kernel_dev(fd: int, found: os.stat_result) -> int:
    """`Devices.of`, by the mount table of now."""
    return Devices().of(fd, found)


def read_quickly(path: str | bytes) -> bytes:
    """All of a file, in a third of the time that a file object takes for a small one of /proc. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = more = os.read(fd, _READ_BYTES)
        while more:
            more = os.read(fd, _READ_BYTES)
            data += more
        return data
    finally:
        os.close(fd)


def replace_whole(path: Path, data: bytes, mode: int) -> None:
    """Write, sync, rename, sync the directory: `path` holds all of `data` then, or what it held. Raises OSError."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(fd, "wb") as file:
            os.fchmod(fd, mode)
            file.write(data)
            file.flush()
            os.fsync(fd)
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Names that came or went there are on the disk afterwards. Raises OSError."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def who_else_writes(path: str, *, sticky: bool = False, owner: int = 0) -> str | None:
    """Why somebody other than `owner` (or root) could change or replace what lies at `path`, or None.

    `path` is absolute and has no symbolic link in it; every directory down to it is looked at. `sticky`: a
    directory in which only owners may rename is no danger. Raises OSError when a part is not there.
    """
    place = Path(path)
    for part in (*reversed(place.parents), place):
        found = part.lstat()
        if stat.S_ISLNK(found.st_mode):
            return f"{part} is a symbolic link"
        if found.st_uid not in (0, owner):
            return f"{part} belongs to uid {found.st_uid}"
        shared = sticky and stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
        if found.st_mode & OTHERS_WRITE and not (shared and part != place):
            return f"{part} may be written by others (mode {found.st_mode & 0o7777:o})"
    return None

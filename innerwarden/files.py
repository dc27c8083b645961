# SPDX-License-Identifier: Apache-2.0
"""Files as the kernel knows them, and who may change them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

#: Write permission of group and others.
OTHERS_WRITE = 0o022


def kernel_dev(fd: int, found: os.stat_result) -> int:
    """major << 20 | minor of the file system that an open file lies on.

    From the mount table: st_dev is another number on btrfs (Documentation/filesystems/proc.rst, 3.5 and 3.8).
    """
    mount_id = ""
    for line in Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines():
        if line.startswith("mnt_id:"):
            mount_id = line.split()[1]
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        number, _parent, device = line.split(" ", 3)[:3]
        if number == mount_id:
            major, minor = map(int, device.split(":"))
            return major << 20 | minor
    return os.major(found.st_dev) << 20 | os.minor(found.st_dev)


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

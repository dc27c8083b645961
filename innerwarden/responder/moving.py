# SPDX-License-Identifier: Apache-2.0
"""Names and files without symbolic links in between: directories are walked part by part, and held.

Source: open(2) (O_PATH, O_NOFOLLOW), renameat2(2), ioctl_iflags(2).
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from innerwarden.libbpf import libc
from innerwarden.responder.skill import Refusal, TargetGone

_RENAME_NOREPLACE = 1
#: linux/fs.h; the argument is an int in spite of the number.
_GETFLAGS, _SETFLAGS = 0x80086601, 0x40086602
FS_APPEND, FS_IMMUTABLE = 0x20, 0x10


def parts_of(path: str) -> list[str]:
    """Raises Refusal for what is no absolute path without detours."""
    parts = path.split("/")[1:]
    if not path.startswith("/") or "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise Refusal("not_a_path", f"{path[:128]!r} is not an absolute path without detours")
    return parts


@contextmanager
def parent_of(path: str) -> Iterator[tuple[int, str]]:
    """(descriptor of its directory, last name). Raises TargetGone where a part is missing, or no directory itself."""
    *above, name = parts_of(path)
    fd = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in above:
            flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            try:
                below = os.open(part, flags, dir_fd=fd)
            except OSError as error:
                raise TargetGone(f"{path}: {part} is not there as a directory: {error.strerror}") from error
            os.close(fd)
            fd = below
        yield fd, name
    finally:
        os.close(fd)


@contextmanager
def held(directory: int, name: str) -> Iterator[int | None]:
    """An O_PATH descriptor of a name, whatever it is; None when it is not there. Opens nothing that could react."""
    try:
        fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    except FileNotFoundError:
        yield None
        return
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def directory(path: Path) -> Iterator[int]:
    """A descriptor of a directory of ours."""
    fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def by_fd(fd: int) -> str:
    """A path that leads to what a descriptor holds."""
    return f"/proc/self/fd/{fd}"


def rename(from_dir: int, name: str, to_dir: int, to: str) -> None:
    """Never over something. Raises OSError: FileExistsError, and EXDEV between file systems or mounts."""
    libc.syscall("renameat2", from_dir, os.fsencode(name), to_dir, os.fsencode(to), _RENAME_NOREPLACE)


def flags_of(fd: int) -> int:
    """Inode flags of an open file; 0 on file systems that have none."""
    try:
        return int(struct.unpack("i", fcntl.ioctl(fd, _GETFLAGS, struct.pack("i", 0)))[0])
    except OSError:
        return 0


def set_flags(fd: int, flags: int) -> None:
    fcntl.ioctl(fd, _SETFLAGS, struct.pack("i", flags))

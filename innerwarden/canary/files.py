# SPDX-License-Identifier: Apache-2.0
"""Harmless changes of files in a private directory, one for each call that makes them; and of memory."""

from __future__ import annotations

import mmap
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

from innerwarden.libbpf import libc

WATCHED = "authorized_keys"
XATTRS = ("setxattr", "lsetxattr", "fsetxattr", "setxattrat")
XATTRS_REMOVED = ("removexattr", "lremovexattr", "fremovexattr", "removexattrat")
MODES = ("chmod", "fchmod", "fchmodat", "fchmodat2")
OWNERS = ("chown", "fchown", "lchown", "fchownat")

Action = Callable[[Path], None]


def watched(directory: Path) -> Path:
    """A file of the watched name, made in the one way that no hook tells of."""
    path = directory / WATCHED
    if not path.exists():
        os.mknod(path, 0o600 | stat.S_IFREG)
    return path


def _fresh(directory: Path) -> bytes:
    """The watched name where nothing has it yet."""
    return os.fsencode(Path(tempfile.mkdtemp(dir=directory)) / WATCHED)


def link(call: str) -> Action:
    def action(directory: Path) -> None:
        plain = directory / "doctor"
        plain.touch()
        old, new = os.fsencode(plain), _fresh(directory)
        if call == "linkat":
            libc.syscall(call, libc.AT_FDCWD, old, libc.AT_FDCWD, new, 0)
        elif call == "symlinkat":
            libc.syscall(call, b"doctor", libc.AT_FDCWD, new)
        else:
            libc.syscall(call, old, new)

    return action


def node(call: str) -> Action:
    """One more name for the null device, in a private directory."""
    mode, null = 0o600 | stat.S_IFCHR, os.makedev(1, 3)

    def action(directory: Path) -> None:
        where = (libc.AT_FDCWD,) if call == "mknodat" else ()
        libc.syscall(call, *where, _fresh(directory), mode, null)

    return action


def attribute(call: str) -> Action:
    """Mode, owner or size of a watched file, set to what they are."""
    values = {"chmod": (0o600,), "chown": (-1, -1), "trunc": (0,)}
    wanted = next(value for key, value in values.items() if key in call)

    def action(directory: Path) -> None:
        path = os.fsencode(watched(directory))
        if call in ("fchmod", "fchown", "ftruncate"):
            # A file is cut through a descriptor for writing, which makes a file.open record as well.
            fd = os.open(path, os.O_RDWR if call == "ftruncate" else os.O_RDONLY)
            libc.syscall(call, fd, *wanted)
            os.close(fd)
        elif call in ("fchmodat", "fchmodat2", "fchownat"):
            libc.syscall(call, libc.AT_FDCWD, path, *wanted, 0)
        else:
            libc.syscall(call, path, *wanted)

    return action


def times(call: str) -> Action:
    """A watched file modified long ago, as far as it says."""
    second, zero = (10**9).to_bytes(8, "little"), bytes(8)

    def action(directory: Path) -> None:
        path = os.fsencode(watched(directory))
        if call == "utime":
            libc.syscall(call, path, second * 2)
        elif call == "utimes":
            libc.syscall(call, path, (second + zero) * 2)
        elif call == "futimesat":
            libc.syscall(call, libc.AT_FDCWD, path, (second + zero) * 2)
        else:
            libc.syscall(call, libc.AT_FDCWD, path, (second + zero) * 2, 0)

    return action


def xattr(call: str) -> Action:
    """An attribute of the kernel's name space that nothing reads, set and taken away again."""
    name, value = b"security.innerwarden", b"1"
    setting = "set" in call

    def action(directory: Path) -> None:
        path, alias = os.fsencode(watched(directory)), directory / "doctor.alias"
        if not setting:
            # By a name that is not watched, so that only the removal is told.
            if not alias.is_symlink():
                alias.symlink_to(WATCHED)
            libc.syscall("setxattr", os.fsencode(alias), name, value, 1, 0)
        if call.endswith("at"):
            held = libc.Memory(value)
            arguments = held.address.to_bytes(8, "little") + len(value).to_bytes(8, "little")
            more: tuple[int | bytes, ...] = (arguments, len(arguments)) if setting else ()
            libc.syscall(call, libc.AT_FDCWD, path, 0, name, *more)
            return
        rest: tuple[int | bytes, ...] = (value, 1, 0) if setting else ()
        if call.startswith("f"):
            fd = os.open(path, os.O_RDONLY)
            libc.syscall(call, fd, name, *rest)
            os.close(fd)
        else:
            libc.syscall(call, path, name, *rest)

    return action


def executable_memory(call: str) -> None:
    """A page that is writable and executable, for as long as this process lives."""
    every = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
    if call == "mmap":
        mmap.mmap(-1, mmap.PAGESIZE, prot=every)
        return
    memory = libc.Memory(bytes(2 * mmap.PAGESIZE))
    page = memory.address + mmap.PAGESIZE - 1 & -mmap.PAGESIZE
    libc.syscall(call, page, mmap.PAGESIZE, every, *((-1,) if call == "pkey_mprotect" else ()))

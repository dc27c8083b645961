# SPDX-License-Identifier: Apache-2.0
"""How the kernel programs know files, paths, processes and control groups; computed here the same way."""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from innerwarden.errors import UsageError
from innerwarden.files import kernel_dev

_MASK = (1 << 64) - 1
_FILE = struct.Struct("<QII")  # struct iw_enforce_file


class FileIdentity(NamedTuple):
    """`dev` as the kernel has it: major << 20 | minor of the file system."""

    dev: int
    inode: int

    def pack(self) -> bytes:
        return _FILE.pack(self.inode, self.dev, 0)


def file_identity(path: str) -> FileIdentity:
    """Of the regular file that `path` leads to, links followed. Raises UsageError saying what is wrong with it."""
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        raise UsageError(
            f"cannot list {path}: {error.strerror}", "Give the absolute path of a file that exists"
        ) from error
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise UsageError(f"cannot list {path}: it is not a regular file", "Give the files one by one")
        return FileIdentity(kernel_dev(fd, found), found.st_ino)
    finally:
        os.close(fd)


def process_start_ticks(pid: int) -> int:
    """Start time in 1/100 s since boot; with the pid it names one process for ever. Raises UsageError when gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
        # comm may hold spaces and parentheses; the last ')' ends it (proc_pid_stat(5)).
        return int(text[text.rindex(b")") + 2 :].split()[19])
    except (OSError, ValueError, IndexError) as error:
        raise UsageError(f"cannot list process {pid}: there is none", "Give a running process") from error


def cgroup_id(path: str, root: Path | None) -> int:
    """Id of a v2 control group, `path` below the hierarchy's root such as /system.slice. Raises UsageError."""
    if root is None:
        raise UsageError(f"cannot list {path}: no cgroup v2 hierarchy is mounted", "Mount cgroup2")
    try:
        return (root / path.lstrip("/")).stat().st_ino
    except OSError as error:
        raise UsageError(
            f"cannot list control group {path}: {error.strerror}", f"See what there is below {root}"
        ) from error


class PathHash:
    """SipHash-2-4 of a canonical path, each part's taking in that of the part below it; enforce.bpf.c computes the
    same.

    `keys` are 32 random bytes: two keys, one for a table's key and one for the check of a hit.
    """

    def __init__(self, keys: bytes) -> None:
        self._keys = struct.unpack("<4Q", keys)

    def __call__(self, path: str, which: int) -> int:
        """`path` is absolute, without symbolic links; `which` key, 0 or 1. The root's hash is 0, which never hits."""
        found = 0
        for part in reversed(PurePosixPath(path).parts[1:]):
            raw = os.fsencode(part)
            padded = raw + bytes(-len(raw) % 8)
            words = [found, *struct.unpack(f"<{len(padded) // 8}Q", padded), len(raw)]
            found = _siphash(self._keys[2 * which], self._keys[2 * which + 1], words)
        return found


def _siphash(k0: int, k1: int, words: list[int]) -> int:
    """Aumasson and Bernstein, 2012, over whole words: the length word is the caller's."""
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]
    for word in words:
        v[3] ^= word
        _round(v)
        _round(v)
        v[0] ^= word
    v[2] ^= 0xFF
    for _ in range(4):
        _round(v)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def _rotate(value: int, bits: int) -> int:
    return (value << bits | value >> (64 - bits)) & _MASK


def _round(v: list[int]) -> None:
    v[0], v[2] = v[0] + v[1] & _MASK, v[2] + v[3] & _MASK
    v[1], v[3] = _rotate(v[1], 13) ^ v[0], _rotate(v[3], 16) ^ v[2]
    v[0] = _rotate(v[0], 32)
    v[2], v[0] = v[2] + v[1] & _MASK, v[0] + v[3] & _MASK
    v[1], v[3] = _rotate(v[1], 17) ^ v[2], _rotate(v[3], 21) ^ v[0]
    v[2] = _rotate(v[2], 32)

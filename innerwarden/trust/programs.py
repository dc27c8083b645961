# SPDX-License-Identifier: Apache-2.0
"""Is the file that a process runs the one that an entry means? Asked only when a finding is about to be made.

What the process runs is known from the kernel (path, inode, device at its exec). It must be the file that lies at that
path in this mount namespace now, and nobody but root may be able to change it.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from innerwarden.files import kernel_dev, who_else_writes
from innerwarden.trust.model import Executable
from innerwarden.trust.packages import Packages

#: Bigger files are not hashed: reading them would hold up the sensor.
HASHED_MAX_BYTES = 256 << 20
CACHED = 256
BLOCK = 1 << 20


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """What one process runs: canonical path, inode and device (major << 20 | minor) as the kernel told them at exec,
    and the real user id. What is not known is None."""

    path: str | None = None
    inode: int | None = None
    dev: int | None = None
    uid: int | None = None


class State(NamedTuple):
    """What changes when a file's content does."""

    dev: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


class Programs:
    """Checks with a cache of digests by file state."""

    def __init__(self, packages: Packages | None = None) -> None:
        self._packages = packages or Packages()
        self._digests: OrderedDict[tuple[str, State], str] = OrderedDict()
        self.hashed = 0

    def objection(self, wanted: Executable, image: Image) -> str | None:
        """Why the process does not run what the entry means, or None."""
        if image.path is None:
            return "what the process runs is not known"
        if wanted.path is not None and wanted.path != image.path:
            return f"it runs {image.path}"
        if not image.inode:
            return f"which file it runs is not known, only its path {image.path}"
        try:
            if (why := who_else_writes(image.path)) is not None:
                return f"others may change it: {why}"
            return self._file(wanted, image, image.path)
        except OSError as error:
            return f"{image.path} cannot be looked at: {error.strerror}"

    def _file(self, wanted: Executable, image: Image, path: str) -> str | None:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                return f"{path} is no regular file"
            dev = kernel_dev(fd, found)
            if (found.st_ino, dev) != (image.inode, image.dev):
                return f"the file now at {path} is another one than it runs (replaced, or of another mount namespace)"
            if wanted.inode is not None and (wanted.inode, wanted.dev) != (found.st_ino, device_text(dev)):
                return f"{path} was replaced: inode {found.st_ino} on {device_text(dev)}"
            if wanted.sha256 is None and wanted.package is None:
                return None
            if found.st_size > HASHED_MAX_BYTES:
                return f"{path} has {found.st_size} bytes; more than {HASHED_MAX_BYTES} are not read"
            return self._content(wanted, path, fd, found)
        finally:
            os.close(fd)

    def _content(self, wanted: Executable, path: str, fd: int, found: os.stat_result) -> str | None:
        def digest(kind: str) -> str:
            return self._digest(kind, fd, found)

        if wanted.sha256 is not None and digest("sha256") != wanted.sha256:
            return f"the content of {path} is another one (sha256 {digest('sha256')[:12]}...)"
        if wanted.package is not None:
            return self._packages.objection(wanted.package, path, lambda: digest("md5"))
        return None

    def _digest(self, kind: str, fd: int, found: os.stat_result) -> str:
        key = (kind, state_of(found))
        known = self._digests.get(key)
        if known is None:
            known = digest_of(fd, kind)
            self.hashed += 1
            if state_of(os.fstat(fd)) != key[1]:
                return known
            self._digests[key] = known
            if len(self._digests) > CACHED:
                self._digests.popitem(last=False)
        self._digests.move_to_end(key)
        return known


Digest = Callable[[], str]


def state_of(found: os.stat_result) -> State:
    return State(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def digest_of(fd: int, kind: str = "sha256") -> str:
    """Hexadecimal, of an open file from its start."""
    digest = hashlib.new(kind, usedforsecurity=False)
    offset = 0
    while block := os.pread(fd, BLOCK, offset):
        digest.update(block)
        offset += len(block)
    return digest.hexdigest()


def device_text(dev: int) -> str:
    return f"{dev >> 20}:{dev & 0xFFFFF}"


def image_of_file(path: str, uid: int | None = None) -> Image:
    """As if a process of `uid` ran the file that lies at `path` now. Raises OSError."""
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        found = os.fstat(fd)
        return Image(path=path, inode=found.st_ino, dev=kernel_dev(fd, found), uid=uid)
    finally:
        os.close(fd)

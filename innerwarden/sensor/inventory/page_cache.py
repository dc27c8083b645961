# SPDX-License-Identifier: Apache-2.0
"""Set-user-id programs: does memory hold what the disk holds?

A fault of the kernel (CVE-2022-0847 and its kin) lets anybody change a page of a file in memory only: no time stamp
moves, and the file system knows nothing. Read past the cache (O_DIRECT), the disk still tells the truth.
"""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import stat
from collections.abc import Callable, Iterable

from innerwarden.model._wire import Change
from innerwarden.sensor.inventory import files
from innerwarden.sensor.inventory.baseline import Baseline
from innerwarden.sensor.inventory.collector import Find, Look
from innerwarden.sensor.inventory.fact import Fact

KIND = "host.page_cache"
#: Looked at even where no walk has found them yet.
FLOOR = (
    *(
        "/usr/bin/su",
        "/usr/bin/sudo",
        "/usr/bin/passwd",
        "/usr/bin/mount",
        "/usr/bin/umount",
        "/usr/bin/pkexec",
    ),
    *("/usr/bin/chsh", "/usr/bin/chfn", "/usr/bin/newgrp", "/usr/bin/gpasswd", "/usr/bin/fusermount3"),
    *("/usr/lib/openssh/ssh-keysign", "/usr/lib/dbus-1.0/dbus-daemon-launch-helper", "/usr/sbin/unix_chkpwd"),
)
FILES = 1024
FILE_BYTES = 32 << 20
CHUNK = 1 << 16


class PageCache:
    """`known`: paths that another collector found. What was told of a file is told again when its inode changes."""

    id = "page_cache"
    budget_ms = 0.3
    baseline: Baseline | None = None

    def __init__(self, known: Callable[[], Iterable[str]] = lambda: (), floor: Iterable[str] = FLOOR) -> None:
        self._known = known
        self._floor = tuple(floor)
        self._buffer: mmap.mmap | None = None
        self._told: dict[str, str] = {}
        self._compared = 0
        self._skipped = 0

    def obstacle(self) -> str:
        return ""

    def remark(self) -> str:
        if not self._skipped:
            return ""
        return f"{self._skipped} of {self._skipped + self._compared} files cannot be read past the cache here"

    def look(self) -> Look:
        self._compared = self._skipped = 0
        for path in list(dict.fromkeys([*self._floor, *self._known()]))[:FILES]:
            found = yield from self._compare(path)
            if found is not None:
                # Once more: a file that was written meanwhile differs for a moment.
                again = yield from self._compare(path)
                if again is not None and self._told.get(path) != again.value:
                    self._told[path] = again.value
                    yield again
            else:
                self._told.pop(path, None)
            yield None

    def _compare(self, path: str) -> Find[Fact | None]:
        """A fact when cache and disk differ while the inode stayed as it was."""
        try:
            cached = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY)
        except OSError:
            return None
        try:
            before = os.fstat(cached)
            if not stat.S_ISREG(before.st_mode) or before.st_size > FILE_BYTES:
                return None
            try:
                direct = os.open(f"/proc/self/fd/{cached}", os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECT)
            except OSError:
                self._skipped += 1
                return None
            try:
                memory, disk, first = yield from self._digests(cached, direct)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                self._skipped += 1
                return None
            finally:
                os.close(direct)
            self._compared += 1
            if memory == disk or files.stamp_of(os.fstat(cached)) != files.stamp_of(before):
                return None
        finally:
            os.close(cached)
        return Fact(
            kind=KIND,
            change=Change.FOUND,
            name=path.rpartition("/")[2],
            path=path,
            value=memory,
            old_value=disk,
            sha256=memory,
            inode=before.st_ino,
            mode=before.st_mode,
            target_uid=before.st_uid,
            reason=f"memory and disk differ from byte {first} on",
        )

    def _digests(self, cached: int, direct: int) -> Find[tuple[str, str, int]]:
        """SHA-256 through the cache and past it, and where the first difference is (-1: nowhere)."""
        if self._buffer is None:
            self._buffer = mmap.mmap(-1, CHUNK)  # O_DIRECT wants memory aligned to the disk's blocks
        memory, disk = hashlib.sha256(), hashlib.sha256()
        at, first = 0, -1
        while True:
            size = os.preadv(direct, [self._buffer], at)
            past = self._buffer[:size]
            through = os.pread(cached, CHUNK, at)
            memory.update(through)
            disk.update(past)
            if through != past and first < 0:
                first = at + next(
                    (i for i, (a, b) in enumerate(zip(through, past, strict=False)) if a != b), 0
                )
            at += CHUNK
            yield None
            if size < CHUNK and len(through) < CHUNK:
                return memory.hexdigest(), disk.hexdigest(), first

# SPDX-License-Identifier: Apache-2.0
"""One process that opens one file as fast as two threads can, and knows exactly how often it did."""

from __future__ import annotations

import mmap
import os
import struct
import time
from pathlib import Path
from types import TracebackType

from tests.kernel import tiny

PAGE_FD = 3
STOP = 8
COUNTS = (64, 128)
_U64 = struct.Struct("<Q")


class Flood:
    """Runs while the context lasts; `made` is exact after it. `path` is made when it does not exist."""

    def __init__(self, path: Path, flags: int = os.O_RDONLY) -> None:
        path.touch()
        self._path = path
        self._program = tiny.write(path.parent / "flood", tiny.elf64(tiny.open_forever(flags)))
        self._file = os.memfd_create("flood")
        os.ftruncate(self._file, mmap.PAGESIZE)
        self._page = mmap.mmap(self._file, mmap.PAGESIZE)
        self.seconds = 0.0

    def __enter__(self) -> Flood:
        self._began = time.monotonic()
        # Dropped to a process of its own group of descriptors: only the shared page goes along, as number 3.
        moved = [(os.POSIX_SPAWN_DUP2, self._file, PAGE_FD)]
        self.pid = os.posix_spawn(self._program, ["flood", str(self._path)], {}, file_actions=moved)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._page[STOP] = 1
        os.waitpid(self.pid, 0)
        self.seconds = time.monotonic() - self._began
        self._total = self.made()
        self._page.close()
        os.close(self._file)

    def made(self) -> int:
        """Opens so far."""
        if self._page.closed:
            return self._total
        return sum(_U64.unpack_from(self._page, place)[0] for place in COUNTS)

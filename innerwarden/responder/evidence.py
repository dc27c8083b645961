# SPDX-License-Identifier: Apache-2.0
"""What skills collect: one directory each below a directory of ours, bounded in all, the oldest gives way."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from innerwarden.clock import realtime_ns
from innerwarden.files import sync_directory
from innerwarden.responder.skill import SkillError

#: While it is written; what is complete has the same name without it.
_UNDONE = ".part"
#: Collecting never takes a disk below this.
MIN_FREE_BYTES = 128 << 20


class Evidence:
    """`name`: the directory below `parent`, `quota`: bytes of file content in it, all together."""

    def __init__(self, parent: Path, name: str, quota: int) -> None:
        self.directory = parent / name
        self._quota = quota

    def new_name(self) -> str:
        """Sorts by time."""
        return f"{realtime_ns():020d}"

    def is_complete(self, name: str) -> bool:
        return self.place(name).is_dir()

    def begin(self, name: str, room: int) -> Path:
        """An empty directory for `name`, with `room` bytes free under the quota. Raises SkillError, OSError."""
        self.directory.mkdir(mode=0o700, exist_ok=True)
        self.discard(name)
        self._make_room(room)
        free = os.statvfs(self.directory)
        if free.f_bavail * free.f_frsize < room + MIN_FREE_BYTES:
            raise SkillError(f"the disk of {self.directory} is nearly full", "Free some space")
        place = self.partial(name)
        place.mkdir(mode=0o700)
        return place

    def finish(self, name: str) -> None:
        self.partial(name).rename(self.place(name))
        sync_directory(self.directory)

    def discard(self, name: str) -> None:
        """Remove what was begun under `name` and never finished."""
        if self.partial(name).is_dir():
            shutil.rmtree(self.partial(name))

    def clear(self) -> None:
        if self.directory.is_dir():
            shutil.rmtree(self.directory)

    def partial(self, name: str) -> Path:
        return self.place(name).with_name(name + _UNDONE)

    def place(self, name: str) -> Path:
        """Where it lies once it is complete. Raises SkillError for what is no name of ours."""
        if not name.isdigit():
            raise SkillError(f"{name!r} is no collection of ours", "Look at the journal")
        return self.directory / name

    def _make_room(self, room: int) -> None:
        sizes = {entry.name: _size(Path(entry.path)) for entry in os.scandir(self.directory)}
        for name in sorted(sizes):
            if sum(sizes.values()) + room <= self._quota:
                return
            shutil.rmtree(self.directory / name)
            del sizes[name]


def _size(directory: Path) -> int:
    return sum(part.lstat().st_size for part in directory.rglob("*") if part.is_file())

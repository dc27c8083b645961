# SPDX-License-Identifier: Apache-2.0
"""Files that decide who may do what: what changed in them, and who did it.

Every look compares the inode's stamp, which no write, rename or exchange of links leaves as it was, and hashes what
has another one. The kernel's file notifications say who; without them (no right, a file system without handles) a
change is told all the same, without an actor.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Sequence

from innerwarden.libbpf import fanotify
from innerwarden.model._wire import Change
from innerwarden.sensor.inventory import files, packages, walk
from innerwarden.sensor.inventory.baseline import Baseline, Difference, Item
from innerwarden.sensor.inventory.collector import Find, Look
from innerwarden.sensor.inventory.fact import UNKNOWN_UID, Actor, Fact
from innerwarden.sensor.inventory.unit_places import Place
from innerwarden.sensor.inventory.watched_files import PASSED_OVER, PLACES

KIND = "host.file_change"
FILES = 16384
DIRECTORIES = 1024
HASH_BYTES = 64 << 20
STEP = 16
#: Writers that wait for a look; a look takes all of them.
WRITERS = 4096
MASK = (
    *(fanotify.MODIFY, fanotify.ATTRIB, fanotify.CLOSE_WRITE, fanotify.MOVED_FROM, fanotify.MOVED_TO),
    *(fanotify.CREATE, fanotify.DELETE),
)
#: What a package brought, in Fact.name; anything else is `own`.
SHIPPED, OWN = "package", "own"


class FileChanges:
    """`root` stands before every path; `more` are further files and directories; `actor_of` knows processes by id."""

    id = "file_changes"
    budget_ms = 0.5

    def __init__(
        self,
        baseline: Baseline,
        actor_of: Callable[[int], Actor | None],
        more: Sequence[str] = (),
        *,
        root: str = "",
        places: Iterable[Place] = PLACES,
        status: str = packages.STATUS,
    ) -> None:
        self.baseline = baseline
        self._actor_of = actor_of
        self._root = root.rstrip("/")
        self._places = (*places, *(Place(path, "a watched file", 4) for path in more))
        self._status = status
        self._group: fanotify.Group | None = None
        self._deaf = ""
        self._directories: dict[bytes, str] = {}
        self._unmarked = 0
        self._overflows = 0
        self._writers: dict[str, Actor | int] = {}
        self._what: dict[str, str] = {}
        self._cut = 0
        self._unread = 0

    def obstacle(self) -> str:
        return ""

    def remark(self) -> str:
        parts = []
        if self._deaf:
            parts.append(f"who changed a file is not known: {self._deaf}")
        elif self._unmarked:
            parts.append(f"in {self._unmarked} directories the kernel does not say who changed a file")
        if self._overflows:
            parts.append(f"the kernel's queue of changes was full {self._overflows} times")
        if self._cut:
            parts.append(f"{self._cut} files more than the {FILES} that are remembered")
        if self._unread:
            parts.append(f"{self._unread} files cannot be read")
        return "; ".join(parts)

    def look(self) -> Look:
        starts = [(place, start) for place in self._places for start in walk.starts(self._root, place.path)]
        yield from self._listen(starts)
        seen: dict[str, Item] = {}
        walked: set[tuple[int, int]] = set()
        self._cut = self._unread = 0
        for place, start in starts:
            for count, path in enumerate(walk.files_below(start, place.depth, walked)):
                if len(seen) >= FILES:
                    self._cut += 1
                elif path not in seen and (item := (yield from self._item(path))) is not None:
                    seen[path] = item
                    self._what[path] = place.what
                if count % STEP == 0:
                    yield None
            yield None
        yield from self._hear()
        for one in self.baseline.compare(seen, walk.is_gone):
            yield (yield from self._fact(one))
        self._writers = {}
        self._what = {path: self._what[path] for path in self.baseline.items or () if path in self._what}

    def _listen(self, starts: list[tuple[Place, str]]) -> Find[None]:
        """Ask for the events of every directory that has watched files; a new one takes the place of an old one."""
        if self._deaf:
            return
        if self._group is None:
            try:
                self._group = fanotify.Group(names=True)
            except OSError as error:
                self._deaf = str(error)
                return
        directories: dict[bytes, str] = {}
        self._unmarked = 0
        wanted = dict.fromkeys(one for place, start in starts for one in _directories(start, place.depth))
        for path in list(wanted)[:DIRECTORIES]:
            try:
                self._group.watch_directory(path, sum(MASK))
                directories[fanotify.handle_of(path)] = path
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError:
                self._unmarked += 1
            yield None
        self._directories = directories

    def _hear(self) -> Find[None]:
        """Note the last writer of every file that the kernel named."""
        if self._group is None:
            return
        while events := self._group.read():
            for event in events:
                self._overflows += bool(event.mask & fanotify.OVERFLOW)
                place = self._directories.get(event.place)
                if place is not None and event.name and len(self._writers) < WRITERS:
                    path = f"{place}/{event.name}"
                    self._writers[path] = self._actor_of(event.pid) or event.pid
            yield None

    def _item(self, path: str) -> Find[Item | None]:
        """Its state; that of the last look when the inode did not change. None for what is no file."""
        if path.rpartition("/")[2] in PASSED_OVER:
            return None
        try:
            state = os.lstat(path)
        except OSError:
            return None
        stamp = files.stamp_of(state)
        before = (self.baseline.items or {}).get(path)
        if before is not None and before.stamp == stamp:
            return before
        rights = f"{state.st_mode:o} {state.st_uid}:{state.st_gid} {state.st_size}"
        if stat.S_ISLNK(state.st_mode):
            return Item(f"{rights} -> {files.link(path)}", stamp=stamp, number=state.st_ino)
        if not stat.S_ISREG(state.st_mode):
            return None
        sha256 = ""
        for part in files.digest(path, HASH_BYTES):
            sha256 = part or sha256
            yield None
        self._unread += not sha256
        # What cannot be hashed is told apart by its time, so that a change is still a change.
        content = sha256 or f"unread {state.st_mtime_ns}"
        return Item(f"{rights} {content}", sha256, stamp, number=state.st_ino)

    def _fact(self, one: Difference) -> Find[Fact]:
        mode, owner = one.item.value.split(" ")[:2]
        name = OWN
        if one.change in (Change.APPEARED, Change.CHANGED):
            shipped = yield from packages.is_shipped(one.key, self._status)
            name = SHIPPED if shipped else OWN
        writer = self._writers.get(one.key)
        reason = f"{self._what.get(one.key, 'a watched file')} {told(one)}"
        if isinstance(writer, int):
            reason += f", by process {writer}, which is gone"
        return Fact(
            kind=KIND,
            change=one.change,
            name=name,
            path=one.key,
            value=one.item.value,
            old_value=one.old.value if one.old and one.change is Change.CHANGED else "",
            sha256=one.item.sha256,
            inode=one.item.number,
            mode=int(mode, 8),
            target_uid=int(owner.split(":")[0]) if one.change is not Change.VANISHED else UNKNOWN_UID,
            reason=reason,
            actor=writer if isinstance(writer, Actor) else None,
        )


def told(one: Difference) -> str:
    """What a difference is, in words: which of mode, owner, size and content is another one."""
    if one.change is not Change.CHANGED or one.old is None:
        return {
            Change.BASELINE: "was there at the first look",
            Change.APPEARED: "is new",
            Change.VANISHED: "is gone",
        }.get(one.change, "changed")
    old, new = one.old.value.split(" ", 3), one.item.value.split(" ", 3)
    parts = []
    if old[3] != new[3]:
        parts.append(f"content {_short(old[3])}, now {_short(new[3])}")
    if old[0] != new[0]:
        parts.append(f"mode {old[0]}, now {new[0]}")
    if old[1] != new[1]:
        parts.append(f"owner {old[1]}, now {new[1]}")
    return "changed: " + "; ".join(parts or ["size"])


def _short(content: str) -> str:
    return content if content.startswith(("->", "unread")) else f"sha256 {content[:12]}"


def _directories(start: str, depth: int) -> Iterable[str]:
    """Those whose events tell about the files of a place."""
    if depth == 0:
        yield start.rpartition("/")[0] or "/"
        return
    yield start
    if depth > 1:
        try:
            with os.scandir(start) as found:
                below = [entry.path for entry in found if entry.is_dir(follow_symlinks=False)]
        except OSError:
            return
        for path in below:
            yield from _directories(path, depth - 1)

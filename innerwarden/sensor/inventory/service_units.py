# SPDX-License-Identifier: Apache-2.0
"""Files from which the system starts programs by itself: units, timers, generators, cron tables and their kin.

The kernel source reports the write and who made it; this looks at what is there, however it came: before the
sensor's start, from another mount namespace, with the disk in another machine.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Sequence

from innerwarden.model._wire import Change
from innerwarden.sensor.inventory import files, walk
from innerwarden.sensor.inventory.baseline import Baseline, Difference, Item
from innerwarden.sensor.inventory.collector import Look
from innerwarden.sensor.inventory.fact import UNKNOWN_UID, Fact
from innerwarden.sensor.inventory.unit_places import PLACES, Place

KIND = "host.service_unit"
FILES = 16384
FILE_BYTES = 1 << 20
NOTE_CHARACTERS = 1024
#: Directory entries looked at in one step.
STEP = 16


class ServiceUnits:
    """`root` stands before every path; `more` are further directories of units."""

    id = "service_units"
    budget_ms = 0.5

    def __init__(self, baseline: Baseline, root: str = "", more: Sequence[str] = ()) -> None:
        self.baseline = baseline
        self._root = root.rstrip("/")
        self._places = (*PLACES, *(Place(path, "a systemd unit", 2, ("Exec",)) for path in more))
        self._what: dict[str, str] = {}
        self._cut = 0
        self._unread = 0

    def obstacle(self) -> str:
        return ""

    def remark(self) -> str:
        parts = []
        if self._cut:
            parts.append(f"{self._cut} files more than the {FILES} that are remembered")
        if self._unread:
            parts.append(f"{self._unread} files cannot be read by this user")
        return "; ".join(parts)

    def look(self) -> Look:
        seen: dict[str, Item] = {}
        walked: set[tuple[int, int]] = set()
        self._cut = self._unread = 0
        for place in self._places:
            for start in walk.starts(self._root, place.path):
                for count, path in enumerate(walk.files_below(start, place.depth, walked)):
                    if len(seen) >= FILES:
                        self._cut += 1
                    elif path not in seen and (item := self._item(path, place)) is not None:
                        seen[path] = item
                        self._what[path] = place.what
                    if count % STEP == 0:
                        yield None
            yield None
        for one in self.baseline.compare(seen, walk.is_gone):
            yield self._fact(one)
        self._what = {path: self._what[path] for path in self.baseline.items or () if path in self._what}

    def _item(self, path: str, place: Place) -> Item | None:
        """Its state; that of the last look when the inode did not change. None for what is no file."""
        try:
            state = os.lstat(path)
        except OSError:
            return None
        stamp = files.stamp_of(state)
        before = (self.baseline.items or {}).get(path)
        if before is not None and before.stamp == stamp:
            return before
        if stat.S_ISLNK(state.st_mode):
            target = files.link(path)
            return Item(value=f"-> {target}", stamp=stamp, note=f"-> {target}", number=state.st_ino)
        if not stat.S_ISREG(state.st_mode):
            return None
        try:
            content = files.read(path, FILE_BYTES)
        except OSError:
            self._unread += 1
            return None
        sha256 = hashlib.sha256(content).hexdigest()
        value = f"{state.st_mode:o} {state.st_uid} {sha256}"
        return Item(value, sha256, stamp, started(content, place.keys), state.st_ino)

    def _fact(self, one: Difference) -> Fact:
        verb = {
            Change.BASELINE: "was there at the first look",
            Change.APPEARED: "is new",
            Change.CHANGED: "changed",
            Change.VANISHED: "is gone",
        }[one.change]
        words = one.item.value.split(" ")
        mode, uid = (0, UNKNOWN_UID) if words[0] == "->" else (int(words[0], 8), int(words[1]))
        return Fact(
            kind=KIND,
            change=one.change,
            name=one.key.rpartition("/")[2],
            path=one.key,
            value=one.item.note,
            old_value=one.old.note if one.old and one.change is Change.CHANGED else "",
            sha256=one.item.sha256,
            inode=one.item.number,
            mode=mode,
            target_uid=uid,
            reason=f"{self._what.get(one.key, 'a start file')} {verb}",
        )


def started(content: bytes, keys: tuple[str, ...]) -> str:
    """The lines that tell what a file starts, joined by `; `, in their order, continued lines joined."""
    if not keys:
        return ""
    found = []
    for line in content.decode("utf-8", "surrogateescape").replace("\\\n", " ").splitlines():
        words = line.strip()
        if words and not words.startswith(("#", ";")) and words.startswith(keys):
            found.append(words)
    return "; ".join(found)[:NOTE_CHARACTERS]

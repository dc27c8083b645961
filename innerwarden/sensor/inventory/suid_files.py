# SPDX-License-Identifier: Apache-2.0
"""Files that give rights to whoever runs them: set-user-id, set-group-id, file capabilities.

The walk covers local file systems, each once, and takes its time. A file is hashed when its inode changed. Overlay
mounts other than the root show what their layers hold as well, and the layers are walked.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence

from innerwarden.model._wire import Change
from innerwarden.sensor.inventory import files, mounts
from innerwarden.sensor.inventory.baseline import Baseline, Difference, Item
from innerwarden.sensor.inventory.collector import Find, Look
from innerwarden.sensor.inventory.fact import Fact

KIND = "host.suid_file"
CAPABILITY = "security.capability"
#: File systems that hold files of their own on this machine. Source: fs/*/ of the kernel.
LOCAL = frozenset(
    {
        *("ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "jfs", "reiserfs", "zfs", "bcachefs", "nilfs2"),
        *("tmpfs", "ramfs", "rootfs", "squashfs", "erofs", "iso9660", "udf", "exfat", "vfat", "ntfs3"),
    }
)
#: Directory entries in one step, some 50 us.
STEP = 12
FILES = 20000
DEPTH = 128
HASH_BYTES = 64 << 20
_IDS = stat.S_ISUID | stat.S_ISGID
_EXECUTE = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH


class SuidFiles:
    """`roots` are where the walk begins; `baseline` keys are paths."""

    id = "suid_files"
    kind = KIND

    def __init__(self, baseline: Baseline, roots: Sequence[str] = ("/",), proc: str = "/proc") -> None:
        self.baseline = baseline
        self._roots = roots
        self._proc = proc
        self._cut = 0

    @property
    def budget_ms(self) -> float:
        """The first walk is wanted soon; later ones are a change's second witness and cost 0.1 % of a core."""
        return 0.4 if self.baseline.items is None else 0.1

    def obstacle(self) -> str:
        if os.geteuid() != 0:
            return "directories of other users need root (CAP_DAC_READ_SEARCH)"
        return ""

    def remark(self) -> str:
        return f"{self._cut} files more than the {FILES} that are remembered" if self._cut else ""

    def look(self) -> Look:
        seen: dict[str, Item] = {}
        self._cut = 0
        for path in self._walk():
            if path is None:
                yield None
            elif len(seen) >= FILES:
                self._cut += 1
            elif (item := (yield from self._item(path))) is not None:
                seen[path] = item
        for one in self.baseline.compare(seen, _is_gone):
            yield fact_of(one)

    def _walk(self) -> Iterator[str | None]:
        """Paths of privileged files; None after each step."""
        skipped = self._skipped()
        walked: set[tuple[int, int]] = set()
        for root in self._roots:
            waiting = [(root, 0)]
            while waiting:
                place, depth = waiting.pop()
                if place in skipped or not _first_time(place, walked, depth == 0 or place in self._places):
                    continue
                yield from self._directory(place, depth, waiting)

    def _skipped(self) -> set[str]:
        """Mount points of other than local file systems."""
        table = mounts.table(f"{self._proc}/self/mountinfo")
        last = {mount.place: mount for mount in table}  # the one on top
        self._places = set(last)
        return {
            place
            for place, mount in last.items()
            if mount.fs_type not in LOCAL and not (mount.fs_type == "overlay" and place == "/")
        }

    @staticmethod
    def _directory(place: str, depth: int, waiting: list[tuple[str, int]]) -> Iterator[str | None]:
        try:
            entries = os.scandir(place)
        except OSError:
            return
        with entries:
            count = 0
            for entry in entries:
                count += 1
                if count % STEP == 0:
                    yield None
                try:
                    if entry.is_dir(follow_symlinks=False):
                        if depth < DEPTH:
                            waiting.append((entry.path, depth + 1))
                    elif entry.is_file(follow_symlinks=False) and _is_privileged(entry):
                        yield entry.path
                except OSError:
                    continue
        yield None

    def _item(self, path: str) -> Find[Item | None]:
        """The file's state, with the hash of the last look when its inode did not change."""
        try:
            state = os.lstat(path)
        except OSError:
            return None
        stamp = files.stamp_of(state)
        before = (self.baseline.items or {}).get(path)
        if before is not None and before.stamp == stamp:
            return before
        sha256 = ""
        for part in files.digest(path, HASH_BYTES):
            sha256 = part or sha256
            yield None
        value = f"{state.st_mode:o} {state.st_uid}:{state.st_gid} {_capabilities(path)} {sha256}"
        return Item(value=value, sha256=sha256, stamp=stamp, number=state.st_ino)


def _first_time(place: str, walked: set[tuple[int, int]], is_boundary: bool) -> bool:
    """A directory that is mounted in several places is walked once."""
    if not is_boundary:
        return True
    try:
        state = os.stat(place)  # noqa: PTH116 - a string, like all of the walk
    except OSError:
        return False
    key = (state.st_dev, state.st_ino)
    if key in walked:
        return False
    walked.add(key)
    return True


def _is_privileged(entry: os.DirEntry[str]) -> bool:
    mode = entry.stat(follow_symlinks=False).st_mode
    if not mode & _EXECUTE:
        return False
    # Set-group-id without the group's execute bit meant mandatory locking; it gives no rights.
    if mode & stat.S_ISUID or mode & (stat.S_ISGID | stat.S_IXGRP) == stat.S_ISGID | stat.S_IXGRP:
        return True
    return bool(_capabilities(entry.path))


def _capabilities(path: str) -> str:
    """The file's capability attribute as hexadecimal; empty without."""
    try:
        return os.getxattr(path, CAPABILITY, follow_symlinks=False).hex()
    except OSError:
        return ""


def _is_gone(path: str) -> bool:
    """Really no longer privileged: a walk that could not enter a directory says nothing about its files."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return not mode & _IDS and not _capabilities(path)


def fact_of(one: Difference) -> Fact:
    mode, owner, capabilities = one.item.value.split(" ")[:3]
    bits, uid = int(mode, 8), int(owner.split(":")[0])
    rights = []
    if bits & stat.S_ISUID:
        rights.append(f"runs as user {uid}")
    if bits & stat.S_ISGID:
        rights.append(f"runs as group {owner.split(':')[1]}")
    if capabilities:
        rights.append(f"has file capabilities {capabilities}")
    verb = {
        Change.BASELINE: "was there at the first look",
        Change.APPEARED: "is new",
        Change.CHANGED: "changed",
        Change.VANISHED: "lost its rights or is gone",
    }[one.change]
    return Fact(
        kind=KIND,
        change=one.change,
        name=one.key.rpartition("/")[2],
        path=one.key,
        value=one.item.value,
        old_value=one.old.value if one.old else "",
        sha256=one.item.sha256,
        inode=one.item.number,
        mode=bits,
        target_uid=uid,
        reason=f"a file that {' and '.join(rights)} {verb}",
    )

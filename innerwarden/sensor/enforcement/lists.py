# SPDX-License-Identifier: Apache-2.0
"""The lists that the LSM programs judge by, each with the maps it fills. Entries are given by path.

Every list follows its files: `refresh` finds those that were replaced, went away or came to be. An entry may be
`awaited`: listed although there is no such file yet.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import IntFlag
from pathlib import Path
from typing import NamedTuple

from innerwarden.errors import UsageError
from innerwarden.libbpf import Map
from innerwarden.sensor.enforcement.identity import FileIdentity, PathHash, cgroup_id, file_identity

LISTED_PATH_BYTES = 256

_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_LISTED = struct.Struct(f"<II{LISTED_PATH_BYTES}s")
_PRESENT = _U32.pack(1)


def canonical(path: str) -> str:
    """Absolute, all symbolic links followed as far as they lead. Raises UsageError for a relative path."""
    if not path.startswith("/"):
        raise UsageError(f"cannot list {path!r}: it is not an absolute path", "Begin it with /")
    return str(Path(path).resolve())


def identity_or_none(path: str) -> FileIdentity | None:
    try:
        return file_identity(path)
    except UsageError:
        return None


def _seen(path: str) -> tuple[int, int] | None:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


class FileList:
    """Paths with the file that each one led to last; `put` and `drop` keep a map in step with them."""

    def __init__(
        self, put: Callable[[FileIdentity, str], None], drop: Callable[[FileIdentity], None]
    ) -> None:
        self._put = put
        self._drop = drop
        self._found: dict[str, FileIdentity | None] = {}
        #: What stat said when the identity was taken: as long as it says the same, the file is the same.
        self._seen: dict[str, tuple[int, int] | None] = {}

    def add(self, path: str, *, awaited: bool) -> FileIdentity | None:
        """`path` is canonical. Raises UsageError when there is no such file, unless it is awaited."""
        seen = _seen(path)
        identity = identity_or_none(path) if awaited else file_identity(path)
        self._seen[path] = seen
        self._replace(path, identity)
        return identity

    def remove(self, path: str) -> bool:
        """True when it was listed."""
        if path not in self._found:
            return False
        self._replace(path, None)
        del self._found[path], self._seen[path]
        return True

    def refresh(self) -> tuple[str, ...]:
        """Look at every path again; returns those without a file."""
        for path in list(self._found):
            if _seen(path) != self._seen[path]:
                self.add(path, awaited=True)
        return tuple(path for path, identity in self._found.items() if identity is None)

    def _replace(self, path: str, identity: FileIdentity | None) -> None:
        """The new entry is there before the old one goes."""
        old = self._found.get(path)
        self._found[path] = identity
        if identity is not None:
            self._put(identity, path)
        if old is None or old == identity:
            return
        if others := self.paths_of(old):
            self._put(old, others[0])
        else:
            self._drop(old)

    def identities(self) -> set[FileIdentity]:
        return {identity for identity in self._found.values() if identity is not None}

    def paths_of(self, identity: FileIdentity) -> tuple[str, ...]:
        return tuple(path for path, found in self._found.items() if found == identity)

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)


def _file_map(entries: Map, prefix: bytes = b"") -> FileList:
    """A list whose map holds the bare identities, behind `prefix`."""

    def drop(identity: FileIdentity) -> None:
        entries.delete(prefix + identity.pack())

    return FileList(lambda identity, _path: entries.update(prefix + identity.pack(), _PRESENT), drop)


class Exempt(IntFlag):
    """What the programs of a file may do whatever the rules say."""

    WRITE = 1
    BPF = 2
    SELF = 4
    EXEC = 8
    """Always executable."""


class Exemptions:
    """Files of programs that may do what a rule forbids. An interpreter's exemption is that of every script."""

    def __init__(self, entries: Map) -> None:
        self._map = entries
        self._what: dict[str, Exempt] = {}
        self._files = FileList(self._put, self._drop)

    def add(self, path: str, what: Exempt, *, awaited: bool = False) -> None:
        """Raises UsageError when there is no such file, unless it is awaited."""
        place = canonical(path)
        before = self._what.get(place, Exempt(0))
        self._what[place] = before | what
        try:
            self._files.add(place, awaited=awaited)
        except UsageError:
            if not before:
                del self._what[place]
            raise

    def remove(self, path: str, what: Exempt) -> bool:
        """True when it was exempt from some of that."""
        place = canonical(path)
        before = self._what.get(place, Exempt(0))
        self._what[place] = before & ~what
        if self._what[place]:
            self._files.add(place, awaited=True)
        else:
            del self._what[place]
            self._files.remove(place)
        return bool(before & what)

    def _put(self, identity: FileIdentity, path: str) -> None:
        self._map.update(identity.pack(), _U32.pack(self._granted(identity)))

    def _drop(self, identity: FileIdentity) -> None:
        self._map.delete(identity.pack())

    def _granted(self, identity: FileIdentity) -> Exempt:
        """All names of a file together."""
        granted = Exempt(0)
        for path in self._files.paths_of(identity):
            granted |= self._what.get(path, Exempt(0))
        return granted

    def always_executable(self) -> set[FileIdentity]:
        return {i for i in self._files.identities() if self._granted(i) & Exempt.EXEC}

    def refresh(self) -> tuple[str, ...]:
        return self._files.refresh()

    def all(self) -> dict[str, Exempt]:
        return dict(self._what)


class DenyList:
    """Programs that nobody may execute: by path, whatever stands there, and by file, whatever its name."""

    def __init__(self, files: Map, paths: Map, path_hash: PathHash, exemptions: Exemptions) -> None:
        self._files = _file_map(files)
        self._paths = paths
        self._hash = path_hash
        self._exemptions = exemptions

    def add(self, path: str, *, awaited: bool = False) -> None:
        """Raises UsageError for a program that must always run, and for a missing one unless it is awaited."""
        place = canonical(path)
        if identity_or_none(place) in self._exemptions.always_executable():
            raise UsageError(
                f"cannot deny {path}: this machine or this sensor needs it", "See docs/configuration.md"
            )
        self._files.add(place, awaited=awaited)
        self._paths.update(_U64.pack(self._hash(place, 0)), _U64.pack(self._hash(place, 1)))

    def remove(self, path: str) -> bool:
        """True when it was listed."""
        place = canonical(path)
        if not self._files.remove(place):
            return False
        self._paths.delete(_U64.pack(self._hash(place, 0)))
        return True

    def refresh(self) -> tuple[str, ...]:
        return self._files.refresh()

    def all(self) -> tuple[str, ...]:
        return tuple(self._files)


class ProtectedFiles:
    """Files that nobody but exempt programs may write, cut, rename, replace or remove: by device and inode."""

    def __init__(self, entries: Map) -> None:
        self._map = entries
        self._files = FileList(self._put, self._drop)

    def _put(self, identity: FileIdentity, path: str) -> None:
        raw = os.fsencode(path)[:LISTED_PATH_BYTES]
        self._map.update(identity.pack(), _LISTED.pack(len(raw), 0, raw))

    def _drop(self, identity: FileIdentity) -> None:
        self._map.delete(identity.pack())

    def add(self, path: str, *, awaited: bool = False) -> None:
        """Raises UsageError when there is no such file, unless it is awaited."""
        self._files.add(canonical(path), awaited=awaited)

    def remove(self, path: str) -> bool:
        """True when it was listed."""
        return self._files.remove(canonical(path))

    def refresh(self) -> tuple[str, ...]:
        """A replaced file is followed; one that is gone loses its entry, lest its inode number serve another."""
        return self._files.refresh()

    def all(self) -> tuple[str, ...]:
        return tuple(self._files)


class AllowMaps(NamedTuple):
    groups: Map
    files: Map
    paths: Map


class _Members:
    """One group's list under the id that the group has now."""

    def __init__(self, maps: AllowMaps, path_hash: PathHash, number: int) -> None:
        self.number = number
        self._maps = maps
        self._prefix = _U64.pack(number)
        self._hash = path_hash
        self._files = _file_map(maps.files, self._prefix)

    def add(self, place: str, *, awaited: bool) -> None:
        self._files.add(place, awaited=awaited)
        self._maps.paths.update(self._path_key(place), _U64.pack(self._hash(place, 1)))

    def set_mode(self, mode: int) -> None:
        self._maps.groups.update(self._prefix, _U32.pack(mode))

    def close(self) -> None:
        self._maps.groups.delete(self._prefix)
        for place in list(self._files):
            self._files.remove(place)
            self._maps.paths.delete(self._path_key(place))

    def refresh(self) -> tuple[str, ...]:
        return self._files.refresh()

    def _path_key(self, place: str) -> bytes:
        return self._prefix + _U64.pack(self._hash(place, 0))


class AllowLists:
    """Control groups whose processes may execute the listed programs only; the groups below them included.

    A group that was removed and made again, as a service's is when it restarts, is another one to the kernel:
    `refresh` follows it.
    """

    def __init__(self, maps: AllowMaps, path_hash: PathHash, cgroup_root: Path | None) -> None:
        self._maps = maps
        self._hash = path_hash
        self._root = cgroup_root
        self._wanted: dict[str, tuple[int, list[str]]] = {}
        self._live: dict[str, _Members] = {}

    def set_mode(self, cgroup: str, mode: int, *, awaited: bool = False) -> None:
        """Begin or change a group's list; `mode` is an effective one. Raises UsageError for an unknown group, unless
        it is awaited."""
        if not awaited:
            cgroup_id(cgroup, self._root)
        self._wanted[cgroup] = (mode, self._wanted[cgroup][1] if cgroup in self._wanted else [])
        self._follow(cgroup)

    def add(self, cgroup: str, path: str, *, awaited: bool = False) -> None:
        """Raises UsageError when the group has no list or there is no such file, unless it is awaited."""
        if cgroup not in self._wanted:
            raise UsageError(f"control group {cgroup} has no allow list", "Set its mode first")
        place = canonical(path)
        if not awaited:
            file_identity(place)
        if place not in self._wanted[cgroup][1]:
            self._wanted[cgroup][1].append(place)
        if cgroup in self._live:
            self._live[cgroup].add(place, awaited=True)

    def remove(self, cgroup: str) -> bool:
        """Take the group's whole list away; True when it had one."""
        live = self._live.pop(cgroup, None)
        if live is not None:
            live.close()
        return self._wanted.pop(cgroup, None) is not None

    def refresh(self) -> tuple[str, ...]:
        missing: list[str] = []
        for cgroup in self._wanted:
            self._follow(cgroup)
            live = self._live.get(cgroup)
            missing += (cgroup,) if live is None else live.refresh()
        return tuple(missing)

    def _follow(self, cgroup: str) -> None:
        """The list is whole before the group is judged by it."""
        mode, places = self._wanted[cgroup]
        try:
            number = cgroup_id(cgroup, self._root)
        except UsageError:
            number = 0
        live = self._live.get(cgroup)
        if live is not None and live.number != number:
            live.close()
            del self._live[cgroup]
            live = None
        if live is None and number:
            live = self._live[cgroup] = _Members(self._maps, self._hash, number)
            for place in places:
                live.add(place, awaited=True)
        if live is not None:
            live.set_mode(mode)

    def all(self) -> dict[str, tuple[str, ...]]:
        return {cgroup: tuple(places) for cgroup, (_mode, places) in self._wanted.items()}


def never_denied() -> tuple[str, ...]:
    """Programs that no list touches: this interpreter, and what process 1 is and would be started from."""
    found = []
    for path in ("/proc/self/exe", "/proc/1/exe", "/sbin/init"):
        with suppress(OSError, RuntimeError):
            found.append(str(Path(path).resolve(strict=True)))
    return tuple(dict.fromkeys(found))

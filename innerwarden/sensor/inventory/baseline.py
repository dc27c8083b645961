# SPDX-License-Identifier: Apache-2.0
"""What was there at the last look, kept in the data directory so that a restart misses no change."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from innerwarden import clock
from innerwarden.model._wire import Change
from innerwarden.unreadable import UNREADABLE

logger = logging.getLogger(__name__)

VERSION = 1


class Item(msgspec.Struct, frozen=True, array_like=True):
    """One thing that is there. `value` decides whether it changed; the rest is only remembered.

    `stamp` tells a file's state without reading it (see files.stamp_of); `note` is text for a report.
    """

    value: str
    sha256: str = ""
    stamp: str = ""
    note: str = ""
    number: int = 0


class _File(msgspec.Struct, kw_only=True):
    version: int
    collector: str
    boot_id: str
    items: dict[str, Item]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """`item` is the present state, or the last known one when `change` is VANISHED; `old` the former one."""

    key: str
    change: Change
    item: Item
    old: Item | None = None


class Baseline:
    """The items of one collector. `path` None: kept in memory only.

    `boot_bound`: ids and order of start make a comparison across a reboot meaningless, so another boot
    begins anew. A file that cannot be read is moved aside and the next look is a first one; `refused` says why.
    """

    def __init__(self, collector: str, path: Path | None = None, *, boot_bound: bool = False) -> None:
        self._collector = collector
        self._path = path
        self._boot_id = _boot_id() if boot_bound else ""
        self._dirty = False
        self.refused = ""
        self.failures = 0
        self.items: dict[str, Item] | None = self._load()

    def _load(self) -> dict[str, Item] | None:
        if self._path is None:
            return None
        try:
            file = msgspec.json.decode(self._path.read_bytes(), type=_File)
        except FileNotFoundError:
            return None
        except (OSError, *UNREADABLE) as error:
            self._refuse(self._path, str(error))
            return None
        if file.version != VERSION:
            self._refuse(self._path, f"version {file.version}, this sensor writes {VERSION}")
            return None
        if file.collector != self._collector:
            self._refuse(self._path, f"it belongs to {file.collector}")
            return None
        return file.items if file.boot_id == self._boot_id else None

    def _refuse(self, path: Path, why: str) -> None:
        aside = path.with_name(path.name + ".corrupt")
        self.refused = f"the baseline file was refused ({why}), moved to {aside.name} and is taken anew"
        try:
            path.replace(aside)
        except OSError as error:
            self.refused = f"the baseline file was refused ({why}) and cannot be moved aside ({error})"
        logger.error("baseline refused collector=%s path=%s error=%s", self._collector, path, why)

    def compare(
        self, seen: Mapping[str, Item], gone: Callable[[str], bool] = lambda key: True
    ) -> Iterator[Difference]:
        """Differences to the last look, then `seen` is the baseline.

        At the first look everything is BASELINE. `gone` is asked before something counts as vanished:
        what it denies stays as it was.
        """
        old, kept = self.items, dict(seen)
        for key, item in seen.items():
            before = old.get(key) if old is not None else None
            if old is None:
                yield Difference(key=key, change=Change.BASELINE, item=item)
            elif before is None:
                yield Difference(key=key, change=Change.APPEARED, item=item)
            elif before.value != item.value:
                yield Difference(key=key, change=Change.CHANGED, item=item, old=before)
        for key, item in (old or {}).items():
            if key in seen:
                continue
            if gone(key):
                yield Difference(key=key, change=Change.VANISHED, item=item, old=item)
            else:
                kept[key] = item
        if kept != old:
            self.items, self._dirty = kept, True

    def save(self) -> None:
        """Write when something changed; a disk that refuses is counted, logged and tried again."""
        if self._path is None or not self._dirty or self.items is None:
            return
        file = _File(version=VERSION, collector=self._collector, boot_id=self._boot_id, items=self.items)
        temporary = self._path.with_name(self._path.name + ".new")
        try:
            self._path.parent.mkdir(mode=0o750, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
            with os.fdopen(os.open(temporary, flags, 0o640), "wb") as out:
                out.write(msgspec.json.encode(file))
                out.flush()
                os.fdatasync(out.fileno())
            temporary.replace(self._path)
        except OSError as error:
            self.failures += 1
            logger.error("baseline not written path=%s error=%s", self._path, error)
            return
        self._dirty = False


def _boot_id() -> str:
    try:
        return clock.boot_id()
    except OSError:
        return ""

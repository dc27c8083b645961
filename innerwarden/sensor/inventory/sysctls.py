# SPDX-License-Identifier: Apache-2.0
"""Drift of kernel settings that matter (sysctl_table.py), whoever wrote them and by which way."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from innerwarden.model._wire import Change
from innerwarden.sensor.inventory import files
from innerwarden.sensor.inventory.baseline import Baseline, Difference, Item
from innerwarden.sensor.inventory.collector import Look
from innerwarden.sensor.inventory.fact import Fact
from innerwarden.sensor.inventory.sysctl_table import SETTINGS, Setting, Weaker

KIND = "host.sysctl"
VALUE_BYTES = 2048
#: Entries of one directory that a `*` stands for.
ENTRIES = 256
#: Files that register and switch, and show no entry.
_NO_ENTRIES = frozenset({"register", "status"})
_NUMBER = re.compile(r"-?\d+")


class Sysctls:
    """`root` stands before every path. Keys are `name`, or `name.entry` where the path has a `*`."""

    id = "sysctls"
    budget_ms = 0.5

    def __init__(self, baseline: Baseline, root: str = "") -> None:
        self.baseline = baseline
        self._root = root.rstrip("/")
        self._settings: dict[str, tuple[Setting, str]] = {}

    def obstacle(self) -> str:
        return ""

    def remark(self) -> str:
        return ""

    def look(self) -> Look:
        seen: dict[str, Item] = {}
        found: dict[str, tuple[Setting, str]] = {}
        for setting in SETTINGS:
            for key, path in self._paths(setting):
                value = files.text(path, VALUE_BYTES)
                if value is not None:
                    seen[key] = Item(value=value.replace("\n", "; "))
                    found[key] = (setting, path)
                yield None
        known = {**self._settings, **found}
        for one in self.baseline.compare(seen, lambda key: not _exists(known, key)):
            if one.key in known:
                yield fact_of(one, *known[one.key])
        self._settings = {key: known[key] for key in self.baseline.items or () if key in known}

    def _paths(self, setting: Setting) -> Iterator[tuple[str, str]]:
        if "*" not in setting.path:
            yield setting.name, self._root + setting.path
            return
        before, _, after = (self._root + setting.path).partition("*")
        try:
            names = sorted(os.listdir(before))  # noqa: PTH208 - names only
        except OSError:
            return
        for name in [name for name in names if name not in _NO_ENTRIES][:ENTRIES]:
            yield f"{setting.name}.{name}", f"{before}{name}{after}"


def _exists(known: dict[str, tuple[Setting, str]], key: str) -> bool:
    """A file that is there and could not be read did not vanish."""
    return key in known and os.path.lexists(known[key][1])


def direction(setting: Setting, old: str, new: str) -> str:
    """weaker, stronger, helper or changed; numbers compare by the first one of the value."""
    if setting.weaker is Weaker.HELPER:
        return "helper"
    before, after = _NUMBER.search(old), _NUMBER.search(new)
    if setting.weaker is Weaker.OTHER or not before or not after or before[0] == after[0]:
        return "changed"
    fell = int(after[0]) < int(before[0])
    return "weaker" if fell == (setting.weaker is Weaker.LOWER) else "stronger"


def fact_of(one: Difference, setting: Setting, path: str) -> Fact:
    """`reason` begins with the direction, so that a rule can ask for it."""
    words = {
        Change.BASELINE: "baseline",
        Change.APPEARED: "helper" if setting.weaker is Weaker.HELPER and one.item.value else "changed",
        Change.VANISHED: "changed",
    }
    how = words.get(one.change) or direction(setting, one.old.value if one.old else "", one.item.value)
    return Fact(
        kind=KIND,
        change=one.change,
        name=one.key,
        path=path,
        value="" if one.change is Change.VANISHED else one.item.value,
        old_value=one.old.value if one.old else "",
        reason=f"{how}: {setting.why}",
    )

# SPDX-License-Identifier: Apache-2.0
"""Kernel modules in three views: /proc/modules, /sys/module/*/initstate, tags of /proc/kallsyms.

A module that takes itself off one list and not off the others is hiding; so is one that only left its mark in the
kernel's taint flags. One that takes itself off all of them cannot be seen from user space.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from innerwarden.model._wire import Change
from innerwarden.sensor.inventory import files
from innerwarden.sensor.inventory.baseline import Baseline, Difference, Item
from innerwarden.sensor.inventory.collector import Find, Look
from innerwarden.sensor.inventory.fact import Fact

KIND = "host.module"
#: The symbol table has some hundred thousand lines: it is read in every fifth look, a few pages a step.
SYMBOLS_EVERY = 5
SYMBOL_STEP = 1 << 15
LIST_BYTES = 1 << 20
MODULES = 4096
_TAG = re.compile(rb"\t\[([^\]]+)\]$", re.MULTILINE)
#: Tags of what the kernel compiles at run time.
_NOT_MODULES = (b"bpf", b"__builtin")
#: Documentation/admin-guide/tainted-kernels.rst: O (12) out of tree, E (13) unsigned.
_FOREIGN = 1 << 12 | 1 << 13


class Modules:
    """`root` stands before /proc and /sys."""

    id = "modules"
    budget_ms = 0.5

    def __init__(self, baseline: Baseline, root: str = "") -> None:
        self.baseline = baseline
        self._proc = f"{root.rstrip('/')}/proc"
        self._sys = f"{root.rstrip('/')}/sys/module"
        self._looks = 0
        self._told: set[str] = set()
        self._foreign: int | None = None

    def obstacle(self) -> str:
        if not Path(f"{self._proc}/modules").exists():
            return "this kernel has no loadable modules (CONFIG_MODULES)"
        return ""

    def remark(self) -> str:
        return ""

    def look(self) -> Look:
        listed = self._listed()
        yield None
        hidden = self._differences(listed, self._loaded())
        yield None
        if hidden:
            listed = self._listed()
            again = self._differences(listed, self._loaded())
            hidden = {name: why for name, why in hidden.items() if again.get(name) == why}
        if self._looks % SYMBOLS_EVERY == 0:
            tagged: set[str] = set()
            yield from self._symbols(tagged)
            hidden |= yield from self._untold(tagged - set(listed))
        self._looks += 1
        yield from self._tell(hidden, {name: taints for name, (taints, _) in listed.items()})
        seen = {name: Item(value=taints) for name, (taints, live) in list(listed.items())[:MODULES] if live}
        # A module on its way in or out is in the list and not in the baseline; it did not vanish.
        for one in self.baseline.compare(seen, lambda name: name not in listed):
            yield fact_of(one)

    def _listed(self) -> dict[str, tuple[str, bool]]:
        """Name -> (taint letters, is live). proc_modules(5): name size users dependants state address taints."""
        found = {}
        for line in files.read(f"{self._proc}/modules", LIST_BYTES).decode("ascii", "replace").splitlines():
            words = line.split()
            if len(words) >= 5:
                taints = words[-1].strip("()") if words[-1].startswith("(") else ""
                found[words[0]] = (taints, words[4] == "Live")
        return found

    def _loaded(self) -> set[str]:
        """Loaded modules have an initstate; parts of the kernel itself have none."""
        found: set[str] = set()
        try:
            names = os.listdir(self._sys)  # noqa: PTH208 - names only
        except OSError:
            return found
        for name in names:
            if files.text(f"{self._sys}/{name}/initstate", 32) == "live":
                found.add(name)
        return found

    @staticmethod
    def _differences(listed: dict[str, tuple[str, bool]], loaded: set[str]) -> dict[str, str]:
        live = {name for name, (_, is_live) in listed.items() if is_live}
        found = dict.fromkeys(loaded - set(listed), "/sys/module lists it and /proc/modules does not")
        return found | dict.fromkeys(live - loaded, "/proc/modules lists it and /sys/module does not")

    def _symbols(self, tagged: set[str]) -> Find[None]:
        """Collect the names of modules that have symbols."""
        fd = os.open(f"{self._proc}/kallsyms", os.O_RDONLY | os.O_CLOEXEC)
        try:
            rest, read = b"", 1
            while read:
                parts, read = [rest], 0
                while read < SYMBOL_STEP and (part := os.read(fd, SYMBOL_STEP)):
                    parts.append(part)
                    read += len(part)
                whole, _, rest = b"".join(parts).rpartition(b"\n")
                if b"\t[" in whole:
                    found = {tag for tag in _TAG.findall(whole) if not tag.startswith(_NOT_MODULES)}
                    tagged |= {tag.decode("ascii", "replace") for tag in found}
                yield None
        finally:
            os.close(fd)

    def _untold(self, suspects: set[str]) -> Find[dict[str, str]]:
        """The names with symbols and without a line that stay so, after a second look at both lists."""
        if not suspects:
            return {}
        tagged: set[str] = set()
        yield from self._symbols(tagged)
        stay = (suspects & tagged) - set(self._listed())
        return dict.fromkeys(stay, "/proc/kallsyms shows its symbols and /proc/modules does not list it")

    def _tell(self, hidden: dict[str, str], taints: dict[str, str]) -> Look:
        for name, why in hidden.items():
            if name not in self._told and len(self._told) < MODULES:
                self._told.add(name)
                yield Fact(kind=KIND, change=Change.FOUND, name=name, reason=why)
        gained = self._gained()
        if gained and not any(set(letters) & {"O", "E"} for letters in taints.values()):
            yield Fact(
                kind=KIND,
                change=Change.FOUND,
                name="(unknown)",
                value=f"taint bits {gained:#x}",
                reason="a foreign or unsigned module marked the kernel since the last look, and none is listed",
            )

    def _gained(self) -> int:
        """Marks of foreign modules that are new since the last look; 0 at the first."""
        now = int(files.text(f"{self._proc}/sys/kernel/tainted") or 0) & _FOREIGN
        before, self._foreign = self._foreign, now
        return 0 if before is None else now & ~before


def fact_of(one: Difference) -> Fact:
    verb = {
        Change.BASELINE: "was loaded at the first look",
        Change.APPEARED: "was loaded since the last look",
        Change.CHANGED: "changed its marks",
        Change.VANISHED: "was removed since the last look",
    }[one.change]
    foreign = " (out of tree or unsigned)" if set(one.item.value) & {"O", "E"} else ""
    return Fact(
        kind=KIND,
        change=one.change,
        name=one.key,
        value=one.item.value,
        old_value=one.old.value if one.old else "",
        reason=f"kernel module {one.key}{foreign} {verb}",
    )

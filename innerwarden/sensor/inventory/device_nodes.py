# SPDX-License-Identifier: Apache-2.0
"""Devices that give memory, disks or somebody's input, and that more people may open than they should."""

from __future__ import annotations

import fnmatch
import os
import stat

from innerwarden.model._wire import Change
from innerwarden.sensor.inventory.baseline import Baseline, Difference, Item
from innerwarden.sensor.inventory.collector import Look
from innerwarden.sensor.inventory.fact import Fact

KIND = "host.device_node"
NODES = 4096
STEP = 32

#: Pattern below /dev -> most open mode, and what the device gives. Source: 50-udev-default.rules.in of systemd and
#: Documentation/admin-guide/devices.txt; /dev/net/tun, /dev/fuse and render nodes are everybody's on purpose.
RULES: tuple[tuple[str, int, str], ...] = (
    ("mem", 0o640, "the machine's memory"),
    ("kmem", 0o640, "the kernel's memory"),
    ("port", 0o640, "the machine's ports"),
    ("cpu/*/msr", 0o600, "registers of the processor"),
    ("sd*", 0o660, "a disk"),
    ("vd*", 0o660, "a disk"),
    ("xvd*", 0o660, "a disk"),
    ("nvme*n*", 0o660, "a disk"),
    ("mmcblk*", 0o660, "a disk"),
    ("dm-*", 0o660, "a disk"),
    ("md[0-9]*", 0o660, "a disk"),
    ("sg[0-9]*", 0o660, "commands to a disk"),
    ("mapper/control", 0o600, "the tables of logical disks"),
    ("mtd[0-9]*", 0o660, "flash memory"),
    ("kvm", 0o660, "virtual machines in the kernel"),
    ("vhost-*", 0o660, "virtual machines' devices in the kernel"),
    ("uinput", 0o660, "made-up input"),
    ("input/event*", 0o660, "what is typed"),
    ("hidraw*", 0o660, "what is typed"),
    ("tpm[0-9]*", 0o660, "the keys of the TPM"),
    ("tpmrm[0-9]*", 0o660, "the keys of the TPM"),
    ("nvram", 0o660, "the firmware's settings"),
    ("snapshot", 0o660, "the image of a sleeping machine"),
)
_DIRECTORIES = ("", "input/", "mapper/", "cpu/")


class DeviceNodes:
    """`dev` is the directory of devices; what is found the first time is told as well."""

    id = "device_nodes"
    budget_ms = 0.3

    def __init__(self, baseline: Baseline, dev: str = "/dev") -> None:
        self.baseline = baseline
        self._dev = dev.rstrip("/")
        self._cut = 0

    def obstacle(self) -> str:
        return ""

    def remark(self) -> str:
        return f"{self._cut} devices more than the {NODES} that are looked at" if self._cut else ""

    def look(self) -> Look:
        seen: dict[str, Item] = {}
        names = self._names()
        self._cut = max(0, len(names) - NODES)
        for count, name in enumerate(names[:NODES]):
            rule = next((one for one in RULES if fnmatch.fnmatchcase(name, one[0])), None)
            if rule is not None and (item := self._item(name, rule)) is not None:
                seen[f"{self._dev}/{name}"] = item
            if count % STEP == 0:
                yield None
        for one in self.baseline.compare(seen):
            yield fact_of(one)

    def _names(self) -> list[str]:
        found = []
        for directory in _DIRECTORIES:
            try:
                names = sorted(os.listdir(f"{self._dev}/{directory}"))  # noqa: PTH208 - names only
            except OSError:
                continue
            found += [directory + name for name in names]
        found += [f"{name}/msr" for name in found if name.startswith("cpu/")]
        return found

    def _item(self, name: str, rule: tuple[str, int, str]) -> Item | None:
        """An exposed device; None for one that is as it should be, or none."""
        try:
            state = os.lstat(f"{self._dev}/{name}")
        except OSError:
            return None
        if not stat.S_ISCHR(state.st_mode) and not stat.S_ISBLK(state.st_mode):
            return None
        _, most, what = rule
        if not stat.S_IMODE(state.st_mode) & ~most & 0o777:
            return None
        return Item(f"{state.st_mode:o} {state.st_uid}:{state.st_gid}", note=f"{most:o} {what}")


def fact_of(one: Difference) -> Fact:
    mode = int(one.item.value.split(" ")[0], 8)
    most, _, what = one.item.note.partition(" ")
    gone = one.change is Change.VANISHED
    return Fact(
        kind=KIND,
        change=Change.VANISHED if gone else Change.FOUND,
        name=one.key.rpartition("/")[2],
        path=one.key,
        value=one.item.value,
        mode=mode,
        reason=f"{what}: "
        + ("no longer open to others" if gone else f"mode {stat.S_IMODE(mode):04o} where {most} is enough"),
    )

# SPDX-License-Identifier: Apache-2.0
"""What runs before the kernel, and what the kernel says of itself: boot files, keys of Secure Boot, tables of ACPI, the
firmware's version, taints.

Sources: UEFI specification (variables and their attributes), shim's README (MokListRT, SbatLevelRT),
Documentation/admin-guide/tainted-kernels.rst.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator

from innerwarden.model._wire import Change
from innerwarden.sensor.inventory import files, walk
from innerwarden.sensor.inventory.baseline import Baseline, Difference, Item
from innerwarden.sensor.inventory.collector import Find, Look
from innerwarden.sensor.inventory.fact import Fact

KIND = "host.firmware"
BOOT_PLACES = ("/boot/efi/EFI", "/efi/EFI", "/boot/EFI", "/boot/efi/loader", "/efi/loader")
BOOT_DEPTH, BOOT_FILES, BOOT_BYTES = 6, 2048, 256 << 20
EFI_VARIABLES = "/sys/firmware/efi/efivars"
#: Variable -> what it is to a rule (Fact.name).
VARIABLES = {
    **dict.fromkeys(("SecureBoot", "SetupMode"), "secure_boot"),
    **dict.fromkeys(("PK", "KEK", "db", "MokListRT", "MokListTrustedRT"), "boot_keys"),
    **dict.fromkeys(("dbx", "MokListXRT", "SbatLevelRT"), "revocations"),
}
ACPI_TABLES = "/sys/firmware/acpi/tables"
#: Tables with code or with the description of hardware; those that hold addresses of this boot are left out.
ACPI_NAMES = ("DSDT", "SSDT", "APIC", "MCFG", "HPET", "DMAR", "IVRS")
DMI = "/sys/class/dmi/id"
DMI_NAMES = ("bios_vendor", "bios_version", "bios_date", "board_vendor", "board_name", "product_name")
TAINTED = "/proc/sys/kernel/tainted"
#: Bit -> what somebody did to the kernel. Bits of warnings, faults and modules of third parties are told elsewhere.
TAINTS = {
    1: "a module was loaded by force",
    3: "a module was removed by force",
    8: "a table of ACPI was replaced",
    15: "the kernel was patched while it ran",
}
TABLE_BYTES = 4 << 20


class Firmware:
    """`root` stands before every path. Items are keyed by path."""

    id = "firmware"
    budget_ms = 0.3

    def __init__(self, baseline: Baseline, root: str = "") -> None:
        self.baseline = baseline
        self._root = root.rstrip("/")
        self._cut = 0
        self._unread = 0

    def obstacle(self) -> str:
        return ""

    def remark(self) -> str:
        parts = []
        if self._cut:
            parts.append(f"{self._cut} boot files more than the {BOOT_FILES} that are remembered")
        if self._unread:
            parts.append(f"{self._unread} tables or variables cannot be read by this user")
        return "; ".join(parts)

    def look(self) -> Look:
        self._cut = self._unread = 0
        seen: dict[str, Item] = {}
        yield from self._boot_files(seen)
        for path, name in self._small():
            if (item := self._content(path, name)) is not None:
                seen[path] = item
            yield None
        tainted = self._tainted()
        for bit, what in TAINTS.items():
            if tainted >> bit & 1:
                seen[f"{TAINTED} bit {bit}"] = Item(what, note="kernel_taint")
        for one in self.baseline.compare(seen, self._is_gone):
            yield fact_of(one)

    def _boot_files(self, seen: dict[str, Item]) -> Find[None]:
        walked: set[tuple[int, int]] = set()
        for place in BOOT_PLACES:
            for path in walk.files_below(self._root + place, BOOT_DEPTH, walked):
                if len(seen) >= BOOT_FILES:
                    self._cut += 1
                    continue
                try:
                    stamp = files.stamp_of(os.lstat(path))
                except OSError:
                    continue
                before = (self.baseline.items or {}).get(path)
                if before is None or before.stamp != stamp:
                    sha256 = ""
                    for part in files.digest(path, BOOT_BYTES):
                        sha256 = part or sha256
                        yield None
                    before = Item(sha256, sha256, stamp, "boot_file")
                seen[path] = before
                yield None

    def _small(self) -> Iterator[tuple[str, str]]:
        """(path, what it is) of the variables, tables and texts."""
        for name in _names(self._root + EFI_VARIABLES):
            if (what := VARIABLES.get(name.partition("-")[0])) is not None:
                yield f"{self._root}{EFI_VARIABLES}/{name}", what
        for name in _names(self._root + ACPI_TABLES):
            if name.startswith(ACPI_NAMES):
                yield f"{self._root}{ACPI_TABLES}/{name}", "acpi_table"
        for name in DMI_NAMES:
            yield f"{self._root}{DMI}/{name}", "firmware_identity"

    def _content(self, path: str, name: str) -> Item | None:
        try:
            content = files.read(path, TABLE_BYTES)
        except FileNotFoundError:
            return None
        except OSError:
            self._unread += 1
            return (self.baseline.items or {}).get(path)
        if name == "firmware_identity":
            return Item(content.decode("utf-8", "replace").strip(), note=name)
        if name == "secure_boot":
            # Four bytes of attributes, then one that is 0 or 1.
            return Item("on" if content[4:5] == b"\1" else "off", note=name)
        sha256 = hashlib.sha256(content).hexdigest()
        return Item(sha256, sha256, note=name)

    def _tainted(self) -> int:
        text = files.text(self._root + TAINTED) or "0"
        return int(text) if text.isdigit() else 0

    def _is_gone(self, path: str) -> bool:
        return path.startswith(TAINTED) or walk.is_gone(path)


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))  # noqa: PTH208 - names only
    except OSError:
        return []


def fact_of(one: Difference) -> Fact:
    what, last = one.item.note, one.key.rpartition("/")[2].partition("-")[0]
    verb = {
        Change.BASELINE: "was there at the first look",
        Change.APPEARED: "is new",
        Change.CHANGED: "changed",
        Change.VANISHED: "is gone",
    }[one.change]
    told = {
        "boot_file": "a file of the boot loader",
        "secure_boot": f"{last} of the firmware",
        "boot_keys": f"{last}, a list of keys that may sign what boots,",
        "revocations": f"{last}, the list of what may no longer boot,",
        "acpi_table": f"{last}, a table with code of the firmware,",
        "firmware_identity": f"{last} of the machine",
        "kernel_taint": "a mark of the kernel",
    }[what]
    shown = (
        what in ("secure_boot", "firmware_identity") and one.change is Change.CHANGED and one.old is not None
    )
    detail = f": {one.old.value}, now {one.item.value}" if shown and one.old else ""
    if what == "kernel_taint":
        detail = f": {one.item.value}"
    return Fact(
        kind=KIND,
        change=one.change,
        name=what,
        path=one.key,
        value=one.item.value,
        old_value=one.old.value if one.old and one.change is Change.CHANGED else "",
        sha256=one.item.sha256,
        reason=f"{told} {verb}{detail}",
    )

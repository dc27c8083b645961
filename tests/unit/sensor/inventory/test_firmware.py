# SPDX-License-Identifier: Apache-2.0
"""A machine's firmware as files below a root of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerwarden.model._wire import Change
from innerwarden.sensor.inventory.baseline import Baseline
from innerwarden.sensor.inventory.firmware import Firmware
from tests.unit.sensor.inventory.support import looked, write

GUID = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
VARIABLES = "sys/firmware/efi/efivars"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    write(tmp_path / "boot/efi/EFI/debian/shimx64.efi", "MZ shim")
    variable(tmp_path, "SecureBoot", b"\1")
    variable(tmp_path, "db", b"keys")
    variable(tmp_path, "dbx", b"revoked")
    variable(tmp_path, "Boot0001", b"anything")
    write(tmp_path / "sys/firmware/acpi/tables/DSDT", "code")
    write(tmp_path / "sys/firmware/acpi/tables/BGRT", "addresses of this boot")
    write(tmp_path / "sys/class/dmi/id/bios_version", "1.0\n")
    write(tmp_path / "proc/sys/kernel/tainted", "4096\n")
    return tmp_path


def variable(root: Path, name: str, content: bytes) -> None:
    path = root / VARIABLES / f"{name}-{GUID}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\7\0\0\0" + content)


def test_nothing_changed(machine: Path) -> None:
    one = Firmware(Baseline("firmware"), str(machine))
    first = looked(one)
    assert {Change(fact["change"]) for fact in first} == {Change.BASELINE}
    assert sorted(fact["name"] for fact in first) == [
        *("acpi_table", "boot_file", "boot_keys", "firmware_identity", "revocations", "secure_boot"),
    ]
    assert looked(one) == []


@pytest.mark.parametrize(
    ("act", "name", "reason"),
    [
        (
            lambda m: variable(m, "SecureBoot", b"\0"),
            "secure_boot",
            "SecureBoot of the firmware changed: on, now off",
        ),
        (
            lambda m: variable(m, "db", b"keys and one more"),
            "boot_keys",
            "db, a list of keys that may sign what boots, changed",
        ),
        (
            lambda m: variable(m, "dbx", b""),
            "revocations",
            "dbx, the list of what may no longer boot, changed",
        ),
        (
            lambda m: write(m / "boot/efi/EFI/debian/shimx64.efi", "MZ other"),
            "boot_file",
            "a file of the boot loader changed",
        ),
        (
            lambda m: write(m / "boot/efi/EFI/Boot/extra.efi", "MZ"),
            "boot_file",
            "a file of the boot loader is new",
        ),
        (
            lambda m: (m / "boot/efi/EFI/debian/shimx64.efi").unlink(),
            "boot_file",
            "a file of the boot loader is gone",
        ),
        (
            lambda m: write(m / "sys/firmware/acpi/tables/DSDT", "other code"),
            "acpi_table",
            "DSDT, a table with code of the firmware, changed",
        ),
        (
            lambda m: write(m / "sys/class/dmi/id/bios_version", "1.1\n"),
            "firmware_identity",
            "bios_version of the machine changed: 1.0, now 1.1",
        ),
        (
            lambda m: write(m / "proc/sys/kernel/tainted", f"{4096 | 2}\n"),
            "kernel_taint",
            "a mark of the kernel is new: a module was loaded by force",
        ),
    ],
)
def test_each_change(machine: Path, act: object, name: str, reason: str) -> None:
    one = Firmware(Baseline("firmware"), str(machine))
    looked(one)
    act(machine)  # type: ignore[operator]
    (fact,) = looked(one)
    assert (fact["name"], fact["reason"]) == (name, reason)
    assert looked(one) == []


def test_what_says_nothing_is_passed_over(machine: Path) -> None:
    one = Firmware(Baseline("firmware"), str(machine))
    looked(one)
    variable(machine, "Boot0001", b"other")
    write(machine / "sys/firmware/acpi/tables/BGRT", "other addresses")
    write(machine / "proc/sys/kernel/tainted", f"{4096 | 512}\n")  # a warning
    assert looked(one) == []


def test_a_machine_without_any_of_it(tmp_path: Path) -> None:
    assert looked(Firmware(Baseline("firmware"), str(tmp_path))) == []


def test_a_mark_that_is_gone_after_a_restart(machine: Path) -> None:
    write(machine / "proc/sys/kernel/tainted", "2\n")
    one = Firmware(Baseline("firmware"), str(machine))
    looked(one)
    write(machine / "proc/sys/kernel/tainted", "0\n")
    assert [Change(fact["change"]) for fact in looked(one)] == [Change.VANISHED]

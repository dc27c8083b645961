# SPDX-License-Identifier: Apache-2.0
"""Devices: files as sysfs shows them, below a root of the test."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerwarden.model._wire import Change
from innerwarden.sensor.inventory.baseline import Baseline
from innerwarden.sensor.inventory.devices import Devices
from tests.unit.sensor.inventory.support import changes, looked, write


def collector(root: Path) -> Devices:
    return Devices(Baseline("devices"), str(root))


def usb(root: Path, port: str, vendor: str, product: str, classes: str, name: str = "Stick") -> Path:
    base = root / "sys/bus/usb/devices" / port
    for key, text in (("idVendor", vendor), ("idProduct", product), ("product", name), ("serial", "S1")):
        write(base / key, text + "\n")
    for number, one in enumerate(classes.split()):
        write(base / f"{port}:1.{number}/bInterfaceClass", one + "\n")
    return base


def test_usb_devices_with_their_class(tmp_path: Path) -> None:
    usb(tmp_path, "usb1", "1d6b", "0002", "09")
    one = collector(tmp_path)
    assert looked(one) == [], "the machine's own hub"
    disk = usb(tmp_path, "1-1", "0781", "5583", "08")
    usb(tmp_path, "1-2", "feed", "0001", "03 08", name="Ducky")
    found = looked(one)
    assert changes(found)[str(disk)] is Change.APPEARED
    assert {fact["value"] for fact in found} == {
        "usb 0781:5583 storage",
        "usb feed:0001 keyboard or pointer (HID), storage",
    }
    assert "USB device Ducky" in " ".join(fact["reason"] for fact in found)


def test_another_device_in_the_same_port_is_another_device(tmp_path: Path) -> None:
    usb(tmp_path, "1-1", "0781", "5583", "08")
    one = collector(tmp_path)
    looked(one)
    usb(tmp_path, "1-1", "feed", "0001", "03")
    assert sorted(fact["change"] for fact in looked(one)) == [Change.APPEARED, Change.VANISHED]


@pytest.mark.parametrize(
    ("files", "value"),
    [
        ({"tun_flags": "0x1", "owner": "1000", "type": "65534"}, "net tun owner 1000"),
        ({"tun_flags": "0x1002", "owner": "-1", "type": "1"}, "net tap"),
        ({"uevent": "DEVTYPE=wireguard\nINTERFACE=wg0\n", "type": "65534"}, "net wireguard"),
        ({"uevent": "DEVTYPE=vxlan\n", "type": "1"}, "net vxlan"),
        ({"uevent": "INTERFACE=ppp0\n", "type": "512"}, "net ppp"),
        ({"type": "778"}, "net gre"),
        ({"uevent": "DEVTYPE=bridge\n", "type": "1"}, None),
        ({"type": "772"}, None),
        ({"type": "1"}, None),
    ],
)
def test_tunnels_and_what_is_none(tmp_path: Path, files: dict[str, str], value: str | None) -> None:
    one = collector(tmp_path)
    looked(one)
    for name, text in files.items():
        write(tmp_path / "sys/class/net/x0" / name, text + "\n")
    found = looked(one)
    assert [fact["value"] for fact in found] == ([value] if value else [])
    assert all(fact["name"] == "x0" and fact["change"] == Change.APPEARED for fact in found)

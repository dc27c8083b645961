# SPDX-License-Identifier: Apache-2.0
"""Devices that bring data or keys in, and interfaces that lead out: USB, and tunnels of every sort."""

from __future__ import annotations

import os
from collections.abc import Iterator

from innerwarden.model._wire import Change
from innerwarden.sensor.inventory import files
from innerwarden.sensor.inventory.baseline import Baseline, Difference, Item
from innerwarden.sensor.inventory.collector import Look
from innerwarden.sensor.inventory.fact import Fact

KIND = "host.device"
DEVICES = 4096
#: https://www.usb.org/defined-class-codes; the ones that matter get a word.
USB_CLASSES = {
    "02": "communication",
    "03": "keyboard or pointer (HID)",
    "08": "storage",
    "09": "hub",
    "0a": "communication data",
    "e0": "wireless",
}
_ROOT_HUB = "1d6b"  # Linux Foundation
#: include/uapi/linux/if_arp.h
TUNNEL_TYPES = {
    512: "ppp",
    519: "rawip",
    768: "ipip",
    769: "ip6tnl",
    776: "sit",
    778: "gre",
    823: "ip6gre",
}
#: DEVTYPE of /sys/class/net/*/uevent
TUNNEL_KINDS = frozenset({"wireguard", "vxlan", "geneve", "ppp", "gtp", "bareudp", "l2tpeth", "ovpn", "amt"})
_TUN_MODES = {1: "tun", 2: "tap"}  # IFF_TUN, IFF_TAP


class Devices:
    """`root` stands before /sys."""

    id = "devices"
    budget_ms = 0.5

    def __init__(self, baseline: Baseline, root: str = "") -> None:
        self.baseline = baseline
        self._usb = f"{root.rstrip('/')}/sys/bus/usb/devices"
        self._net = f"{root.rstrip('/')}/sys/class/net"

    def obstacle(self) -> str:
        return ""

    def remark(self) -> str:
        return ""

    def look(self) -> Look:
        seen: dict[str, Item] = {}
        for name in _names(self._usb):
            if ":" not in name and len(seen) < DEVICES and (found := self._usb_device(name)) is not None:
                seen[found[0]] = found[1]
            yield None
        for name in _names(self._net):
            if len(seen) < DEVICES and (tunnel := self._tunnel(name)):
                seen[f"net {name}"] = Item(value=tunnel, note=f"{self._net}/{name}")
            yield None
        for one in self.baseline.compare(seen):
            yield fact_of(one)

    def _usb_device(self, name: str) -> tuple[str, Item] | None:
        """Keyed by port and identity: another device in the same port is another device."""
        base = f"{self._usb}/{name}"
        vendor, product = files.text(f"{base}/idVendor", 16), files.text(f"{base}/idProduct", 16)
        if vendor is None or product is None or vendor == _ROOT_HUB:
            return None
        serial = files.text(f"{base}/serial", 128) or ""
        classes = sorted(set(self._classes(base, name)))
        label = " ".join(
            filter(None, (files.text(f"{base}/{key}", 128) for key in ("manufacturer", "product")))
        )
        words = [USB_CLASSES.get(one, f"class {one}") for one in classes]
        value = f"usb {vendor}:{product} {', '.join(words)}".rstrip()
        return f"usb {name} {vendor}:{product} {serial}".rstrip(), Item(value, note=base, stamp=label)

    @staticmethod
    def _classes(base: str, name: str) -> Iterator[str]:
        for interface in _names(base):
            if interface.startswith(f"{name}:"):
                found = files.text(f"{base}/{interface}/bInterfaceClass", 8)
                if found:
                    yield found.strip()

    def _tunnel(self, name: str) -> str:
        """What sort of tunnel an interface is; empty for one that is none."""
        base = f"{self._net}/{name}"
        flags = files.text(f"{base}/tun_flags", 32)
        if flags is not None:
            owner = files.text(f"{base}/owner", 32)
            belongs = f" owner {owner}" if owner and owner != "-1" else ""
            return f"{_TUN_MODES.get(int(flags, 16) & 3, 'tun')}{belongs}"
        for line in (files.text(f"{base}/uevent", 1024) or "").splitlines():
            key, _, value = line.partition("=")
            if key == "DEVTYPE" and value in TUNNEL_KINDS:
                return value
        number = files.text(f"{base}/type", 16)
        return TUNNEL_TYPES.get(int(number), "") if number else ""


def _names(place: str) -> list[str]:
    try:
        return sorted(os.listdir(place))  # noqa: PTH208 - names only
    except OSError:
        return []


def fact_of(one: Difference) -> Fact:
    is_usb = one.key.startswith("usb ")
    name = one.item.stamp if is_usb else one.key.removeprefix("net ")
    what = f"USB device {name}".rstrip() if is_usb else f"{one.item.value} interface {name}"
    verb = {
        Change.BASELINE: "was there at the first look",
        Change.APPEARED: "is new",
        Change.CHANGED: "changed",
        Change.VANISHED: "is gone",
    }[one.change]
    return Fact(
        kind=KIND,
        change=one.change,
        name=name or one.key.split(" ")[1],
        path=one.item.note,
        value=one.item.value if is_usb else f"net {one.item.value}",
        old_value=one.old.value if one.old and one.change is Change.CHANGED else "",
        reason=f"{what} ({one.item.value}) {verb}" if is_usb else f"{what} {verb}",
    )

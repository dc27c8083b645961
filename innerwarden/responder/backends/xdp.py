# SPDX-License-Identifier: Apache-2.0
"""Blocks in the XDP list: dropped in the driver, before the network stack has seen the packet.

For floods. The list lives as long as the responder: its end lets everybody in, and its next start fills the list again
from the journal. Where a block must outlive everything of ours, nftables is the one to use. Entries carry their end in
time, which the program in the kernel looks at.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterable
from pathlib import Path

from innerwarden import paths
from innerwarden.errors import BpfError
from innerwarden.libbpf import Object
from innerwarden.responder.backend import Backend
from innerwarden.responder.skill import Keep, Means, SkillError
from innerwarden.xdp import XdpList, make_room

logger = logging.getLogger(__name__)

PROGRAMS = ("iw_xdp", "iw_xdp_observe")
#: Rings of the object, which nobody reads here: the least that the kernel takes.
RINGS, RING_BYTES = ("iw_ring_prio", "iw_ring_bulk"), 4096
#: RTF_UP | RTF_GATEWAY, include/uapi/linux/route.h.
_DEFAULT = 0x3


class Xdp(Backend):
    """Nothing is loaded before the first block. One thread calls it."""

    rank = 90  # only where it is asked for: `auto` finds another one first

    def __init__(self, means: Means) -> None:
        self._config = means.config
        self._object: Object | None = None
        self._list: XdpList | None = None
        self._blocked: dict[str, str] = {}

    def missing(self) -> str | None:
        if not paths.bpf_object().exists():
            return f"{paths.bpf_object()} is not there"
        if not self._interfaces():
            return "there is no interface with a default route; name some in responder.xdp_interfaces"
        return None

    def plan(self, address: str, ttl_s: int) -> list[str]:
        return [f"attach XDP to {', '.join(self._interfaces())}", f"drop {address} there for {ttl_s} s"]

    def block(self, address: str, ttl_s: int, handle: str, keep: Keep) -> None:
        try:
            found = self._opened()
            self._attach(found)
            found.block(address, ttl_s)
        except (BpfError, OSError) as error:
            raise SkillError(
                f"XDP cannot block {address}: {error}", "Set responder.backend to nftables"
            ) from error
        self._blocked[address] = handle

    def unblock(self, address: str, handle: str) -> None:
        self._blocked.pop(address, None)
        if self._list is not None:
            self._list.unblock(address)
            self._list.reap()
            if not self._blocked:
                self.clear()

    def check(self, address: str, handle: str) -> str | None:
        if self._list is None:
            return "the XDP list is not loaded"
        if self._list.packet_count(address) is None:
            return f"{address} is not in the XDP list"
        attached = {one.interface: one for one in self._list.attachments()}
        for name in self._interfaces():
            one = attached.get(name)
            if one is None or _index(name) != one.interface_index:
                return f"XDP is not attached to {name}"
            if one.mode != "enforce":
                return f"XDP only observes on {name}"
        return None

    def present(self) -> Iterable[tuple[str, str]]:
        return [item for item in self._blocked.items() if self.check(*item) is None]

    def clear(self) -> None:
        self._blocked.clear()
        found, self._list = self._list, None
        loaded, self._object = self._object, None
        if found is not None:
            found.close()
        if loaded is not None:
            loaded.close()

    def _opened(self) -> XdpList:
        if self._list is None:
            loaded = Object(paths.bpf_object().read_bytes())
            for name, program in loaded.programs.items():
                program.set_autoload(name in PROGRAMS)
            for name in RINGS:
                loaded.maps[name].resize(RING_BYTES)
            make_room(loaded, self._config.block_entries)
            try:
                loaded.load()
                self._list = XdpList(loaded, self._config)
            except (BpfError, OSError):
                loaded.close()
                raise
            self._object = loaded
        return self._list

    def _attach(self, found: XdpList) -> None:
        """To every interface; one that came anew under its old name has another number."""
        wanted = {_index(name): name for name in self._interfaces()}
        for one in found.attachments():
            if one.interface_index not in wanted:
                found.detach(one.interface_index)
        for number, name in wanted.items():
            attached = found.attach(number)
            logger.info("xdp attached interface=%s way=%s mode=%s", name, attached.way, attached.mode)

    def _interfaces(self) -> list[str]:
        return list(self._config.xdp_interfaces) or _with_default_route()


def _index(name: str) -> int:
    """0 for an interface that is not there."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return 0


def _with_default_route(proc: Path = Path("/proc/net")) -> list[str]:
    """Interfaces through which the rest of the world is reached, by both families."""
    found: dict[str, None] = {}
    for line in (proc / "route").read_text().splitlines()[1:]:
        words = line.split()
        if words[1] == words[7] == "00000000" and int(words[3], 16) & _DEFAULT == _DEFAULT:
            found[words[0]] = None
    ipv6 = proc / "ipv6_route"
    for line in ipv6.read_text().splitlines() if ipv6.exists() else ():
        words = line.split()
        if int(words[0], 16) == 0 and words[1] == "00" and int(words[8], 16) & _DEFAULT == _DEFAULT:
            found[words[9]] = None
    found.pop("lo", None)
    return list(found)


def make(means: Means) -> Xdp:
    return Xdp(means)

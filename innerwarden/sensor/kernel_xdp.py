# SPDX-License-Identifier: Apache-2.0
"""The XDP block list: addresses and prefixes with an expiry, an allow list that wins. Attached on demand."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable

from innerwarden import clock
from innerwarden.errors import BpfError
from innerwarden.libbpf import Link, Map, Object

_BLOCK = struct.Struct("<QQ")  # expires_ns (CLOCK_BOOTTIME, 0 never), packet_count
_COUNTERS = struct.Struct("<4Q")
COUNTER_NAMES = ("dropped", "allowed", "expired", "unparsed")
_PRESENT = struct.pack("<I", 1)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class XdpList:
    """Lists of one loaded object. A target is an address or a prefix as text; a v4-mapped one means v4."""

    def __init__(self, loaded: Object) -> None:
        self._program = loaded.programs["iw_xdp"]
        self._maps = loaded.maps
        self._links: dict[int, Link] = {}

    def attach(self, interface_index: int) -> None:
        """Start filtering on an interface; raises BpfError when its driver or another XDP program refuses."""
        if interface_index not in self._links:
            self._links[interface_index] = self._program.attach_xdp(interface_index)

    def detach(self, interface_index: int) -> None:
        link = self._links.pop(interface_index, None)
        if link is not None:
            link.destroy()

    def close(self) -> None:
        for index in list(self._links):
            self.detach(index)

    def block(self, target: str, ttl_s: float | None = None) -> None:
        """Drop what comes from `target`, for `ttl_s` seconds or until `unblock`."""
        self.block_many([target], ttl_s)

    def block_many(self, targets: Iterable[str], ttl_s: float | None = None) -> None:
        """The same for a whole list, one kernel call per map."""
        expires = 0 if ttl_s is None else clock.boottime_ns() + int(ttl_s * clock.NS)
        value = _BLOCK.pack(expires, 0)
        batches: dict[str, list[tuple[bytes, bytes]]] = {}
        for target in targets:
            name, key = _place("block", _network(target))
            batches.setdefault(name, []).append((key, value))
        for name, entries in batches.items():
            self._maps[name].update_batch(entries)

    def unblock(self, target: str) -> bool:
        """True when it was listed."""
        found, key = self._find("block", target)
        return found.delete(key)

    def allow(self, target: str) -> None:
        """Never drop what comes from `target`, whatever else is listed."""
        found, key = self._find("allow", target)
        found.update(key, _PRESENT)

    def disallow(self, target: str) -> bool:
        found, key = self._find("allow", target)
        return found.delete(key)

    def packet_count(self, target: str) -> int | None:
        """Packets dropped by that entry; None when it is not listed."""
        found, key = self._find("block", target)
        value = found.lookup(key)
        if value is None:
            return None
        count: int = _BLOCK.unpack(value)[1]
        return count

    def counters(self) -> dict[str, int]:
        """dropped, allowed, expired, unparsed; unparsed packets pass."""
        rows = [_COUNTERS.unpack(value) for value in self._maps["iw_xdp_stats"].lookup_cpus(bytes(4))]
        return {name: sum(row[i] for row in rows) for i, name in enumerate(COUNTER_NAMES)}

    def test_run(self, packet: bytes) -> int:
        """Verdict on one frame (1 drop, 2 pass) without an interface; counts like a real one."""
        return self._program.test_run(packet)[0]

    def _find(self, what: str, target: str) -> tuple[Map, bytes]:
        name, key = _place(what, _network(target))
        return self._maps[name], key


def _network(target: str) -> Network:
    try:
        network = ipaddress.ip_network(target, strict=False)
    except ValueError as error:
        raise BpfError(f"{target!r} is neither an address nor a prefix: {error}") from error
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen == network.max_prefixlen:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return ipaddress.ip_network(mapped)
    return network


def _place(what: str, network: Network) -> tuple[str, bytes]:
    """Map name and key of a target."""
    packed = network.network_address.packed
    if network.prefixlen == network.max_prefixlen:
        return f"iw_xdp_{what}_v{network.version}", packed
    return f"iw_xdp_{what}_prefix_v{network.version}", struct.pack("<I", network.prefixlen) + packed

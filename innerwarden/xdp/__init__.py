# SPDX-License-Identifier: Apache-2.0
"""The XDP block list: addresses and prefixes with an expiry, an allow list that wins. Attached on demand.

It drops only under both of the responder's switches; otherwise the program that observes is attached, which has no
drop in it. Nothing is pinned: when this process ends, so does all of it.
"""

from __future__ import annotations

import errno
import fcntl
import ipaddress
import logging
import secrets
import socket
import struct
from collections.abc import Iterable

import msgspec

from innerwarden import clock
from innerwarden.config import ResponderConfig
from innerwarden.errors import BpfError
from innerwarden.libbpf import XDP_GENERIC, XDP_NATIVE, DescriptorLink, Object
from innerwarden.model._wire import EnforcementMode
from innerwarden.switches import effective_mode
from innerwarden.xdp import table
from innerwarden.xdp.table import Table

log = logging.getLogger(__name__)

COUNTER_NAMES = (
    "dropped", "observed", "allowed", "expired", "unparsed", "refused", "fragments", "extended", "mapped",
    "tunnelled", "unreported",
)  # fmt: skip
_BLOCK = struct.Struct("<QQ")  # expires_ns (CLOCK_BOOTTIME, 0 never), packet_count
_COUNTERS = struct.Struct(f"<{len(COUNTER_NAMES)}Q32x")  # then the program's own
_POLICY = struct.Struct("<II3Q")  # struct iw_xdp_policy
_PRESENT = struct.pack("<I", 1)
_ZERO = bytes(4)

#: ARPHRD_ETHER, ARPHRD_LOOPBACK, include/uapi/linux/if_arp.h: frames that begin with an Ethernet header.
_WITH_ETHERNET_HEADER = (1, 772)
#: A wider prefix is a mistake, or an attempt to cut this machine off.
SHORTEST_PREFIX = {4: 8, 6: 16}
_SIOCGIFHWADDR = 0x8927
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_BLOCK_MAPS = ("iw_xdp_block_v4", "iw_xdp_block_v6", "iw_xdp_block_prefix_v4", "iw_xdp_block_prefix_v6")
_ALLOW_MAPS = tuple(name.replace("block", "allow") for name in _BLOCK_MAPS)
_ROWS, _SPILL = "iw_xdp_rows_v4", "iw_xdp_block_v4"
_REAP_ENTRIES, _REAP_ROWS = 8192, 4096
"""Of each list, what one call of `reap` looks at: a full one is gone through in 16 calls."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def make_room(opened: Object, addresses: int) -> None:
    """Before load: for so many single addresses of each family, at least."""
    rows = table.row_count(addresses)
    opened.maps[_ROWS].resize(rows)
    opened.maps[_SPILL].resize(rows * table.LOAD // table.SPILL_PART)
    opened.maps["iw_xdp_block_v6"].resize(addresses)


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """`way`: native (in the driver) or generic (after it); `mode`: enforce or observe."""

    interface_index: int
    interface: str
    way: str
    mode: str


class XdpList:
    """Lists of one loaded object. A target is an address or a prefix as text; a v4-mapped one means v4.

    One thread calls it.
    """

    def __init__(self, loaded: Object, responder: ResponderConfig) -> None:
        granted = effective_mode(responder, "enforce")
        self._enforces = granted == EnforcementMode.ENFORCE
        self._program = loaded.programs["iw_xdp" if self._enforces else "iw_xdp_observe"]
        self._maps = loaded.maps
        self._drops_unparsed = False
        self._allows = any(list(self._maps[name].keys()) for name in _ALLOW_MAPS)
        self._v4 = self._open_table()
        self._write_policy()
        self._links: dict[int, tuple[Attachment, DescriptorLink]] = {}
        self._cursors: dict[str, bytes | None] = dict.fromkeys(_BLOCK_MAPS)

    def _open_table(self) -> Table:
        """The secret by which addresses find their rows is made by the first one who opens the table."""
        rows, current = self._maps[_ROWS], self._maps["iw_xdp_policy"].lookup(_ZERO)
        first, second, row_count = _POLICY.unpack(current)[2:] if current is not None else (0, 0, 0)
        is_new = row_count == 0
        self._mix = (secrets.randbits(64) | 1, secrets.randbits(64) | 1) if is_new else (first, second)
        return Table(rows, self._maps[_SPILL], self._mix, is_new=is_new)

    def attach(self, interface_index: int) -> Attachment:
        """Start filtering on an interface, in its driver where that can, else after it.

        Raises BpfError when there is no such Ethernet interface, or when another XDP program holds it.
        """
        if interface_index in self._links:
            return self._links[interface_index][0]
        name = _ethernet_name(interface_index)
        way, link = self._attach(interface_index, name)
        mode = "enforce" if self._enforces else "observe"
        found = Attachment(interface_index=interface_index, interface=name, way=way, mode=mode)
        self._links[interface_index] = (found, link)
        return found

    def _attach(self, interface_index: int, name: str) -> tuple[str, DescriptorLink]:
        try:
            return "native", self._program.attach_xdp(interface_index, XDP_NATIVE)
        except BpfError as error:
            if error.errno == errno.EBUSY:
                raise BpfError(
                    f"another XDP program holds {name}", "Detach it first (ip link)", error.errno
                ) from error
            log.info("no native XDP, using generic interface=%s reason=%s", name, error.problem)
        return "generic", self._program.attach_xdp(interface_index, XDP_GENERIC)

    def attachments(self) -> tuple[Attachment, ...]:
        return tuple(found for found, _link in self._links.values())

    def detach(self, interface_index: int) -> None:
        _found, link = self._links.pop(interface_index, (None, None))
        if link is not None:
            link.destroy()

    def close(self) -> None:
        """Detach from everywhere; the list cannot be used any more."""
        for index in list(self._links):
            self.detach(index)
        self._v4.close()

    def drop_unparsed(self, wanted: bool) -> bool:
        """Whether frames that cannot be parsed are dropped too; returns what the switches grant. Off at the start."""
        self._drops_unparsed = wanted and self._enforces
        self._write_policy()
        return self._drops_unparsed

    def _write_policy(self) -> None:
        # A program that reads meanwhile sees the same secret and rows: they are written as they are.
        rows = self._maps[_ROWS].max_entries
        value = _POLICY.pack(self._drops_unparsed, self._allows, *self._mix, rows)
        self._maps["iw_xdp_policy"].update(_ZERO, value)

    def block(self, target: str, ttl_s: float | None = None) -> None:
        """Drop what comes from `target`, for `ttl_s` seconds or until `unblock`.

        Raises BpfError for what is no address or prefix, and for a prefix shorter than SHORTEST_PREFIX.
        """
        self.block_many([target], ttl_s)

    def block_many(self, targets: Iterable[str], ttl_s: float | None = None) -> None:
        """The same for a whole list; all or, when one target is refused or v4 addresses have no room, none."""
        expires = 0 if ttl_s is None else max(1, clock.boottime_ns() + int(ttl_s * clock.NS))
        value = _BLOCK.pack(expires, 0)
        batches: dict[str, list[tuple[bytes, bytes]]] = {}
        for target in targets:
            name, key = _place("block", _blockable(target))
            batches.setdefault(name, []).append((key, value))
        addresses = [_number(key) for key, _value in batches.pop(_SPILL, ())]
        self._v4.require_room(addresses)
        for name, entries in batches.items():
            self._maps[name].update_batch(entries)
        for address in addresses:
            self._v4.put(address, expires)

    def unblock(self, target: str) -> bool:
        """True when it was listed."""
        name, key = _place("block", _network(target))
        return self._remove(name, key)

    def _remove(self, name: str, key: bytes) -> bool:
        return self._v4.remove(_number(key)) if name == _SPILL else self._maps[name].delete(key)

    def allow(self, target: str) -> None:
        """Never drop what comes from `target`, whatever else is listed."""
        self._allows = True
        self._write_policy()
        name, key = _place("allow", _network(target))
        self._maps[name].update(key, _PRESENT)

    def disallow(self, target: str) -> bool:
        name, key = _place("allow", _network(target))
        return self._maps[name].delete(key)

    def packet_count(self, target: str) -> int | None:
        """Packets that the entry matched; None when it is not listed."""
        name, key = _place("block", _network(target))
        if name == _SPILL:
            return self._v4.packet_count(_number(key))
        value = self._maps[name].lookup(key)
        if value is None:
            return None
        count: int = _BLOCK.unpack(value)[1]
        return count

    def reap(self) -> int:
        """Remove expired entries among the next _REAP_ENTRIES of each list; returns how many.

        The program ignores an expired entry by itself; this gives its place back. Call it every second.
        """
        return self._v4.reap(_REAP_ROWS) + sum(self._reap(name) for name in _BLOCK_MAPS)

    def _reap(self, name: str) -> int:
        found, now = self._maps[name], clock.boottime_ns()
        try:
            entries, self._cursors[name] = found.lookup_batch(self._cursors[name], _REAP_ENTRIES)
        except BpfError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, 524):  # 524: ENOTSUPP inside the kernel
                raise
            # Tries before 5.14: few entries, looked at one by one.
            keys = list(found.keys())
            entries = [(key, value) for key in keys if (value := found.lookup(key)) is not None]
        expired = [key for key, value in entries if 0 < _BLOCK.unpack(value)[0] <= now]
        if name == _SPILL:
            return sum([self._remove(name, key) for key in expired])
        found.delete_batch(expired)
        return len(expired)

    def counters(self) -> dict[str, int]:
        """By COUNTER_NAMES; the comments of struct iw_xdp_counters say what each one counts."""
        rows = [_COUNTERS.unpack(value) for value in self._maps["iw_xdp_stats"].lookup_cpus(_ZERO)]
        return {name: sum(row[i] for row in rows) for i, name in enumerate(COUNTER_NAMES)}

    def test_run(self, packet: bytes) -> int:
        """Verdict on one frame (1 drop, 2 pass) without an interface; counts like a real one."""
        return self._program.test_run(packet)[0]


def _ethernet_name(interface_index: int) -> str:
    """Name of an interface whose frames begin with an Ethernet header, as the program takes for granted."""
    try:
        name = socket.if_indextoname(interface_index)
        kind = _hardware_type(name)
    except OSError as error:
        raise BpfError(f"there is no network interface {interface_index}: {error}") from error
    if kind not in _WITH_ETHERNET_HEADER:
        raise BpfError(f"{name} is no Ethernet interface (type {kind})", "Attach to the device below it")
    return name


def _hardware_type(name: str) -> int:
    """ARPHRD_ of an interface of this network namespace; /sys may show another's. Source: netdevice(7)."""
    request = struct.pack("16s24x", name.encode())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as any_socket:
        answer = fcntl.ioctl(any_socket, _SIOCGIFHWADDR, request)
    kind: int = struct.unpack_from("=H", answer, 16)[0]
    return kind


def _network(target: str) -> Network:
    try:
        network = ipaddress.ip_network(target, strict=False)
    except ValueError as error:
        raise BpfError(f"{target!r} is neither an address nor a prefix: {error}") from error
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        inner = int(network.network_address) & 0xFFFFFFFF
        return ipaddress.IPv4Network((inner, network.prefixlen - _MAPPED.prefixlen))
    return network


def _blockable(target: str) -> Network:
    network = _network(target)
    shortest = SHORTEST_PREFIX[network.version]
    if network.prefixlen < shortest:
        raise BpfError(
            f"{target} is too much to block: a v{network.version} prefix has {shortest} bits at least",
            "Give the networks one by one",
        )
    return network


def _number(key: bytes) -> int:
    return int.from_bytes(key, "little")


def _place(what: str, network: Network) -> tuple[str, bytes]:
    """Map name and key of a target."""
    packed = network.network_address.packed
    if network.prefixlen == network.max_prefixlen:
        return f"iw_xdp_{what}_v{network.version}", packed
    return f"iw_xdp_{what}_prefix_v{network.version}", struct.pack("<I", network.prefixlen) + packed

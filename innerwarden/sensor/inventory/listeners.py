# SPDX-License-Identifier: Apache-2.0
"""Sockets that wait for somebody: TCP listeners, unconnected UDP, raw and packet sockets, in every network namespace.

/proc/net/tcp lists listeners first, so reading stops at the first connection. The owner of a new socket is looked
for among all descriptors once. A UDP socket on a port that the kernel chose is a client's until it is seen twice.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import NamedTuple

from innerwarden.model._wire import Change
from innerwarden.sensor.inventory import files, procs
from innerwarden.sensor.inventory.baseline import Baseline, Difference, Item
from innerwarden.sensor.inventory.collector import Find, Look
from innerwarden.sensor.inventory.fact import Fact

KIND = "host.listener"
NAMESPACES = 64
SOCKETS = 8192
TABLE_BYTES = 4 << 20
STEP_BYTES = 1 << 14
#: Descriptors looked at in one step, some 150 us.
STEP_DESCRIPTORS = 64
_LISTEN = "0A"  # include/net/tcp_states.h; an unconnected UDP or raw socket is CLOSE, 07
_UNCONNECTED = "07"
_PORTS = "/proc/sys/net/ipv4/ip_local_port_range"

TABLES: tuple[tuple[str, int, str], ...] = (
    ("tcp", socket.IPPROTO_TCP, _LISTEN),
    ("tcp6", socket.IPPROTO_TCP, _LISTEN),
    ("udp", socket.IPPROTO_UDP, _UNCONNECTED),
    ("udp6", socket.IPPROTO_UDP, _UNCONNECTED),
    ("udplite", 136, _UNCONNECTED),
    ("raw", 0, _UNCONNECTED),
    ("raw6", 0, _UNCONNECTED),
)


class Socket(NamedTuple):
    """`table` is the file it is listed in. A raw socket's port is its protocol."""

    table: str
    protocol: int
    address: str
    port: int
    inode: int

    @property
    def key(self) -> str:
        return f"{self.table} {self.address} {self.port} {self.protocol}"


class Listeners:
    id = "listeners"
    #: The kernel walks its whole table of connections for one page of /proc/net/tcp: up to 2 ms that cannot be split.
    budget_ms = 1.0

    def __init__(self, baseline: Baseline, proc: str = "/proc") -> None:
        self.baseline = baseline
        self._proc = proc
        self._owners: dict[int, procs.Owner] = {}
        self._once: set[tuple[str, int]] = set()
        self._cut = 0

    def obstacle(self) -> str:
        if os.geteuid() != 0:
            return "the owners of other users' sockets need root (CAP_SYS_PTRACE)"
        return ""

    def remark(self) -> str:
        return f"{self._cut} network namespaces more than the {NAMESPACES} looked at" if self._cut else ""

    def look(self) -> Look:
        sockets: dict[str, list[Socket]] = {}
        namespaces = yield from self._namespaces()
        for number, pid in namespaces.items():
            yield from self._sockets(number, pid, sockets)
        self._wait_for_second(sockets)
        yield from self._find_owners({one.inode for group in sockets.values() for one in group})
        seen = {key: self._item(key, group) for key, group in sockets.items()}
        for one in self.baseline.compare(seen):
            yield self._fact(one, sockets.get(one.key, []))

    def _namespaces(self) -> Find[dict[str, int]]:
        """Namespace -> a process in it, this process's own first."""
        found: dict[str, int] = {files.link(f"{self._proc}/self/ns/net"): os.getpid()}
        cut = set()
        for count, pid in enumerate(procs.pids(self._proc)):
            target = files.link(f"{self._proc}/{pid}/ns/net")
            if target and target not in found:
                if len(found) < NAMESPACES:
                    found[target] = pid
                else:
                    cut.add(target)
            if count % 16 == 0:
                yield None
        self._cut = len(cut)
        return {target.strip("net:[]"): pid for target, pid in found.items()}

    def _sockets(self, namespace: str, pid: int, sockets: dict[str, list[Socket]]) -> Find[None]:
        for table, protocol, state in TABLES:
            for lines in _lines(f"{self._proc}/{pid}/net/{table}"):
                over = False
                for line in lines:
                    words = line.split()
                    if len(words) < 10 or words[0] == "sl":
                        continue
                    if words[3] != state:
                        over = table.startswith("tcp")
                        if over:
                            break
                        continue
                    _add(sockets, namespace, _parse(table, protocol, words))
                yield None
                if over:
                    break
        for lines in _lines(f"{self._proc}/{pid}/net/packet"):
            for line in lines:
                words = line.split()
                if len(words) >= 9 and words[0] != "sk":
                    _add(sockets, namespace, Socket("packet", 0, "", int(words[3], 16), int(words[8])))
            yield None

    def _wait_for_second(self, sockets: dict[str, list[Socket]]) -> None:
        """Leave out UDP sockets on ports that the kernel gave, until they are there twice."""
        known, before = self.baseline.items, self._once
        self._once = set()
        if known is None:
            return
        low, high = _local_ports()
        for key, group in list(sockets.items()):
            one = group[0]
            if not one.table.startswith("udp") or not low <= one.port <= high or key in known:
                continue
            self._once |= {(key, one.inode) for one in group}
            if not any((key, one.inode) in before for one in group):
                del sockets[key]

    def _find_owners(self, inodes: set[int]) -> Find[None]:
        self._owners = {inode: who for inode, who in self._owners.items() if inode in inodes}
        wanted = inodes - set(self._owners) - {0}
        if wanted:
            for pid in procs.pids(self._proc):
                mine = None
                for count, (_, target) in enumerate(procs.descriptors(self._proc, pid), 1):
                    if count % STEP_DESCRIPTORS == 0:
                        yield None
                    if not target.startswith("socket:["):
                        continue
                    inode = int(target[8:-1])
                    if inode in wanted:
                        mine = mine or procs.owner(self._proc, pid)
                        self._owners[inode] = mine
                        wanted.discard(inode)
                if not wanted:
                    break
                yield None
        # Of the kernel itself, or gone: not looked for again.
        self._owners |= dict.fromkeys(wanted, procs.Owner())

    def _item(self, key: str, group: list[Socket]) -> Item:
        """Who owns it, by executable; an owner that was not found changes nothing."""
        exes = sorted({self._owners[one.inode].exe for one in group if one.inode in self._owners} - {""})
        before = (self.baseline.items or {}).get(key)
        value = " ".join(exes) or (before.value if before else "")
        return Item(value=value, number=group[0].inode)

    def _fact(self, one: Difference, group: list[Socket]) -> Fact:
        namespace, table, address, port, protocol = one.key.split(" ")
        who = next((self._owners[s.inode] for s in group if s.inode in self._owners), procs.Owner())
        if one.change is Change.CHANGED and one.old is not None:
            fresh = [
                o for o in (self._owners.get(s.inode) for s in group) if o and o.exe not in one.old.value
            ]
            who = fresh[0] if fresh else who
        verb = {
            Change.BASELINE: "was there at the first look",
            Change.APPEARED: "is new",
            Change.CHANGED: "has another program",
            Change.VANISHED: "is gone",
        }[one.change]
        shown = f"port {port}" if table[:3] in ("tcp", "udp") else f"protocol {port}"
        return Fact(
            kind=KIND,
            change=one.change,
            name=table,
            path=who.exe or (one.item.value if one.change is Change.VANISHED else ""),
            value=f"net:[{namespace}] {address} {shown}",
            old_value=one.old.value if one.old and one.change is Change.CHANGED else "",
            src_ip=address if table != "packet" else "",
            src_port=int(port) if table[:3] in ("tcp", "udp") else 0,
            protocol=int(protocol) if table[:3] != "raw" else int(port),
            inode=one.item.number,
            target_pid=who.pid,
            target_start_ns=who.start_ns,
            target_uid=who.uid,
            reason=f"{table} socket {address or 'for all interfaces'} {shown} {verb}{_of(who)}",
        )


def _of(who: procs.Owner) -> str:
    return f", of {who.exe or who.comm} (pid {who.pid})" if who.pid else ""


def _add(sockets: dict[str, list[Socket]], namespace: str, one: Socket) -> None:
    key = f"{namespace} {one.key}"
    if key in sockets:
        sockets[key].append(one)
    elif len(sockets) < SOCKETS:
        sockets[key] = [one]


def _parse(table: str, protocol: int, words: list[str]) -> Socket:
    """proc_net_tcp: sl local_address rem_address st queues timer retrnsmt uid timeout inode."""
    address, _, port = words[1].partition(":")
    return Socket(table, protocol, address_of(address), int(port, 16), int(words[9]))


def address_of(digits: str) -> str:
    """The kernel prints each 32-bit word of an address as a number of this machine's byte order."""
    words = [bytes.fromhex(digits[i : i + 8])[::-1] for i in range(0, len(digits), 8)]
    raw = b"".join(words)
    return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)


def _local_ports() -> tuple[int, int]:
    words = (files.text(_PORTS) or "32768 60999").split()
    return int(words[0]), int(words[1])


def _lines(path: str) -> Iterator[list[str]]:
    """Whole lines, in parts; nothing for a table that this kernel lacks or a process that ended."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        rest, total = b"", 0
        while total < TABLE_BYTES and (part := os.read(fd, STEP_BYTES)):
            total += len(part)
            whole, _, rest = (rest + part).rpartition(b"\n")
            yield whole.decode("ascii", "replace").splitlines()
    except OSError:
        return
    finally:
        os.close(fd)

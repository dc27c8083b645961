# SPDX-License-Identifier: Apache-2.0
"""The XDP block list: on real packets between two network namespaces, and on crafted frames."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
from collections.abc import Iterator

import pytest

from innerwarden.errors import BpfError
from innerwarden.sensor.kernel_xdp import XdpList
from innerwarden.sensor.loader import KernelSource
from tests.kernel.reader import Witness

pytestmark = pytest.mark.kernel

DROP, PASS = 1, 2
PEER = f"iwx{os.getpid() % 10000}"
HERE = f"iwh{os.getpid() % 10000}"


def run(*words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(words, check=True, capture_output=True)


@pytest.fixture(scope="module")
def link() -> Iterator[int]:
    """A veth pair: its near end here, its far end in a namespace. Yields the near one's index."""
    if subprocess.run(["ip", "netns"], capture_output=True, check=False).returncode != 0:
        pytest.skip("needs iproute2's network namespaces: apt-get install iproute2")
    run("ip", "netns", "add", PEER)
    try:
        run("ip", "link", "add", HERE, "type", "veth", "peer", "name", "far", "netns", PEER)
        run("ip", "addr", "add", "10.213.7.1/24", "dev", HERE)
        run("ip", "addr", "add", "fd0d:7::1/64", "dev", HERE, "nodad")
        run("ip", "link", "set", HERE, "up")
        inside = ("ip", "netns", "exec", PEER, "ip")
        run(*inside, "addr", "add", "10.213.7.2/24", "dev", "far")
        run(*inside, "addr", "add", "fd0d:7::2/64", "dev", "far", "nodad")
        run(*inside, "link", "set", "far", "up")
        run(*inside, "link", "set", "lo", "up")
        yield socket.if_nametoindex(HERE)
    finally:
        run("ip", "netns", "del", PEER)


@pytest.fixture
def xdp(source: KernelSource) -> Iterator[XdpList]:
    assert source.xdp is not None
    yield source.xdp
    for target in ("10.213.7.2", "fd0d:7::2", "10.213.0.0/16", "fd0d:7::/32", "192.0.2.7", "2001:db8::7"):
        source.xdp.unblock(target)
        source.xdp.disallow(target)


SEND = """
import socket
s = socket.socket({family}, socket.SOCK_DGRAM)
for i in range({count}): s.sendto(b'x', ({address!r}, {port}))
"""


def received(address: str, count: int = 3) -> int:
    """How many of `count` datagrams from the far end reach `address` here."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as near:
        near.bind((address, 0))
        near.settimeout(5)
        code = SEND.format(family=int(family), count=count, address=address, port=near.getsockname()[1])
        run("ip", "netns", "exec", PEER, "python3", "-c", code)
        near.setblocking(False)  # a veth delivers in the sender's context, so all there is has arrived
        found = 0
        while True:
            try:
                near.recv(10)
            except BlockingIOError:
                return found
            found += 1


@pytest.mark.parametrize(
    ("near", "far", "prefix"),
    [("10.213.7.1", "10.213.7.2", "10.213.0.0/16"), ("fd0d:7::1", "fd0d:7::2", "fd0d:7::/32")],
)
def test_real_packets(link: int, xdp: XdpList, witness: Witness, near: str, far: str, prefix: str) -> None:
    xdp.attach(link)
    try:
        assert received(near) == 3
        xdp.block(far)
        witness.drain()
        assert received(near, 5) == 0
        assert xdp.packet_count(far) >= 5
        drops = [r for r in witness.drain() if r.kind == "network.xdp_drop"]
        assert [r.packet_count for r in drops[:3]] == [1, 2, 4]
        assert all(r.src_ip == far and r.interface_index == link and r.pid == 0 for r in drops)
        xdp.allow(far)
        assert received(near) == 3
        xdp.disallow(far)
        assert xdp.unblock(far)
        assert received(near) == 3
        xdp.block(prefix)
        assert received(near) == 0
        xdp.allow(far)
        assert received(near) == 3
    finally:
        xdp.detach(link)
    xdp.disallow(far)
    assert received(near) == 3  # still listed, but nothing is attached


def frame4(source: str, tags: bytes = b"") -> bytes:
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28, 0, 0, 64, 17, 0, socket.inet_aton(source), bytes(4))
    return bytes(12) + tags + b"\x08\x00" + header + bytes(26)


def frame6(source: str, tags: bytes = b"") -> bytes:
    packed = socket.inet_pton(socket.AF_INET6, source)
    return bytes(12) + tags + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, 8, 17, 64) + packed + bytes(24)


VLAN, QINQ = b"\x81\x00\x00\x05", b"\x88\xa8\x00\x06"


@pytest.mark.parametrize("tags", [b"", VLAN, QINQ + VLAN])
def test_tagged_frames(xdp: XdpList, tags: bytes) -> None:
    xdp.block("192.0.2.7")
    xdp.block("2001:db8::7")
    assert xdp.test_run(frame4("192.0.2.7", tags)) == DROP
    assert xdp.test_run(frame4("192.0.2.8", tags)) == PASS
    assert xdp.test_run(frame6("2001:db8::7", tags)) == DROP
    assert xdp.test_run(frame6("2001:db8::8", tags)) == PASS


@pytest.mark.parametrize(
    "frame",
    [
        frame4("192.0.2.7", VLAN * 3),
        frame4("192.0.2.7")[:20],
        frame6("2001:db8::7")[:40],
        frame4("192.0.2.7").replace(b"\x08\x00\x45", b"\x08\x00\x65", 1),
        (bytes(12) + VLAN)[:15],
    ],
)
def test_what_cannot_be_parsed_passes_and_is_counted(xdp: XdpList, frame: bytes) -> None:
    xdp.block("192.0.2.7")
    xdp.block("2001:db8::7")
    before = xdp.counters()
    assert xdp.test_run(frame) == PASS
    after = xdp.counters()
    assert after["unparsed"] == before["unparsed"] + 1
    assert after["dropped"] == before["dropped"]


def test_other_protocols_pass_uncounted(xdp: XdpList) -> None:
    before = xdp.counters()
    assert xdp.test_run(bytes(12) + b"\x08\x06" + bytes(46)) == PASS  # ARP
    assert xdp.counters() == before


def test_expiry(xdp: XdpList) -> None:
    xdp.block("192.0.2.7", ttl_s=3600)
    assert xdp.test_run(frame4("192.0.2.7")) == DROP
    xdp.block("192.0.2.7", ttl_s=-1)
    before = xdp.counters()["expired"]
    assert xdp.test_run(frame4("192.0.2.7")) == PASS
    assert xdp.counters()["expired"] == before + 1


def test_lists_take_many_and_refuse_nonsense(xdp: XdpList) -> None:
    many = [f"198.18.{i >> 8}.{i & 255}" for i in range(5000)]
    xdp.block_many(many)
    assert xdp.test_run(frame4(many[4321])) == DROP
    for target in many:
        assert xdp.unblock(target)
    assert not xdp.unblock(many[0])
    assert xdp.packet_count(many[0]) is None
    with pytest.raises(BpfError, match="neither an address nor a prefix"):
        xdp.block("not-an-address")


def test_mapped_text_means_the_v4_address(xdp: XdpList) -> None:
    xdp.block("::ffff:192.0.2.7")
    assert xdp.test_run(frame4("192.0.2.7")) == DROP

# SPDX-License-Identifier: Apache-2.0
"""The XDP block list: on real packets between two network namespaces, and on crafted frames."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import time
from collections.abc import Iterator

import pytest

from innerwarden.config import ResponderConfig
from innerwarden.errors import BpfError
from innerwarden.libbpf import Object, kernel_ids
from innerwarden.model._wire import EnforcementMode
from innerwarden.xdp import COUNTER_NAMES, XdpList
from tests.kernel import partial
from tests.kernel.reader import Witness

pytestmark = pytest.mark.kernel

DROP, PASS = 1, 2
XDP_ATTACHED_NATIVE, XDP_ATTACHED_GENERIC = 1, 2  # include/uapi/linux/if_link.h
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


@pytest.fixture(scope="module")
def loaded() -> Iterator[Object]:
    found = partial.load({"iw_xdp", "iw_xdp_observe"})
    yield found
    found.close()


@pytest.fixture
def witness(loaded: Object) -> Iterator[Witness]:
    found = Witness(partial.rings(loaded))
    found.drain()
    yield found
    found.close()


ARMED = ResponderConfig(enabled=True, dry_run=False)
TARGETS = ("10.213.7.2", "fd0d:7::2", "10.213.0.0/16", "fd0d:7::/32", "192.0.2.7", "2001:db8::7")


def emptied(loaded: Object, found: XdpList) -> Iterator[XdpList]:
    yield found
    found.close()
    after = XdpList(loaded, ARMED)
    after.drop_unparsed(False)
    for target in TARGETS:
        after.unblock(target)
        after.disallow(target)
    after.close()


@pytest.fixture
def xdp(loaded: Object) -> Iterator[XdpList]:
    yield from emptied(loaded, XdpList(loaded, ARMED))


@pytest.fixture(
    params=[
        ResponderConfig(),
        ResponderConfig(enabled=True),
        ResponderConfig(dry_run=False),
        ResponderConfig(enabled=1, dry_run=0),  # type: ignore[arg-type]
    ],
    ids=["defaults", "dry run", "not enabled", "numbers for switches"],
)
def unarmed(loaded: Object, request: pytest.FixtureRequest) -> Iterator[XdpList]:
    yield from emptied(loaded, XdpList(loaded, request.param))


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
    attachment = xdp.attach(link)
    # veth does XDP in its driver; which one is told must be what the kernel says.
    assert (attachment.way, attachment.mode) == ("native", "enforce")
    shown = run("ip", "-json", "link", "show", "dev", HERE).stdout
    assert json.loads(shown)[0]["xdp"]["mode"] == XDP_ATTACHED_NATIVE
    try:
        assert received(near) == 3
        xdp.block(far)
        witness.drain()
        assert received(near, 5) == 0
        assert xdp.packet_count(far) >= 5
        drops = [r for r in witness.drain() if r.kind == "network.xdp_drop"]
        assert [r.packet_count for r in drops[:3]] == [1, 2, 4]
        assert all(r.src_ip == far and r.interface_index == link and r.pid == 0 for r in drops)
        assert all(r.enforcement_mode == EnforcementMode.ENFORCE for r in drops)
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


@pytest.mark.parametrize(("near", "far"), [("10.213.7.1", "10.213.7.2"), ("fd0d:7::1", "fd0d:7::2")])
def test_without_both_switches_nothing_is_dropped(
    link: int, unarmed: XdpList, witness: Witness, near: str, far: str
) -> None:
    assert unarmed.attach(link).mode == "observe"
    unarmed.block(far)
    before = unarmed.counters()
    assert received(near, 5) == 5
    assert unarmed.packet_count(far) >= 5
    after = unarmed.counters()
    assert after["observed"] - before["observed"] >= 5
    assert after["dropped"] == before["dropped"]
    told = [r for r in witness.drain() if r.kind == "network.xdp_drop"]
    assert [r.packet_count for r in told[:3]] == [1, 2, 4]
    assert {r.enforcement_mode for r in told} == {EnforcementMode.OBSERVE}


def test_without_both_switches_the_unparsed_pass(unarmed: XdpList) -> None:
    assert unarmed.drop_unparsed(True) is False
    assert unarmed.test_run(frame4("192.0.2.7", VLAN * 3)) == PASS


def test_generic_where_the_driver_cannot(xdp: XdpList) -> None:
    name = f"iwd{os.getpid() % 10000}"
    for kind in ("ifb", "dummy"):
        made = subprocess.run(["ip", "link", "add", name, "type", kind], capture_output=True, check=False)
        if made.returncode == 0:
            break
    else:
        pytest.skip(f"cannot make an interface without XDP of its own: {made.stderr.decode().strip()}")
    try:
        assert xdp.attach(socket.if_nametoindex(name)).way == "generic"
        shown = json.loads(run("ip", "-json", "link", "show", "dev", name).stdout)
        assert shown[0]["xdp"]["mode"] == XDP_ATTACHED_GENERIC
        assert [a.interface for a in xdp.attachments()] == [name]
    finally:
        xdp.close()
        run("ip", "link", "del", name)


def test_what_is_no_ethernet_is_refused(xdp: XdpList) -> None:
    name = f"iwt{os.getpid() % 10000}"
    made = subprocess.run(["ip", "tuntap", "add", "mode", "tun", name], capture_output=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"cannot make a tun interface: {made.stderr.decode().strip()}")
    try:
        with pytest.raises(BpfError, match=f"{name} is no Ethernet interface"):
            xdp.attach(socket.if_nametoindex(name))
    finally:
        run("ip", "link", "del", name)
    with pytest.raises(BpfError, match="there is no network interface"):
        xdp.attach(1 << 30)


def test_two_programs_on_one_interface(link: int, xdp: XdpList, loaded: Object) -> None:
    xdp.attach(link)
    other = XdpList(loaded, ARMED)
    with pytest.raises(BpfError, match="another XDP program holds"):
        other.attach(link)
    assert other.attachments() == ()
    other.close()


def test_nothing_stays_attached(link: int, xdp: XdpList) -> None:
    before = kernel_ids("link")
    xdp.attach(link)
    assert kernel_ids("link") > before
    xdp.close()
    assert kernel_ids("link") == before
    assert "xdp" not in json.loads(run("ip", "-json", "link", "show", "dev", HERE).stdout)[0]


def frame4(source: str, tags: bytes = b"", fragment: int = 0, first: int = 0x45) -> bytes:
    packed = socket.inet_aton(source)
    header = struct.pack("!BBHHHBBH4s4s", first, 0, 28, 0, fragment, 64, 17, 0, packed, bytes(4))
    return bytes(12) + tags + b"\x08\x00" + header + bytes(26)


def frame6(source: str, tags: bytes = b"", next_header: int = 17, rest: bytes = bytes(24)) -> bytes:
    packed = socket.inet_pton(socket.AF_INET6, source)
    fixed = struct.pack("!IHBB", 6 << 28, len(rest), next_header, 64) + packed + bytes(16)
    return bytes(12) + tags + b"\x86\xdd" + fixed + rest


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
        frame4("192.0.2.7", first=0x44),
        frame4("192.0.2.7").replace(b"\x08\x00\x45", b"\x08\x00\x65", 1),
        (bytes(12) + VLAN)[:15],
    ],
)
def test_what_cannot_be_parsed_is_counted_and_dropped_when_asked(xdp: XdpList, frame: bytes) -> None:
    xdp.block("192.0.2.7")
    xdp.block("2001:db8::7")
    before = xdp.counters()
    assert xdp.test_run(frame) == PASS
    assert xdp.drop_unparsed(True) is True
    assert xdp.test_run(frame) == DROP
    assert xdp.drop_unparsed(False) is False
    assert xdp.test_run(frame) == PASS
    assert risen(xdp, before) == {"unparsed": 3, "refused": 1}


def risen(xdp: XdpList, before: dict[str, int]) -> dict[str, int]:
    """Counters that moved since, and by how much."""
    after = xdp.counters()
    return {name: after[name] - before[name] for name in COUNTER_NAMES if after[name] != before[name]}


MORE_FRAGMENTS, LATER_FRAGMENT = 0x2000, 0x00B9


@pytest.mark.parametrize("fragment", [MORE_FRAGMENTS, LATER_FRAGMENT, MORE_FRAGMENTS | LATER_FRAGMENT])
def test_fragments_cannot_hide_a_v4_source(xdp: XdpList, fragment: int) -> None:
    xdp.block("192.0.2.7")
    before = xdp.counters()
    assert xdp.test_run(frame4("192.0.2.7", fragment=fragment)) == DROP
    assert xdp.test_run(frame4("192.0.2.8", fragment=fragment)) == PASS
    assert risen(xdp, before) == {"dropped": 1, "fragments": 2}


def test_options_cannot_hide_a_v4_source(xdp: XdpList) -> None:
    xdp.block("192.0.2.7")
    assert xdp.test_run(frame4("192.0.2.7", first=0x4F)) == DROP


HOP, ROUTING, FRAGMENT, AH, DESTINATION, UDP = 0, 43, 44, 51, 60, 17


def chain(*kinds: int, fragment: int = 0) -> dict[str, int | bytes]:
    """Extension headers in that order, 8 bytes each (AH 12), then UDP: arguments of frame6."""
    rest = b""
    for kind, following in zip(kinds, (*kinds[1:], UDP), strict=True):
        if kind == FRAGMENT:
            rest += struct.pack("!BBHI", following, 0, fragment, 7)
        elif kind == AH:
            rest += struct.pack("!BBHQ", following, 1, 0, 0)
        else:
            rest += bytes([following]) + bytes(7)
    return {"next_header": kinds[0], "rest": rest + bytes(8)}


@pytest.mark.parametrize(
    "kinds",
    [(HOP,), (ROUTING,), (DESTINATION,), (AH,), (HOP, AH, ROUTING, AH, DESTINATION), (DESTINATION,) * 8],
)
def test_extension_headers_cannot_hide_a_v6_source(xdp: XdpList, kinds: tuple[int, ...]) -> None:
    xdp.block("2001:db8::7")
    xdp.drop_unparsed(True)
    before = xdp.counters()
    assert xdp.test_run(frame6("2001:db8::7", **chain(*kinds))) == DROP
    assert risen(xdp, before) == {"dropped": 1}
    assert xdp.test_run(frame6("2001:db8::8", **chain(*kinds))) == PASS
    assert risen(xdp, before) == {"dropped": 1, "extended": 1}


@pytest.mark.parametrize(("offset", "moved"), [(1, 1), (0x0100, 1), (0x0101, 1)])
def test_v6_fragments(xdp: XdpList, offset: int, moved: int) -> None:
    xdp.block("2001:db8::7")
    frame = chain(HOP, FRAGMENT, fragment=offset)
    before = xdp.counters()
    assert xdp.test_run(frame6("2001:db8::7", **frame)) == DROP
    assert xdp.test_run(frame6("2001:db8::8", **frame)) == PASS
    assert risen(xdp, before) == {"dropped": 1, "extended": 1, "fragments": moved}


@pytest.mark.parametrize(
    "arguments",
    [
        chain(*[DESTINATION] * 9),  # more headers than are followed
        {"next_header": DESTINATION, "rest": bytes([UDP, 200]) + bytes(30)},  # ends behind the frame
        {"next_header": DESTINATION, "rest": bytes([DESTINATION, 200]) + bytes(30)},
        {"next_header": AH, "rest": bytes([UDP, 7]) + bytes(30)},
        {"next_header": HOP, "rest": bytes(4)},
    ],
)
def test_a_chain_that_cannot_be_followed(xdp: XdpList, arguments: dict[str, int | bytes]) -> None:
    xdp.block("2001:db8::7")
    assert xdp.test_run(frame6("2001:db8::7", **arguments)) == DROP
    before = xdp.counters()
    assert xdp.test_run(frame6("2001:db8::8", **arguments)) == PASS
    assert risen(xdp, before) == {"extended": 1, "unparsed": 1}
    xdp.drop_unparsed(True)
    assert xdp.test_run(frame6("2001:db8::8", **arguments)) == DROP


def test_a_mapped_source_is_the_v4_address(xdp: XdpList) -> None:
    xdp.block("192.0.2.7")
    before = xdp.counters()
    assert xdp.test_run(frame6("::ffff:192.0.2.7")) == DROP
    assert xdp.test_run(frame6("::ffff:192.0.2.8")) == PASS
    assert risen(xdp, before) == {"dropped": 1, "mapped": 2}


@pytest.mark.parametrize("source", ["2002:c000:207::1", "2001:0:c000:207::1"])
def test_the_address_inside_a_tunnels_source_counts_for_nothing(xdp: XdpList, source: str) -> None:
    xdp.block("192.0.2.7")
    before = xdp.counters()
    assert xdp.test_run(frame6(source)) == PASS
    assert risen(xdp, before) == {"tunnelled": 1}


def test_other_protocols_pass_uncounted(xdp: XdpList) -> None:
    before = xdp.counters()
    assert xdp.test_run(bytes(12) + b"\x08\x06" + bytes(46)) == PASS  # ARP
    assert xdp.counters() == before


def test_many_sources_make_few_records(xdp: XdpList, witness: Witness) -> None:
    """A new source's first packet is told; thousands of them in one moment are counted."""
    many = [f"198.18.{i >> 8}.{i & 255}" for i in range(2000)]
    xdp.block_many(many)
    before = xdp.counters()
    frames = [frame4(source) for source in many]
    began = time.monotonic()
    for frame in frames:
        assert xdp.test_run(frame) == DROP
    took = time.monotonic() - began
    found = risen(xdp, before)
    told = [r for r in witness.drain() if r.kind == "network.xdp_drop"]
    assert found["dropped"] == 2000
    assert len(told) + found.get("unreported", 0) == 2000
    assert len({r.src_ip for r in told}) == len(told) >= 16
    # 16 in a jiffy of 1 ms at the shortest, on two CPUs at the most; an emulator is slower than that.
    assert len(told) <= 16 * (took * 1000 + 1) * 2
    for source in many:
        xdp.unblock(source)


def test_expiry(xdp: XdpList) -> None:
    xdp.block("192.0.2.7", ttl_s=3600)
    assert xdp.test_run(frame4("192.0.2.7")) == DROP
    xdp.block("192.0.2.7", ttl_s=-1)
    before = xdp.counters()
    assert xdp.test_run(frame4("192.0.2.7")) == PASS
    assert risen(xdp, before) == {"expired": 1}


def test_reaping(xdp: XdpList) -> None:
    """More expired entries than one bucket or call holds, beside some that stay; every list."""
    gone = [f"198.18.{i >> 8}.{i & 255}" for i in range(9000)]
    stay = ["192.0.2.7", "2001:db8::7", "10.213.0.0/16", "fd0d:7::/32"]
    xdp.block_many([*gone, "2001:db8::8", "198.51.100.0/24", "2001:db8:1::/48"], ttl_s=-1)
    xdp.block_many(stay[:2], ttl_s=3600)
    xdp.block_many(stay[2:])
    calls = [xdp.reap() for _ in range(16)]
    assert sum(calls) == 9003
    assert calls[0] < 9003, "one call is bounded"
    assert xdp.packet_count(gone[0]) is None
    assert [xdp.packet_count(target) for target in stay] == [0, 0, 0, 0]


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


@pytest.mark.parametrize("target", ["0.0.0.0/0", "128.0.0.0/1", "::/0", "2000::/3", "::ffff:0:0/96"])
def test_a_prefix_that_cuts_this_machine_off_is_refused(xdp: XdpList, target: str) -> None:
    with pytest.raises(BpfError, match="too much to block"):
        xdp.block_many(["192.0.2.7", target])
    assert xdp.test_run(frame4("192.0.2.7")) == PASS


@pytest.mark.parametrize("text", ["::ffff:192.0.2.7", "::ffff:192.0.2.0/120"])
def test_mapped_text_means_the_v4_address(xdp: XdpList, text: str) -> None:
    xdp.block(text)
    assert xdp.test_run(frame4("192.0.2.7")) == DROP
    assert xdp.unblock(text)

# SPDX-License-Identifier: Apache-2.0
"""First bytes on the wire: which are taken, whose they are said to be, and what the engine makes of them."""

from __future__ import annotations

import itertools
import socket
import struct
from typing import Any

import pytest
from innerwarden_core import Engine

from innerwarden.sensor.loader import KernelSource
from tests.kernel.reader import Decoded, Witness, check_header, decode, trigger

pytestmark = pytest.mark.kernel

TCP, UDP = socket.IPPROTO_TCP, socket.IPPROTO_UDP
RESOLVER = "127.0.0.77"

#: What every child may use: one query by hand (RFC 1035 4.1), real hellos of OpenSSL, and a listener.
TOOLS = """
import ssl, threading
def query(name, kind=1, number=0x1234):
    labels = b''.join(bytes([len(l)]) + l.encode() for l in name.split('.'))
    return struct.pack('>6H', number, 0x0100, 1, 0, 0, 0) + labels + b'\\0' + struct.pack('>HH', kind, 1)
def hello(name, protocols=('h2', 'http/1.1')):
    context = ssl.create_default_context()
    context.set_alpn_protocols(list(protocols))
    sent = ssl.MemoryBIO()
    try: context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=name).do_handshake()
    except ssl.SSLWantReadError: pass
    return sent.read()
def listener(address='127.0.0.1', port=0, family=socket.AF_INET):
    server = socket.socket(family, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, port)); server.listen()
    return server
def connected(server):
    client = socket.socket(server.family, socket.SOCK_STREAM)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.connect(server.getsockname())
    return client
"""


def payloads(witness: Witness, pid: int) -> list[Decoded]:
    return [r for r in witness.drain() if r.kind == "network.payload" and r.pid == pid]


def told(records: list[Decoded]) -> list[Decoded]:
    """What the engine makes of them."""
    engine = Engine()
    engine.capture(True)
    engine.feed(b"".join(record.raw for record in records))
    raw, found, at = engine.take_captured(), [], 0
    while at < len(raw):
        (size,) = struct.unpack_from("<I", raw, at)
        found.append(decode(raw[at : at + size], "made"))
        at += size
    return found


def plain(address: str) -> str:
    return address.removeprefix("::ffff:")


@pytest.mark.parametrize("connected", [False, True])
@pytest.mark.parametrize(
    ("family", "address"),
    [(socket.AF_INET, RESOLVER), (socket.AF_INET6, "::1"), (socket.AF_INET6, f"::ffff:{RESOLVER}")],
)
def test_a_datagram_query(witness: Witness, family: int, address: str, connected: bool) -> None:
    send = "s.connect(peer); s.send(text)" if connected else "s.sendto(text, peer)"
    truth = trigger(
        TOOLS
        + f"server = socket.socket({int(family)}, socket.SOCK_DGRAM); server.bind(({address!r}, 53))\n"
        + f"s = socket.socket({int(family)}, socket.SOCK_DGRAM); peer = ({address!r}, 53)\n"
        + f"text = query('www.Example.org'); {send}\n"
        + "data, source = server.recvfrom(4096)\n"
        + "say(text=data.hex(), source=source[:2])\n"
    )
    (record,) = payloads(witness, truth["pid"])
    check_header(record, truth)
    assert record.ring == "bulk"
    assert record.payload.hex() == truth["text"]
    assert record.payload_len == len(record.payload)
    assert (record.src_ip, record.src_port) == (plain(truth["source"][0]), truth["source"][1])
    assert (record.dst_ip, record.dst_port) == (plain(address), 53)
    assert (record.protocol, record.stream_offset) == (UDP, 0)
    assert record.family == (socket.AF_INET if "ffff" in address else family)
    assert record.socket_cookie
    (dns,) = told([record])
    assert (dns.kind, dns.dns_query, dns.dns_type, dns.dns_id) == (
        "network.dns",
        b"www.example.org",
        1,
        0x1234,
    )
    check_header(dns, truth)


@pytest.mark.parametrize("port", [5353, 5355])
def test_the_other_dns_ports(witness: Witness, port: int) -> None:
    truth = trigger(
        TOOLS + "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        f"s.sendto(query('printer.local', 12), ({RESOLVER!r}, {port})); say()\n"
    )
    (dns,) = told(payloads(witness, truth["pid"]))
    assert (dns.dns_query, dns.dns_type, dns.dst_port) == (b"printer.local", 12, port)


def test_what_the_resolver_library_asks(witness: Witness) -> None:
    """In namespaces of its own, where nothing answers: getaddrinfo's own queries, and its process."""
    truth = trigger(
        "import fcntl\n"
        "CLONE_NEWNS, CLONE_NEWNET, MS_PRIVATE_REC = 0x20000, 0x40000000, 0x44000\n"
        "assert libc.unshare(CLONE_NEWNS | CLONE_NEWNET) == 0\n"
        "assert libc.mount(b'none', b'/', None, MS_PRIVATE_REC, None) == 0\n"
        "assert libc.mount(b'tmpfs', b'/etc', b'tmpfs', 0, None) == 0\n"
        "open('/etc/resolv.conf', 'w').write('nameserver 127.0.0.1\\noptions attempts:1 timeout:1\\n')\n"
        "open('/etc/nsswitch.conf', 'w').write('hosts: dns\\n')\n"
        "s = socket.socket(); fcntl.ioctl(s, 0x8914, struct.pack('16sh14x', b'lo', 1))\n"  # SIOCSIFFLAGS, IFF_UP
        "try: socket.getaddrinfo('beacon.invalid', 443)\n"
        "except OSError: pass\n"
        "say()\n"
    )
    found = told(payloads(witness, truth["pid"]))
    assert {(r.dns_query, r.dns_type) for r in found} == {(b"beacon.invalid", 1), (b"beacon.invalid", 28)}
    assert {(r.dst_ip, r.dst_port) for r in found} == {("127.0.0.1", 53)}


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, RESOLVER), (socket.AF_INET6, "::1")])
def test_queries_over_tcp(witness: Witness, family: int, address: str) -> None:
    """Two in one segment, the third in two."""
    truth = trigger(
        TOOLS + f"server = listener({address!r}, 53, {int(family)}); client = connected(server)\n"
        "def framed(text): return struct.pack('>H', len(text)) + text\n"
        "client.send(framed(query('one.test')) + framed(query('two.test', 16)))\n"
        "late = framed(query('three.test', 10)); client.send(late[:9]); client.send(late[9:])\n"
        "say(own=client.getsockname()[:2])\n"
    )
    records = payloads(witness, truth["pid"])
    for record in records:
        check_header(record, truth)
    assert [r.stream_offset for r in records] == [0, 56, 65]
    assert (records[0].src_ip, records[0].src_port) == tuple(truth["own"])
    assert (records[0].dst_ip, records[0].dst_port, records[0].protocol) == (address, 53, TCP)
    found = told(records)
    assert [(r.dns_query, r.dns_type) for r in found] == [
        (b"one.test", 1),
        (b"two.test", 16),
        (b"three.test", 10),
    ]


@pytest.mark.parametrize(
    ("family", "address"),
    [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"), (socket.AF_INET6, "::ffff:127.0.0.1")],
)
def test_a_tls_client(witness: Witness, family: int, address: str) -> None:
    truth = trigger(
        TOOLS + f"server = listener({address!r}, 0, {int(family)})\n"
        "got = []\n"
        "def serve():\n"
        "    peer = server.accept()[0]; got.append(peer.recv(65536)); peer.close()\n"
        "thread = threading.Thread(target=serve); thread.start()\n"
        "context = ssl.create_default_context(); context.set_alpn_protocols(['http/1.1'])\n"
        "client = connected(server); own = client.getsockname()[:2]\n"
        "try: context.wrap_socket(client, server_hostname='C2.Example.net')\n"
        "except OSError: pass\n"
        "thread.join()\n"
        "say(hello=got[0].hex(), own=own, peer=server.getsockname()[:2])\n"
    )
    (record,) = payloads(witness, truth["pid"])
    check_header(record, truth)
    assert record.payload.hex() == truth["hello"]
    (tls,) = told([record])
    check_header(tls, truth)
    assert (tls.tls_sni, tls.tls_alpn, tls.tls_version, tls.tls_flags) == (
        b"c2.example.net",
        b"http/1.1",
        772,
        0,
    )
    assert tls.tls_hello.hex() == truth["hello"][10:]  # without the record's header
    assert (tls.src_ip, tls.src_port) == (plain(truth["own"][0]), truth["own"][1])
    assert (tls.dst_ip, tls.dst_port) == (plain(truth["peer"][0]), truth["peer"][1])
    assert tls.family == (socket.AF_INET if "ffff" in address else family)


def test_a_hello_byte_by_byte(witness: Witness) -> None:
    truth = trigger(
        TOOLS + "server = listener(); client = connected(server); text = hello('slow.example.net')\n"
        "for byte in text: client.send(bytes([byte]))\n"
        "client.send(b'what follows is no hello' * 100); client.close()\n"
        "peer = server.accept()[0]\n"
        "while peer.recv(65536): pass\n"
        "say(text=text.hex())\n"
    )
    records = payloads(witness, truth["pid"])
    # As many as the first window lets go at once; what has to wait leaves joined.
    assert [len(r.payload) for r in records[:10]] == [1] * 10
    assert b"".join(r.payload for r in records).hex() == truth["text"]
    assert [r.stream_offset for r in records] == list(
        itertools.accumulate((len(r.payload) for r in records[:-1]), initial=0)
    )
    assert {r.pid for r in records} == {truth["pid"]}
    (tls,) = told(records)
    assert (tls.tls_sni, tls.tls_flags) == (b"slow.example.net", 0)


def test_a_hello_larger_than_a_packet(witness: Witness) -> None:
    protocols = [f"protocol-{n:03d}" for n in range(150)]
    truth = trigger(
        TOOLS + f"server = listener(); client = connected(server); text = hello('long.test', {protocols!r})\n"
        "client.send(text + b'more'); say(size=len(text))\n"
    )
    (record,) = payloads(witness, truth["pid"])
    assert 1500 < len(record.payload) == truth["size"] < record.payload_len
    (tls,) = told([record])
    assert (tls.tls_sni, tls.tls_alpn, tls.tls_flags) == (b"long.test", b"protocol-000", 0)


@pytest.mark.parametrize(
    "before",
    [b"EHLO me\r\n", b"CONNECT hidden.test:443 HTTP/1.1\r\n\r\n", b"\x16", b"\x16\x03junk", b"x" * 4000],
)
def test_a_hello_behind_other_bytes(witness: Witness, before: bytes) -> None:
    """STARTTLS, a proxy, and bytes that only begin like a hello."""
    truth = trigger(
        TOOLS + "server = listener(); client = connected(server); peer = server.accept()[0]\n"
        f"client.send({before!r}); peer.recv(4096); client.send(hello('behind.test')); say()\n"
    )
    found = told(payloads(witness, truth["pid"]))
    assert [r.tls_sni for r in found] == [b"behind.test"]


@pytest.mark.parametrize(
    "text", [b"GET / HTTP/1.1\r\n\r\n", b"\x17\x03\x03\x00\x05hello", b"\x16\x03\x01\x00\x05\x02"]
)
def test_other_streams_and_what_is_far_behind_stay_unread(witness: Witness, text: bytes) -> None:
    truth = trigger(
        TOOLS + "server = listener(); client = connected(server); peer = server.accept()[0]\n"
        f"client.send({text!r}); client.send(bytes(5000)); client.send(hello('late.test')); say()\n"
    )
    assert payloads(witness, truth["pid"]) == []


def test_a_sender_that_is_gone_at_once(witness: Witness) -> None:
    truth = trigger(
        TOOLS + "server = listener(); text = hello('gone.test')\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    connected(server).send(text); os._exit(0)\n"
        "os.waitpid(child, 0); say(child=child)\n"
    )
    (record,) = payloads(witness, truth["child"])
    assert record.ppid == truth["pid"]
    assert [r.tls_sni for r in told([record])] == [b"gone.test"]


def test_a_shared_socket_names_who_sends_and_not_who_connected(witness: Witness) -> None:
    truth = trigger(
        TOOLS + "server = listener(); text = hello('shared.test'); client = connected(server)\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    client.send(text); os._exit(0)\n"
        "os.waitpid(child, 0); say(child=child)\n"
    )
    records = [r for r in witness.drain() if r.kind == "network.payload"]
    assert [r.pid for r in records if r.pid in (truth["pid"], truth["child"])] == [truth["child"]]


def test_bytes_that_leave_without_a_call_keep_their_sender(witness: Witness) -> None:
    """Nagle holds the second piece back until the first is acknowledged, which the peer's timer does."""
    truth = trigger(
        TOOLS
        + "server = listener(); text = hello('held.test'); client = connected(server); peer = server.accept()[0]\n"
        "client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)\n"
        "peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)\n"
        "client.send(text[:100]); client.send(text[100:])\n"
        "got = b''\n"
        "while len(got) < len(text): got += peer.recv(4096)\n"
        "say()\n"
    )
    records = payloads(witness, truth["pid"])
    assert [r.stream_offset for r in records] == [0, 100]
    assert [r.tls_sni for r in told(records)] == [b"held.test"]


def test_options_and_extension_headers_hide_nothing(witness: Witness) -> None:
    truth = trigger(
        TOOLS + "four = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "four.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, b'\\x01' * 8)\n"
        f"four.sendto(query('four.test'), ({RESOLVER!r}, 53))\n"
        "six = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n"
        "padding = struct.pack('BB6s', 0, 0, b'\\x01\\x04')\n"
        "six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_HOPOPTS, padding)\n"
        "six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS, padding)\n"
        "six.sendto(query('six.test'), ('::1', 53))\n"
        "say()\n"
    )
    assert [r.dns_query for r in told(payloads(witness, truth["pid"]))] == [b"four.test", b"six.test"]


def test_a_flood_of_other_datagrams_is_silent(witness: Witness, source: KernelSource) -> None:
    before = source.stats()["made"]["network.payload"]
    truth = trigger(
        "server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); server.bind(('127.0.0.1', 0))\n"
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "for _ in range(20000): s.sendto(b'\\x16\\x03\\x01' * 300, server.getsockname())\n"
        "say(port=server.getsockname()[1])\n"
    )
    mine = [r for r in witness.drain() if r.pid == truth["pid"] and r.kind.startswith("network.")]
    assert sorted(r.kind for r in mine) == ["network.bind", "network.connect"]
    assert source.stats()["made"]["network.payload"] - before < 100  # of others on this machine


def test_quic_openings_are_counted(witness: Witness, source: KernelSource) -> None:
    before = source.stats()["filtered"]["network.payload"]
    truth = trigger(
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "for first in (0xc3, 0xc0, 0xe0, 0x40): s.sendto(bytes([first]) + bytes(1199), ('127.0.0.1', 443))\n"
        "say()\n"
    )
    assert payloads(witness, truth["pid"]) == []
    assert source.stats()["filtered"]["network.payload"] - before == 2


def connects(witness: Witness, *pids: int) -> list[Any]:
    return [
        (r.pid, r.dst_ip, r.dst_port)
        for r in witness.drain()
        if r.kind == "network.connect" and r.pid in pids and r.protocol == UDP
    ]


@pytest.mark.parametrize(
    ("family", "address"),
    [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"), (socket.AF_INET6, "::ffff:127.0.0.1")],
)
def test_a_datagram_to_a_new_peer(witness: Witness, family: int, address: str) -> None:
    truth = trigger(
        f"s = socket.socket({int(family)}, socket.SOCK_DGRAM)\n"
        f"for port in (7001, 7001, 7002, 7001): s.sendto(b'x', ({address!r}, port))\n"
        "say()\n"
    )
    records = [r for r in witness.drain() if r.kind == "network.connect" and r.pid == truth["pid"]]
    assert [(r.dst_ip, r.dst_port) for r in records] == [(plain(address), 7001), (plain(address), 7002)]
    check_header(records[0], truth)
    assert {(r.ring, r.protocol) for r in records} == {("bulk", UDP)}
    assert {r.family for r in records} == {socket.AF_INET if "ffff" in address else family}


def test_each_process_tells_its_own_peers(witness: Witness) -> None:
    truth = trigger(
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "def send(): s.sendto(b'x', ('127.0.0.1', 7003))\n"
        "send(); child = os.fork()\n"
        "if not child:\n"
        "    send(); send(); os._exit(0)\n"
        "os.waitpid(child, 0); send(); say(child=child)\n"
    )
    assert connects(witness, truth["pid"], truth["child"]) == [
        (truth["pid"], "127.0.0.1", 7003),
        (truth["child"], "127.0.0.1", 7003),
    ]

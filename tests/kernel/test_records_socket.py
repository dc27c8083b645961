# SPDX-License-Identifier: Apache-2.0
"""network.socket, network.socket_filter and network.accept records, by 64-bit and 32-bit calls; floods held back."""

from __future__ import annotations

import platform
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from innerwarden.errors import UsageError
from innerwarden.model._wire import HookId
from innerwarden.sensor.kernel_limits import DEFAULTS
from innerwarden.sensor.loader import KernelSource
from tests.kernel.reader import Decoded, Witness, check_header, trigger

pytestmark = pytest.mark.kernel

RAW, DGRAM, STREAM = socket.SOCK_RAW, socket.SOCK_DGRAM, socket.SOCK_STREAM
ETH_P_ALL = 3

#: Calls `compat(number, *arguments)` through int 0x80, with buffers below 4 GiB.
COMPAT = """
import mmap
libc.mmap.restype = ctypes.c_void_p
def low(size):
    at = libc.mmap(None, ctypes.c_size_t(size), 3, 0x22 | 0x40, -1, 0)  # MAP_32BIT
    assert at and at < 1 << 32
    return at
page = mmap.mmap(-1, 4096, prot=7)
page.write(bytes.fromhex(  # push rbx, rbp; eax..ebp from the array in rdi; int 0x80; pop
    '5355' '4989f8' '418b00' '418b5804' '418b4808' '418b500c' '418b7010' '418b7814' '418b6818' 'cd80' '5d5b' 'c3'))
entry = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
def compat(number, *arguments):
    block = (ctypes.c_uint32 * 7)(number, *arguments, *[0] * (6 - len(arguments)))
    result = entry(ctypes.addressof(block))
    if result < 0: raise OSError(-result, os.strerror(-result))
    return result
def words(*values):
    at = low(4096); ctypes.memmove(at, struct.pack(f'<{len(values)}I', *values), 4 * len(values)); return at
"""

needs_compat = pytest.mark.skipif(platform.machine() != "x86_64", reason="needs the 32-bit calls of x86")


def told(witness: Witness, kind: str, pid: int) -> list[Decoded]:
    return [r for r in witness.drain() if r.kind == kind and r.pid == pid]


RARE = {
    "packet": (socket.AF_PACKET, RAW, socket.htons(ETH_P_ALL), ETH_P_ALL),
    "packet datagram": (socket.AF_PACKET, DGRAM, socket.htons(0x0800), 0x0800),
    "raw icmp": (socket.AF_INET, RAW, 1, 1),
    "raw icmp6": (socket.AF_INET6, RAW, 58, 58),
    "raw any": (socket.AF_INET, RAW, 255, 255),
    "vsock": (40, STREAM, 0, 0),
    "xdp": (44, RAW, 0, 0),
}


@pytest.mark.parametrize("name", sorted(RARE))
def test_rare_sockets(witness: Witness, name: str) -> None:
    family, kind, passed, protocol = RARE[name]
    cloexec = 0o2000000
    try:
        socket.socket(family, kind, passed).close()
    except OSError as error:
        pytest.skip(f"this kernel has no such socket: {error}")
    witness.drain()
    truth = trigger(f"call(41, {int(family)}, {int(kind) | cloexec}, {passed}); say()\n")
    (record,) = told(witness, "network.socket", truth["pid"])
    assert record.ring == "prio"
    check_header(record, truth)
    assert (record.family, record.socket_type, record.protocol) == (family, kind, protocol)


def test_the_old_packet_type_is_a_packet_socket(witness: Witness) -> None:
    truth = trigger(f"call(41, 2, 10, {socket.htons(ETH_P_ALL)}); say()\n")
    (record,) = told(witness, "network.socket", truth["pid"])
    assert (record.family, record.socket_type, record.protocol) == (socket.AF_PACKET, 10, ETH_P_ALL)


def test_everyday_and_refused_sockets_are_silent(witness: Witness) -> None:
    truth = trigger(
        "for family, kind in ((2, 1), (2, 2), (10, 1), (1, 1), (16, 3)): call(41, family, kind, 0)\n"
        "os.setuid(65534)\n"
        "try: call(41, 2, 3, 1)\n"
        "except OSError: pass\n"
        "say()\n"
    )
    assert told(witness, "network.socket", truth["pid"]) == []


@needs_compat
def test_rare_sockets_by_32_bit_calls(witness: Witness) -> None:
    truth = trigger(
        COMPAT + "compat(359, 2, 3, 1)\n"
        f"compat(102, 1, words(17, 3, {socket.htons(ETH_P_ALL)}))\n"
        "compat(102, 1, words(2, 1, 0))\n"
        "say()\n"
    )
    direct, packed = told(witness, "network.socket", truth["pid"])
    check_header(packed, truth)
    assert (direct.family, direct.socket_type, direct.protocol) == (socket.AF_INET, RAW, 1)
    assert (packed.family, packed.socket_type, packed.protocol) == (socket.AF_PACKET, RAW, ETH_P_ALL)


#: A classic filter of two instructions (load, return) and the structure that passes it.
FILTER = """
code = ctypes.create_string_buffer(struct.pack('<HBBI', 0x28, 0, 0, 12) + struct.pack('<HBBI', 6, 0, 0, 0xffff))
fprog = struct.pack('<HxxxxxxQ', 2, ctypes.addressof(code))
"""


def test_classic_filter_on_a_raw_socket(witness: Witness) -> None:
    truth = trigger(FILTER + "s = socket.socket(2, 3, 1); s.setsockopt(1, 26, fprog); say()\n")
    (record,) = told(witness, "network.socket_filter", truth["pid"])
    assert record.ring == "prio"
    check_header(record, truth)
    assert (record.option, record.filter_length) == (26, 2)
    assert (record.family, record.socket_type, record.protocol) == (socket.AF_INET, RAW, 1)


def test_filter_that_chooses_among_servers(witness: Witness) -> None:
    truth = trigger(
        FILTER + "s = socket.socket(); s.setsockopt(1, 15, 1); s.bind(('127.0.0.1', 0)); s.listen(1)\n"
        "s.setsockopt(1, 51, fprog); say()\n"
    )
    (record,) = told(witness, "network.socket_filter", truth["pid"])
    assert (record.option, record.filter_length) == (51, 2)
    assert (record.family, record.socket_type, record.protocol) == (socket.AF_INET, STREAM, 6)


def test_extended_program_as_filter(witness: Witness) -> None:
    truth = trigger(
        "exit = struct.pack('<BBhi', 0xb7, 0, 0, 0) + struct.pack('<BBhi', 0x95, 0, 0, 0)\n"
        "code = ctypes.create_string_buffer(exit)\n"
        "gpl = ctypes.create_string_buffer(b'GPL')\n"
        "attr = struct.pack('<IIQQ', 1, 2, ctypes.addressof(code), ctypes.addressof(gpl))\n"
        "prog = call(321, 5, ctypes.create_string_buffer(attr.ljust(128, b'\\0'), 128), 128)\n"
        "s = socket.socket(10, 2); s.setsockopt(1, 50, prog); s.setsockopt(1, 27, 0); s.setsockopt(1, 2, 1); say()\n"
    )
    (record,) = told(witness, "network.socket_filter", truth["pid"])
    assert (record.option, record.filter_length) == (50, 0)
    assert (record.family, record.socket_type, record.protocol) == (socket.AF_INET6, DGRAM, 17)


@needs_compat
def test_filter_by_32_bit_calls(witness: Witness) -> None:
    truth = trigger(
        COMPAT + "code = words(0x28, 12, 6, 0xffff)\n"
        "fprog = words(2, code)\n"
        "s = socket.socket(2, 3, 1)\n"
        "compat(102, 14, words(s.fileno(), 1, 26, fprog, 8))\n"
        "compat(366, s.fileno(), 1, 26, fprog, 8)\n"
        "say()\n"
    )
    records = told(witness, "network.socket_filter", truth["pid"])
    assert [(r.option, r.filter_length, r.protocol) for r in records] == [(26, 2, 1)] * 2


ACCEPTS = """
def server(family, address):
    s = socket.socket(family); s.setsockopt(1, 2, 1)
    if family == 10: s.setsockopt(41, 26, 0)
    s.bind((address, 0)); s.listen(50); return s
def client(s, family, address):
    c = socket.socket(family); c.connect((address, s.getsockname()[1])); return c
"""


@pytest.mark.parametrize(
    ("family", "listen", "connect", "spoken"),
    [
        (socket.AF_INET, "127.0.0.1", "127.0.0.1", socket.AF_INET),
        (socket.AF_INET6, "::1", "::1", socket.AF_INET6),
        (socket.AF_INET6, "::", "127.0.0.1", socket.AF_INET),
    ],
)
@pytest.mark.parametrize("number", [43, 288])
def test_accepted_connection(
    witness: Witness, family: int, listen: str, connect: str, spoken: int, number: int
) -> None:
    other = 2 if ":" not in connect else 10
    truth = trigger(
        ACCEPTS + f"s = server({int(family)}, {listen!r}); c = client(s, {other}, {connect!r})\n"
        f"call({number}, s.fileno(), None, None, 0)\n"
        "say(peer=list(c.getsockname())[:2], own=list(c.getpeername())[:2])\n"
    )
    (record,) = told(witness, "network.accept", truth["pid"])
    assert record.ring == "bulk"
    check_header(record, truth)
    assert [record.src_ip, record.src_port] == truth["peer"]
    assert [record.dst_ip, record.dst_port] == truth["own"]
    assert (record.family, record.protocol) == (spoken, 6)


@needs_compat
def test_accept_by_32_bit_calls(witness: Witness) -> None:
    truth = trigger(
        COMPAT + ACCEPTS + "s = server(2, '127.0.0.1'); cs = [client(s, 2, '127.0.0.1') for _ in range(3)]\n"
        "compat(102, 5, words(s.fileno(), 0, 0)); compat(102, 18, words(s.fileno(), 0, 0, 0))\n"
        "compat(364, s.fileno(), 0, 0, 0)\n"
        "say(ports=[c.getsockname()[1] for c in cs])\n"
    )
    records = told(witness, "network.accept", truth["pid"])
    assert [r.src_port for r in records] == truth["ports"]


def test_local_sockets_accept_in_silence(witness: Witness, tmp_path: Path) -> None:
    truth = trigger(
        f"s = socket.socket(1); s.bind({str(tmp_path / 's')!r}); s.listen(1)\n"
        f"c = socket.socket(1); c.connect({str(tmp_path / 's')!r}); s.accept(); say()\n"
    )
    assert told(witness, "network.accept", truth["pid"]) == []


@pytest.fixture
def small_limits(source: KernelSource) -> Iterator[KernelSource]:
    assert source.limits is not None
    source.limits.set("network.accept", 1, 20)
    source.limits.set("network.connect", 1, 20)
    yield source
    for kind, (rate, burst) in DEFAULTS.items():
        source.limits.set(kind, rate, burst)


def test_flood_is_held_back_counted_and_named(witness: Witness, small_limits: KernelSource) -> None:
    count = 200
    before = small_limits.stats()
    truth = trigger(
        ACCEPTS + "s = server(2, '127.0.0.1')\n"
        f"for _ in range({count}):\n"
        "    c = client(s, 2, '127.0.0.1'); a, _ = s.accept(); a.close(); c.close()\n"
        "say()\n"
    )
    after = small_limits.stats()
    records = witness.drain()
    for kind in ("network.accept", "network.connect"):
        made = [r for r in records if r.kind == kind and r.pid == truth["pid"]]
        held = after["suppressed"][kind] - before["suppressed"][kind]
        assert len(made) + held == count
        assert 20 <= len(made) <= 30  # the burst, and one for each second that this took
        assert after["made"][kind] - before["made"][kind] == len(made)
        number = {"network.accept": 22, "network.connect": 5}[kind]
        floods = [r for r in records if r.kind == "sensor.flood" and r.flood_kind == number]
        assert floods and len(floods) <= 10
        assert floods[0].ring == "prio"
        assert floods[0].suppressed == 1
        assert floods[-1].suppressed <= held
        check_header(floods[0], truth)
    assert after["fired"][HookId.FLOOD.name.lower()] > before["fired"][HookId.FLOOD.name.lower()]


def test_a_flood_silences_nobody_else(witness: Witness, small_limits: KernelSource) -> None:
    code = (
        ACCEPTS
        + "s = server(2, '127.0.0.1')\nfor _ in range({}): client(s, 2, '127.0.0.1'); s.accept()\nsay()\n"
    )
    trigger(code.format(60))
    quiet = trigger(code.format(3))
    assert len(told(witness, "network.accept", quiet["pid"])) == 3


def test_only_kinds_that_have_a_limit_take_one(source: KernelSource) -> None:
    assert source.limits is not None
    with pytest.raises(UsageError):
        source.limits.set("process.exec", 1, 1)

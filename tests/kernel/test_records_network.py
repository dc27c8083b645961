# SPDX-License-Identifier: Apache-2.0
"""network.* records against getsockname and getpeername."""

from __future__ import annotations

import socket

import pytest

from innerwarden.sensor.loader import KernelSource
from tests.kernel.reader import Decoded, Witness, check_header, trigger

pytestmark = pytest.mark.kernel

TCP, UDP = socket.IPPROTO_TCP, socket.IPPROTO_UDP


def only(witness: Witness, kind: str, pid: int) -> list[Decoded]:
    return [r for r in witness.drain() if r.kind == kind and r.pid == pid]


def plain(address: str) -> str | None:
    """An address as the record's reader shows it."""
    bare = address.removeprefix("::ffff:")
    return None if bare in ("0.0.0.0", "::") else bare


@pytest.mark.parametrize(
    ("family", "listen", "connect"),
    [
        (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
        (socket.AF_INET6, "::1", "::1"),
        (socket.AF_INET6, "::ffff:127.0.0.1", "::ffff:127.0.0.1"),
    ],
)
def test_tcp_connect(witness: Witness, family: int, listen: str, connect: str) -> None:
    truth = trigger(
        f"server = socket.socket({int(family)}, socket.SOCK_STREAM)\n"
        f"server.bind(({listen!r}, 0)); server.listen()\n"
        f"client = socket.socket({int(family)}, socket.SOCK_STREAM)\n"
        f"client.bind(({connect!r}, 0))\n"
        f"client.connect(({connect!r}, server.getsockname()[1]))\n"
        "say(peer=client.getpeername()[:2], own=client.getsockname()[:2])\n"
    )
    (record,) = only(witness, "network.connect", truth["pid"])
    check_header(record, truth)
    assert record.ring == "prio"
    assert (record.dst_ip, record.dst_port) == (plain(truth["peer"][0]), truth["peer"][1])
    assert (record.src_ip, record.src_port) == (plain(truth["own"][0]), truth["own"][1])
    mapped = connect.startswith("::ffff:")
    assert record.family == (socket.AF_INET if mapped else family)
    assert record.protocol == TCP


def test_connect_is_told_when_refused_and_for_threads(witness: Witness) -> None:
    truth = trigger(
        "import threading\n"
        "def run():\n"
        "    s = socket.socket()\n"
        "    try: s.connect(('127.0.0.1', 1))\n"
        "    except ConnectionRefusedError: pass\n"
        "    say(thread=threading.get_native_id())\n"
        "t = threading.Thread(target=run); t.start(); t.join()\n"
    )
    (record,) = only(witness, "network.connect", truth["pid"])
    assert (record.dst_ip, record.dst_port, record.src_port) == ("127.0.0.1", 1, 0)
    assert record.tid == truth["thread"] != truth["pid"]


@pytest.mark.parametrize(
    ("family", "address"),
    [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"), (socket.AF_INET6, "::ffff:127.0.0.1")],
)
def test_udp_connect(witness: Witness, family: int, address: str) -> None:
    truth = trigger(
        f"s = socket.socket({int(family)}, socket.SOCK_DGRAM); s.connect(({address!r}, 5353))\n"
        "say(peer=s.getpeername()[:2])\n"
    )
    (record,) = only(witness, "network.connect", truth["pid"])
    check_header(record, truth)
    assert (record.dst_ip, record.dst_port) == (plain(truth["peer"][0]), truth["peer"][1])
    assert record.protocol == UDP
    assert record.family == (socket.AF_INET if "ffff" in address else family)
    assert (record.src_ip, record.src_port) == (None, 0)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
@pytest.mark.parametrize(
    ("family", "address"),
    [
        (socket.AF_INET, "0.0.0.0"),
        (socket.AF_INET, "127.0.0.1"),
        (socket.AF_INET6, "::1"),
        (socket.AF_INET6, "::"),
        (socket.AF_INET6, "::ffff:127.0.0.1"),
    ],
)
def test_bind_tells_the_port_it_got(witness: Witness, kind: int, family: int, address: str) -> None:
    truth = trigger(
        f"s = socket.socket({int(family)}, {int(kind)}); s.bind(({address!r}, 0))\n"
        "say(own=s.getsockname()[:2])\n"
    )
    (record,) = only(witness, "network.bind", truth["pid"])
    check_header(record, truth)
    assert (record.src_ip, record.src_port) == (plain(address), truth["own"][1])
    assert record.src_port > 0
    assert record.protocol == (TCP if kind == socket.SOCK_STREAM else UDP)
    assert record.family == (socket.AF_INET if "ffff" in address else family)


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::")])
def test_listen(witness: Witness, family: int, address: str) -> None:
    truth = trigger(
        f"s = socket.socket({int(family)}, socket.SOCK_STREAM); s.bind(({address!r}, 0)); s.listen()\n"
        "own = s.getsockname()[:2]\n"
        "say(own=own)\n"
    )
    (record,) = only(witness, "network.listen", truth["pid"])
    check_header(record, truth)
    assert (record.src_ip, record.src_port) == (plain(address), truth["own"][1])
    assert (record.family, record.protocol) == (family, TCP)


def test_a_bind_or_connect_that_is_refused_stays_refused(witness: Witness) -> None:
    """A wrong return value of a cgroup program would turn successes into errors."""
    truth = trigger(
        "a = socket.socket(); a.bind(('127.0.0.1', 0))\n"
        "b = socket.socket()\n"
        "try: b.bind(a.getsockname()); code = 0\n"
        "except OSError as e: code = e.errno\n"
        "say(code=code)\n"
    )
    assert truth["code"] == 98  # EADDRINUSE
    assert len(only(witness, "network.bind", truth["pid"])) == 1


def test_hooks_tell_their_state(source: KernelSource) -> None:
    states = {hook.name: hook for hook in source.hooks}
    assert states["sched_process_exec"].state == "attached"
    assert states["cgroup_post_bind4"].state == "attached"
    assert "bind" not in states  # the fallback is not needed here
    for hook in source.hooks:
        assert hook.state in ("attached", "absent", "failed")
        assert (hook.state == "attached") == (not hook.reason), hook
        if hook.state != "attached":
            assert hook.lost_techniques or hook.stand_in

# SPDX-License-Identifier: Apache-2.0
"""Listeners: real sockets of this process, found through the kernel's tables."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from innerwarden.model._wire import Change
from innerwarden.sensor.inventory.baseline import Baseline
from innerwarden.sensor.inventory.listeners import Listeners, address_of
from tests.unit.sensor.inventory.support import looked, steps, write


@pytest.fixture
def one() -> Listeners:
    """After its first look."""
    made = Listeners(Baseline("listeners"))
    looked(made)
    return made


def at(port: int, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [fact for fact in found if fact.get("src_port") == port]


def tcp(address: str = "127.0.0.1") -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    made.bind((address, 0))
    made.listen()
    return made


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1"])
def test_a_tcp_listener_with_its_owner(one: Listeners, address: str) -> None:
    with tcp(address) as listener:
        port = listener.getsockname()[1]
        found = at(port, looked(one))
        assert [Change(fact["change"]) for fact in found] == [Change.APPEARED]
        fact = found[0]
        assert (fact["src_ip"], fact["protocol"]) == (address, socket.IPPROTO_TCP)
        assert fact["target_pid"] == os.getpid() and fact["path"] == os.path.realpath(sys.executable)
        assert fact["inode"] == os.fstat(listener.fileno()).st_ino
        assert at(port, looked(one)) == []
    assert [Change(fact["change"]) for fact in at(port, looked(one))] == [Change.VANISHED]


def test_connections_are_no_listeners(one: Listeners) -> None:
    with tcp() as listener:
        looked(one)
        with socket.create_connection(listener.getsockname()) as client:
            accepted, _ = listener.accept()
            with accepted:
                found = looked(one)
                assert at(client.getsockname()[1], found) == at(listener.getsockname()[1], found) == []


def test_another_program_on_the_same_port_is_a_change(one: Listeners) -> None:
    with tcp("127.0.0.1") as listener:
        port = listener.getsockname()[1]
        looked(one)
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", port))
    held.listen()
    child = subprocess.Popen(["sleep", "60"], stdin=held.fileno())
    try:
        held.close()
        found = at(port, looked(one))
        assert [Change(fact["change"]) for fact in found] == [Change.CHANGED]
        assert found[0]["old_value"] == os.path.realpath(sys.executable)
        assert found[0]["target_pid"] == child.pid
    finally:
        child.kill()
        child.wait()


def test_a_udp_service_at_once_and_a_clients_port_when_it_stays(one: Listeners) -> None:
    low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as service:
        port = next(_bound(service, range(low - 1, 1024, -1)))
        assert [Change(fact["change"]) for fact in at(port, looked(one))] == [Change.APPEARED]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind(("127.0.0.1", 0))
        port = client.getsockname()[1]
        assert at(port, looked(one)) == []
        assert [Change(fact["change"]) for fact in at(port, looked(one))] == [Change.APPEARED]
        assert at(port, looked(one)) == []


def _bound(service: socket.socket, ports: range) -> Iterator[int]:
    for port in ports:
        try:
            service.bind(("127.0.0.1", port))
        except OSError:
            continue
        yield port


def test_reading_ends_at_the_first_connection(tmp_path: Path) -> None:
    """A server with fifty thousand connections costs no more than one without."""
    base = tmp_path / str(os.getpid()) / "net"
    rest = " 00000000:00000000 00:00000000 00000000     0        0 {} 1 0\n"
    lines = [
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    ]
    lines.append("   0: 00000000:0016 00000000:0000 0A" + rest.format(77))
    lines += ["   1: 0100007F:0016 0100007F:C350 01" + rest.format(78)] * 50_000
    write(base / "tcp", "".join(lines))
    found = list(steps(Listeners(Baseline("listeners"), str(tmp_path))))
    assert [fact["src_port"] for fact in found if fact] == [22]
    assert found.count(None) < 20


def test_a_look_goes_in_steps(one: Listeners) -> None:
    assert sum(step is None for step in steps(one)) > 8


@pytest.mark.parametrize(
    ("digits", "address"),
    [
        ("0100007F", "127.0.0.1"),
        ("00000000", "0.0.0.0"),
        ("00000000000000000000000001000000", "::1"),
        ("B80D0120000000000000000001000000", "2001:db8::1"),
        ("0000000000000000FFFF00000100007F", "::ffff:127.0.0.1"),
    ],
)
@pytest.mark.skipif(sys.byteorder != "little", reason="the samples are of a little-endian machine")
def test_addresses_as_the_kernel_prints_them(digits: str, address: str) -> None:
    assert address_of(digits) == address


def test_raw_and_packet_sockets_of_the_kernels_tables(tmp_path: Path) -> None:
    """Lines as /proc/net shows them; real ones need root and are tried there."""
    base = tmp_path / str(os.getpid()) / "net"
    write(
        base / "raw",
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n",
    )
    write(base / "packet", "sk       RefCnt Type Proto  Iface R Rmem   User   Inode\n")
    one = Listeners(Baseline("listeners"), str(tmp_path))
    assert looked(one) == []
    with (base / "raw").open("a") as file:
        file.write(
            "   1: 00000000:0001 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 77 2 0 0\n"
        )
    with (base / "packet").open("a") as file:
        file.write("0000000000000000 3      3    0003   0     1 0      0      88\n")
    found = {fact["name"]: fact for fact in looked(one)}
    assert set(found) == {"raw", "packet"}
    assert found["raw"]["protocol"] == 1 and found["raw"]["inode"] == 77
    assert found["packet"]["inode"] == 88 and "protocol 3" in found["packet"]["value"]
    assert all(fact["change"] == Change.APPEARED for fact in found.values())

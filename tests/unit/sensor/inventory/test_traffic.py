# SPDX-License-Identifier: Apache-2.0
"""Floods by the kernel's counters: a tree of files as the kernel shows it, below a root of the test."""

from __future__ import annotations

import random
from collections import deque
from pathlib import Path

import pytest

from innerwarden.sensor.inventory.traffic import (
    FIRST,
    HISTORY,
    VECTORS,
    Traffic,
    Vector,
    is_flood,
    parse,
    parse_v6,
)
from tests.unit.sensor.inventory.support import looked, write

SYN = VECTORS[0]


class Host:
    """Counters that the test sets; every look comes 10 s after the last one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now = 1000.0
        self.totals = {name: 1_000_000 for vector in VECTORS for name in vector.counters}
        self.one = Traffic(str(root), lambda: self.now)

    def look(self, passed: float = 10.0, **rates: float) -> list[str]:
        """`rates`: events a second by vector, 0 for the others. Returns the names of what is told."""
        self.now += passed
        for vector in VECTORS:
            self.totals[vector.counters[0]] += round(rates.get(vector.name, 0) * passed)
        self.write()
        return [fact["name"] for fact in looked(self.one)]

    def write(self) -> None:
        groups: dict[str, dict[str, int]] = {}
        for name, value in self.totals.items():
            group, _, rest = name.partition(".")
            groups.setdefault(group, {})[rest] = value
        texts = {"snmp": "", "netstat": "", "snmp6": ""}
        for group, members in groups.items():
            if group.endswith("6"):
                texts["snmp6"] += "".join(
                    f"{group}{name}      \t{value}\n" for name, value in members.items()
                )
                continue
            where = "netstat" if group == "TcpExt" else "snmp"
            texts[where] += f"{group}: {' '.join(members)}\n{group}: {' '.join(map(str, members.values()))}\n"
        for name, text in texts.items():
            write(self.root / "proc/net" / name, text)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = Host(tmp_path)
    for _ in range(FIRST + 1):
        assert made.look() == []
    return made


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_each_kind_of_flood(host: Host, vector: Vector) -> None:
    assert host.look(**{vector.name: vector.floor - 1}) == []
    assert host.look(**{vector.name: vector.floor + 1}) == [vector.name]


@pytest.mark.parametrize(
    ("vector", "counter"), [(vector, counter) for vector in VECTORS for counter in vector.counters]
)
def test_each_counter_is_one_that_this_kernel_has(vector: Vector, counter: str) -> None:
    text = Path("/proc/net/snmp").read_text(), Path("/proc/net/netstat").read_text()
    known = parse(text[0]) | parse(text[1])
    if Path("/proc/net/snmp6").exists():
        known |= parse_v6(Path("/proc/net/snmp6").read_text())
    elif "6." in counter:
        pytest.skip("IPv6 is off on this machine")
    assert counter in known


def test_what_is_told(host: Host) -> None:
    host.now += 10
    host.totals[SYN.counters[0]] += 50_000
    host.totals[SYN.counters[1]] += 10_000
    host.write()
    (fact,) = looked(host.one)
    assert (fact["kind"], fact["name"], fact["value"], fact["old_value"]) == (
        "host.traffic",
        "syn_flood",
        "6000",
        "0",
    )
    assert fact["reason"].endswith("6000 a second, usually 0")


def test_a_flood_goes_on_and_does_not_become_usual(host: Host) -> None:
    for _ in range(HISTORY * 2):
        assert host.look(udp_flood=9000) == ["udp_flood"]
    assert host.look() == []


def test_a_busy_server_has_another_measure(tmp_path: Path) -> None:
    host, pick = Host(tmp_path), random.Random(1)
    for _ in range(60):
        assert host.look(connection_flood=pick.uniform(1500, 2500)) == []
    assert host.look(connection_flood=6000) == []
    assert host.look(connection_flood=25_000) == ["connection_flood"]


def test_wild_traffic_has_a_wide_measure(tmp_path: Path) -> None:
    host, pick = Host(tmp_path), random.Random(2)
    told = [host.look(udp_flood=pick.expovariate(1 / 1500)) for _ in range(500)]
    assert sum(map(len, told)) <= 5


def test_nothing_is_judged_before_there_is_a_measure(tmp_path: Path) -> None:
    host = Host(tmp_path)
    for _ in range(FIRST):
        assert host.look(udp_flood=9000) == []


def test_a_pause_is_no_measure(host: Host) -> None:
    assert host.look(passed=3600.0, udp_flood=9000) == []
    assert host.look(udp_flood=9000) == ["udp_flood"]


def test_counters_that_begin_anew_are_no_flood(host: Host) -> None:
    host.totals = dict.fromkeys(host.totals, 0)
    assert host.look() == []


def test_without_ipv6_and_without_files(tmp_path: Path) -> None:
    assert "snmp is not there" in Traffic(str(tmp_path)).obstacle()
    host = Host(tmp_path)
    for _ in range(FIRST + 1):
        host.look()
    assert host.one.obstacle() == ""
    (tmp_path / "proc/net/snmp6").unlink()
    host.totals = {name: value for name, value in host.totals.items() if "6." not in name}
    assert host.look(icmp_flood=5000) == ["icmp_flood"]


@pytest.mark.parametrize(
    "text", ["", "Tcp", "Tcp: A B\n", "Tcp: A\nUdp: 1\n", "Tcp: A B\nTcp: x -1\n", "\0\n\0"]
)
def test_odd_text_gives_nothing(text: str) -> None:
    assert parse(text) == {}
    assert parse_v6(text) == {}


def test_the_measure_of_a_machine_that_does_nothing() -> None:
    assert not is_flood(SYN, SYN.floor - 1, deque([0.0] * 20))
    assert is_flood(SYN, SYN.floor, deque([0.0] * 20))
    assert not is_flood(SYN, 10_000.0, deque([0.0] * (FIRST - 1)))

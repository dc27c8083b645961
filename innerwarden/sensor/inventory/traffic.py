# SPDX-License-Identifier: Apache-2.0
"""Floods, by the kernel's own counters: events a second, against the median of the last ten minutes.

A flood comes from forged or many addresses, so counting per address would not see it; and its packets cost nothing
here. The median and the median absolute deviation stand for what is usual, because the flood itself must not move
them. Counters are those of the network namespace that the sensor runs in. Source: the kernel's
Documentation/networking/snmp_counter.rst.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

from innerwarden.model._wire import Change
from innerwarden.sensor.inventory.collector import Look
from innerwarden.sensor.inventory.fact import Fact

KIND = "host.traffic"
SNMP = "proc/net/snmp"
NETSTAT = "proc/net/netstat"
FILE_BYTES = 65536
#: Rates kept, and how many there must be before anything is judged.
HISTORY = 120
FIRST = 6
#: Above the median by so many deviations, and so many times the median.
DEVIATIONS = 12
TIMES = 5
#: A look that comes after a longer pause measures a mean that says nothing of a second.
LONGEST_S = 120.0


class Vector(NamedTuple):
    """One kind of flood: the sum of these counters, and the events a second below which it is none."""

    name: str
    counters: tuple[str, ...]
    floor: int
    reason: str


VECTORS = (
    Vector(
        "syn_flood",
        ("TcpExt.TCPReqQFullDoCookies", "TcpExt.TCPReqQFullDrop"),
        50,
        "half-open connections fill the queue of a listening socket",
    ),
    Vector(
        "accept_queue",
        ("TcpExt.ListenOverflows",),
        50,
        "connections come faster than a program accepts them",
    ),
    Vector("connection_flood", ("Tcp.PassiveOpens",), 1000, "far more connections come in than usual"),
    Vector(
        "reset_flood",
        ("Tcp.OutRsts",),
        1000,
        "segments come for ports or connections that do not exist",
    ),
    Vector(
        "udp_flood",
        ("Udp.NoPorts", "Udp.InErrors", "Udp6.NoPorts", "Udp6.InErrors"),
        2000,
        "datagrams come for ports that nobody has open, or faster than they are read",
    ),
    Vector(
        "icmp_flood", ("Icmp.InEchos", "Icmp6.InEchos"), 1000, "far more echo requests come in than usual"
    ),
)


def parse(text: str) -> dict[str, int]:
    """Counters of /proc/net/snmp or netstat by their full names: a line of names, a line of numbers."""
    found: dict[str, int] = {}
    lines = text.splitlines()
    for names, numbers in zip(lines[::2], lines[1::2], strict=False):
        group, _, rest = names.partition(":")
        other, _, values = numbers.partition(":")
        if group != other:
            continue
        for name, value in zip(rest.split(), values.split(), strict=False):
            if value.isdigit():
                found[f"{group}.{name}"] = int(value)
    return found


def parse_v6(text: str) -> dict[str, int]:
    """Counters of /proc/net/snmp6, of which each has a line: Udp6NoPorts and the number."""
    found: dict[str, int] = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        for group in ("Udp6", "Icmp6"):
            if name.startswith(group) and value.strip().isdigit():
                found[f"{group}.{name[len(group) :]}"] = int(value)
    return found


def is_flood(vector: Vector, rate: float, usual: deque[float]) -> bool:
    """Is this rate far above what is usual? Below the floor nothing is."""
    if rate < vector.floor or len(usual) < FIRST:
        return False
    middle = median(usual)
    deviation = median(abs(one - middle) for one in usual)
    return rate > max(middle * TIMES, middle + DEVIATIONS * deviation)


class Traffic:
    """`root` stands before every path; `clock` gives seconds that never go back."""

    id = "traffic"
    budget_ms = 0.5
    baseline = None

    def __init__(self, root: str = "/", clock: Callable[[], float] = time.monotonic) -> None:
        self._root = Path(root)
        self._clock = clock
        self._last: dict[str, int] = {}
        self._last_s = 0.0
        self._usual: dict[str, deque[float]] = {vector.name: deque(maxlen=HISTORY) for vector in VECTORS}

    def obstacle(self) -> str:
        path = self._root / SNMP
        return "" if path.exists() else f"{path} is not there"

    def remark(self) -> str:
        return ""

    def look(self) -> Look:
        now = self._clock()
        counters = parse(self._text(SNMP)) | parse(self._text(NETSTAT))
        yield None
        counters |= parse_v6(self._text("proc/net/snmp6"))
        before, passed = self._last, now - self._last_s
        self._last, self._last_s = counters, now
        if not before or not 0 < passed <= LONGEST_S:
            return
        for vector in VECTORS:
            known = [name for name in vector.counters if name in counters and name in before]
            rate = sum(max(0, counters[name] - before[name]) for name in known) / passed
            fact = self._judge(vector, rate) if known else None
            if fact is not None:
                yield fact

    def _judge(self, vector: Vector, rate: float) -> Fact | None:
        """A flood's own rate does not become the usual one."""
        usual = self._usual[vector.name]
        if not is_flood(vector, rate, usual):
            usual.append(rate)
            return None
        return Fact(
            kind=KIND,
            change=Change.FOUND,
            name=vector.name,
            value=str(round(rate)),
            old_value=str(round(median(usual))),
            reason=f"{vector.reason}: {round(rate)} a second, usually {round(median(usual))}",
        )

    def _text(self, name: str) -> str:
        try:
            with (self._root / name).open("rb") as file:
                return file.read(FILE_BYTES).decode("ascii", "replace")
        except OSError:
            return ""  # IPv6 may be off

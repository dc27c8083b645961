# SPDX-License-Identifier: Apache-2.0
"""The table of blocked v4 addresses: its writer in this process, the shipped program as its reader."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from itertools import islice

import pytest

from innerwarden import paths
from innerwarden.errors import BpfError
from innerwarden.libbpf import Object
from innerwarden.sensor.loader import RINGS
from innerwarden.xdp import XdpList, make_room, table
from tests.kernel.test_xdp import ARMED, DROP, PASS, frame4

pytestmark = pytest.mark.kernel

Opener = Callable[..., XdpList]
ROOM = 16
PREFIX = IPv4Network("198.18.0.0/24")


@pytest.fixture
def opened() -> Iterator[Opener]:
    """Lists over an object of their own, or over that of another; the hash has more room than `make_room` gives it."""
    made: list[tuple[XdpList, Object]] = []

    def load(room: int) -> Object:
        loaded = Object(paths.bpf_object().read_bytes())
        for name, program in loaded.programs.items():
            program.set_autoload(name == "iw_xdp")
        for ring, _name in RINGS:
            loaded.maps[ring].resize(4096)
        make_room(loaded, room)
        loaded.maps["iw_xdp_block_v4"].resize(room)
        loaded.load()
        return loaded

    def one(room: int = ROOM, over: XdpList | None = None) -> XdpList:
        loaded = load(room) if over is None else next(loaded for found, loaded in made if found is over)
        made.append((XdpList(loaded, ARMED), loaded))
        return made[-1][0]

    yield one
    for found, loaded in made:
        found.close()
        loaded.close()


def spilled(xdp: XdpList) -> set[str]:
    """Addresses in the kernel's hash."""
    return {str(IPv4Address(key)) for key in xdp._maps["iw_xdp_block_v4"].keys()}  # noqa: SIM118


def drops(xdp: XdpList, address: str) -> bool:
    verdict = xdp.test_run(frame4(address))
    assert verdict in (DROP, PASS)
    return verdict == DROP


@dataclass
class Model:
    """What a list of plain dictionaries would do."""

    blocks: dict[str, float | None] = field(default_factory=dict)  # address -> ttl_s
    counts: dict[str, int] = field(default_factory=dict)
    allowed: set[str] = field(default_factory=set)
    prefix: bool = False

    def block(self, address: str, ttl_s: float | None) -> None:
        self.blocks[address], self.counts[address] = ttl_s, 0

    def unblock(self, address: str) -> bool:
        self.counts.pop(address, None)
        return self.blocks.pop(address, -2) != -2

    def drops(self, address: str) -> bool:
        if address not in self.blocks:
            return self.prefix and IPv4Address(address) in PREFIX and address not in self.allowed
        if address in self.allowed or self.blocks[address] == -1:
            return False
        self.counts[address] += 1
        return True

    def reap(self) -> int:
        expired = [address for address, ttl_s in self.blocks.items() if ttl_s == -1]
        return sum(self.unblock(address) for address in expired)


def by_row(xdp: XdpList) -> list[list[str]]:
    """Addresses of each row of a small table."""
    found: dict[int, list[str]] = {}
    for address in islice(PREFIX, 200):
        found.setdefault(xdp._v4._row(int.from_bytes(address.packed, "little")), []).append(str(address))
    return list(found.values())


def crowded(xdp: XdpList) -> list[str]:
    """Twice as many as two rows hold, some of others, and numbers that a table might stumble over."""
    first, second, *others = by_row(xdp)
    rest = [address for row in others for address in row[:1]]
    return [*first[:8], *second[:8], *rest, "0.0.0.0", "0.0.0.1", "255.255.255.255"]


@pytest.mark.parametrize("seed", range(4))
def test_it_does_what_dictionaries_would(opened: Opener, seed: int) -> None:
    rng = random.Random(seed)
    xdp, model = opened(), Model()
    pool = crowded(xdp)
    most_spilled = 0
    for _ in range(1500):
        address, ttl_s = rng.choice(pool), rng.choice([None, 3600, -1])
        match rng.randrange(12):
            case 0 | 1 | 2:
                if len(model.blocks.keys() | {address}) <= ROOM:
                    xdp.block(address, ttl_s)
                    model.block(address, ttl_s)
                else:
                    with pytest.raises(BpfError, match="has room for 16 IPv4 addresses, and 17 would"):
                        xdp.block(address, ttl_s)
            case 3 | 4:
                assert xdp.unblock(address) == model.unblock(address)
            case 5 if rng.randrange(8) == 0:
                assert xdp.reap() == model.reap()
            case 6:
                xdp.allow(address)
                model.allowed.add(address)
            case 7:
                assert xdp.disallow(address) == (address in model.allowed)
                model.allowed.discard(address)
            case 8 if model.prefix:
                assert xdp.unblock(str(PREFIX))
                model.prefix = False
            case 8:
                xdp.block(str(PREFIX))
                model.prefix = True
            case _:
                assert drops(xdp, address) == model.drops(address)
        assert xdp.packet_count(address) == model.counts.get(address)
        most_spilled = max(most_spilled, len(spilled(xdp)))
    assert most_spilled >= 3, "rows that overflow are what this is about"
    for address in pool:
        assert drops(xdp, address) == model.drops(address)
        assert xdp.unblock(address) == model.unblock(address)
        xdp.disallow(address)
    xdp.unblock(str(PREFIX))
    assert spilled(xdp) == set()
    assert not any(xdp._v4._words[::2]), "no entry and no mark is left"


@contextmanager
def coming_and_going(xdp: XdpList, others: list[str], more: Callable[[], object]) -> Iterator[None]:
    """A thread blocks and unblocks others without a pause, and does `more`."""
    over, rounds = threading.Event(), 0

    def churn() -> None:
        nonlocal rounds
        rng = random.Random(1)
        while not over.is_set():
            xdp.block(rng.choice(others), rng.choice([None, 3600, -1]))
            xdp.unblock(rng.choice(others))
            xdp.reap()
            more()
            rounds += 1

    writer = threading.Thread(target=churn)
    writer.start()
    try:
        yield
    finally:
        over.set()
        writer.join()
    assert rounds > 10


def hammered(xdp: XdpList, address: str) -> tuple[int, int]:
    """Packets of the address, and how many of them were dropped."""
    runs, repeat, before = 0, 5_000, xdp.counters()["dropped"]
    until = time.monotonic() + 0.25
    while time.monotonic() < until:
        xdp._program.test_run(frame4(address), repeat)
        runs += repeat
    return runs, xdp.counters()["dropped"] - before


@pytest.mark.parametrize("of_the_hash", [False, True], ids=["in its row", "spilled"])
def test_what_stays_blocked_never_passes_while_others_come_and_go(opened: Opener, of_the_hash: bool) -> None:
    xdp = opened()
    stays, others = neighbours(xdp, of_the_hash)
    with coming_and_going(xdp, others, lambda: xdp.block(stays, 3600)):
        runs, dropped = hammered(xdp, stays)
    assert dropped == runs > 0
    assert (stays in spilled(xdp)) == of_the_hash


@pytest.mark.parametrize("of_the_hash", [False, True], ids=["in its row", "spilled"])
def test_what_is_expired_or_not_blocked_never_drops_while_others_come_and_go(
    opened: Opener, of_the_hash: bool
) -> None:
    xdp = opened()
    free, others = neighbours(xdp, of_the_hash)

    def anew() -> None:
        xdp.unblock(free)
        xdp.block(free, -1)

    anew()
    with coming_and_going(xdp, others, anew):
        runs, dropped = hammered(xdp, free)
    assert (dropped, runs > 0) == (0, True)


def neighbours(xdp: XdpList, of_the_hash: bool) -> tuple[str, list[str]]:
    """One blocked address, where it is wanted, and those that share its row."""
    several = max(by_row(xdp), key=len)
    stays = several.pop()
    if of_the_hash:
        xdp.block_many(several[: table.ENTRIES])
    xdp.block(stays)
    for address in several:
        xdp.unblock(address)
    assert (stays in spilled(xdp)) == of_the_hash
    return stays, several[:12]


@pytest.mark.parametrize("distance", [1, 1 << 3, 1 << 8, 1 << 12, 1 << 16, (1 << 16) + 1, 0x01010101 >> 2])
def test_addresses_of_any_pattern_spread_over_the_rows(opened: Opener, distance: int) -> None:
    room = 4096
    xdp = opened(room)
    first = int(IPv4Address("10.0.0.0"))
    xdp.block_many(str(IPv4Address((first + i * distance) % (1 << 32))) for i in range(room))
    assert len(spilled(xdp)) < room * 0.08  # random ones: 4 %


def test_more_than_there_is_room_for_is_refused_whole(opened: Opener) -> None:
    xdp = opened()
    xdp.block_many(str(PREFIX[i]) for i in range(ROOM - 1))
    with pytest.raises(BpfError, match=r"room for 16 IPv4 addresses, and 17 would.*responder\.block_entries"):
        xdp.block_many([str(PREFIX[0]), str(PREFIX[100]), "2001:db8::7", str(PREFIX[101])])
    assert xdp.packet_count("2001:db8::7") is None
    assert xdp.packet_count(str(PREFIX[100])) is None
    xdp.block_many([str(PREFIX[0]), str(PREFIX[100]), str(PREFIX[100])])
    assert drops(xdp, str(PREFIX[100]))


def test_another_list_over_the_same_object_takes_over(opened: Opener) -> None:
    first = opened()
    listed = crowded(first)[:ROOM]
    first.block_many(listed)
    assert spilled(first)
    second = opened(over=first)
    assert all(drops(second, address) for address in listed)
    with pytest.raises(BpfError, match="and 17 would"):
        second.block("192.0.2.7")
    assert all(second.unblock(address) for address in listed)
    assert not any(drops(second, address) for address in listed)


def test_an_expiry_is_never_early(opened: Opener) -> None:
    """It counts in seconds; a part of one lasts to the next."""
    xdp = opened()
    xdp.block("192.0.2.7", ttl_s=0.05)
    until = time.clock_gettime(time.CLOCK_BOOTTIME) + 0.04
    while drops(xdp, "192.0.2.7"):
        assert time.clock_gettime(time.CLOCK_BOOTTIME) < until + 2
    assert time.clock_gettime(time.CLOCK_BOOTTIME) > until


def test_a_row_is_a_cache_line(opened: Opener) -> None:
    rows = opened(1000)._maps["iw_xdp_rows_v4"]
    assert (rows.value_size, rows.max_entries) == (64, 512)

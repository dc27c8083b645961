# SPDX-License-Identifier: Apache-2.0
"""The ring's consumer and producer: order, wrap-around, reserved and discarded records, damage, two priorities."""

from __future__ import annotations

import itertools
import mmap
import threading
import time
from collections.abc import Iterator

import pytest
from innerwarden_core import FIELDS, OPERATORS, Engine, Hit, MemoryRing, Predicate, Record, Ring, Rule

from innerwarden.model._wire import Kind
from tests.factory import encode

SIZE = 1 << 16
KIND = "file.open"


def record(number: int, kind: str = KIND, padding: int = 0) -> bytes:
    if padding:
        return encode(kind, sequence=number, path="/" + "x" * padding)
    return encode(kind, sequence=number)


@pytest.fixture
def engine() -> Engine:
    """Every record of two kinds becomes a hit, so that hits show order and contents."""
    out = Engine(max_hits=100_000)
    always = Predicate(FIELDS["pid"], OPERATORS["exists"], [])
    kinds = [Kind.FILE_OPEN, Kind.FILE_DELETE]
    out.configure([Rule("all", kinds, [always], [(0, -1, -2)])], [], [])
    return out


@pytest.fixture
def memory() -> Iterator[MemoryRing]:
    out = MemoryRing(SIZE)
    yield out
    out.close()


@pytest.fixture
def ring(memory: MemoryRing) -> Iterator[Ring]:
    out = Ring(memory.fd, SIZE, "test")
    yield out
    out.close()


def numbers(hits: list[Hit]) -> list[int]:
    return [int(Record(h.record).get("sequence") or 0) for h in hits]


def test_records_arrive_whole_and_in_order(engine: Engine, memory: MemoryRing, ring: Ring) -> None:
    sent = [record(i, padding=i) for i in range(50)]
    assert all(memory.write(data) for data in sent)
    assert ring.pending() == sum(len(data) + 8 for data in sent)
    hits = engine.drain([ring], 0)
    assert [h.record for h in hits] == sent
    assert (ring.consumed, ring.pending()) == (50, 0)


def test_wrap_around_keeps_every_byte(engine: Engine, memory: MemoryRing, ring: Ring) -> None:
    """Sizes without a common divisor, so that records cross the end of the data area at every place."""
    paddings = itertools.cycle([1, 77, 411, 1003, 9, 4090])
    received, total = 0, 0
    while total < 20 * SIZE:
        data = record(received, padding=next(paddings))
        assert memory.write(data)
        total += len(data) + 8
        hits = engine.drain([ring], 0)
        assert [h.record for h in hits] == [data]
        received += 1
    assert ring.consumed == received


def test_a_full_ring_refuses_counts_and_recovers(engine: Engine, memory: MemoryRing, ring: Ring) -> None:
    data = record(1)
    fitted = 0
    while memory.write(data):
        fitted += 1
    assert fitted == SIZE // (len(data) + 8)
    assert memory.lost == 1
    assert len(engine.drain([ring], 0)) == fitted
    assert memory.write(data)


def test_a_reserved_record_stops_the_drain_until_it_is_committed(
    engine: Engine, memory: MemoryRing, ring: Ring
) -> None:
    memory.write(record(1))
    token = memory.write_busy(record(2))
    memory.write(record(3))
    assert numbers(engine.drain([ring], 0)) == [1]
    assert numbers(engine.drain([ring], 3)) == []
    assert ring.pending() > 0
    assert token is not None
    memory.commit(token)
    assert numbers(engine.drain([ring], 0)) == [2, 3]


def test_discarded_reservations_are_skipped(engine: Engine, memory: MemoryRing, ring: Ring) -> None:
    memory.write(record(1))
    memory.write_discarded(4000)
    memory.write(record(2))
    assert numbers(engine.drain([ring], 0)) == [1, 2]
    assert ring.consumed == 2
    assert ring.pending() == 0


def test_a_malformed_record_costs_only_itself(engine: Engine, memory: MemoryRing, ring: Ring) -> None:
    memory.write(record(1))
    memory.write(b"\xff" * 200)
    memory.write(b"\0" * 16)
    memory.write(record(2))
    assert numbers(engine.drain([ring], 0)) == [1, 2]
    assert sum(engine.stats()["malformed"].values()) == 2


@pytest.mark.parametrize("position", [SIZE * 3, (1 << 64) - 8, 8 * 1000])
def test_a_producer_position_without_sense_drops_the_contents_and_goes_on(
    engine: Engine, memory: MemoryRing, ring: Ring, position: int
) -> None:
    memory.write(record(1))
    engine.drain([ring], 0)
    memory.corrupt(position)
    engine.drain([ring], 0)
    assert ring.pending() == 0
    if position > SIZE:
        assert ring.resyncs == 1
    memory.write(record(2))
    assert numbers(engine.drain([ring], 0)) == [2]


def test_a_length_beyond_the_end_is_damage(engine: Engine, memory: MemoryRing, ring: Ring) -> None:
    memory.write(record(1))
    with mmap.mmap(memory.fd, 3 * mmap.PAGESIZE) as file:
        file[2 * mmap.PAGESIZE : 2 * mmap.PAGESIZE + 4] = (SIZE // 2).to_bytes(4, "little")
    assert engine.drain([ring], 0) == []
    assert (ring.resyncs, ring.pending()) == (1, 0)


def test_the_next_consumer_goes_on_where_the_last_stopped(engine: Engine, memory: MemoryRing) -> None:
    for i in range(4):
        memory.write(record(i))
    first = Ring(memory.fd, SIZE)
    assert numbers(engine.drain([first], 0, limit=2)) == [0, 1]
    first.close()
    second = Ring(memory.fd, SIZE)
    assert numbers(engine.drain([second], 0)) == [2, 3]
    second.close()


def test_a_later_ring_never_delays_an_earlier_one(engine: Engine) -> None:
    """A record that comes to the first ring while the second is drained goes before the second's rest."""
    prio, bulk = MemoryRing(SIZE), MemoryRing(1 << 22)
    rings = [Ring(prio.fd, SIZE, "prio"), Ring(bulk.fd, 1 << 22, "bulk")]
    for i in range(10_000):
        assert bulk.write(record(i))
    for i in range(3):
        prio.write(record(i, kind="file.delete"))
    kinds = [Record(h.record).kind for h in engine.drain(rings, 0)]
    assert kinds[:3] == [Kind.FILE_DELETE] * 3
    assert len(kinds) == 10_003
    for one in rings:
        one.close()


def test_a_limit_leaves_the_rest_for_the_next_call_which_does_not_wait(
    engine: Engine, memory: MemoryRing, ring: Ring
) -> None:
    for i in range(10):
        memory.write(record(i))
    assert numbers(engine.drain([ring], 0, limit=4)) == [0, 1, 2, 3]
    began = time.monotonic()
    assert len(engine.drain([ring], 5000)) == 6
    assert time.monotonic() - began < 4


def test_an_idle_wait_ends_with_its_timeout(engine: Engine, ring: Ring) -> None:
    began = time.monotonic()
    assert engine.drain([ring], 30) == []
    assert 0.02 < time.monotonic() - began < 5


def test_a_longer_idle_wait_ends_with_the_first_record(
    engine: Engine, memory: MemoryRing, ring: Ring
) -> None:
    began = time.monotonic()
    assert engine.drain([ring], 1, idle_ms=60) == []
    assert 0.05 < time.monotonic() - began < 5
    later = threading.Timer(0.02, memory.write, [record(1)])
    later.start()
    began = time.monotonic()
    assert numbers(engine.drain([ring], 1, idle_ms=20_000)) == [1]
    assert time.monotonic() - began < 10
    later.join()


def test_a_producer_in_another_thread_loses_nothing(engine: Engine, memory: MemoryRing, ring: Ring) -> None:
    """Every record is delivered once, in order, or was refused and counted by the producer."""
    total = 20_000
    written: list[int] = []

    def produce() -> None:
        for i in range(total):
            if memory.write(record(i, padding=i % 300)):
                written.append(i)

    thread = threading.Thread(target=produce)
    thread.start()
    received: list[int] = []
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        alive = thread.is_alive()
        received += numbers(engine.drain([ring], 1))
        if not alive and not ring.pending():
            break
    thread.join()
    assert received == written
    assert memory.lost == total - len(written)
    assert len(written) > total // 10


def test_a_closed_ring_is_refused_by_name(engine: Engine, memory: MemoryRing) -> None:
    ring = Ring(memory.fd, SIZE, "gone")
    ring.close()
    ring.close()
    assert ring.pending() == 0
    with pytest.raises(ValueError, match="gone is closed"):
        engine.drain([ring], 0)


@pytest.mark.parametrize("size", [0, 100, mmap.PAGESIZE - 1, mmap.PAGESIZE * 3])
def test_sizes_that_no_ring_has_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        MemoryRing(size)


def test_a_wait_without_end_is_refused(engine: Engine, ring: Ring) -> None:
    with pytest.raises(ValueError, match="timeout_ms"):
        engine.drain([ring], -1)

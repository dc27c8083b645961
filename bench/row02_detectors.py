# SPDX-License-Identifier: Apache-2.0
"""Row 2: a full ring through decode and 80 sliding windows of which none fires, beside plain Python.

Each counts two kinds of event per key (process, user, cgroup or parent) over 5 to 300 s; every third one only the
events that pass its test of one field, as a third do. That is two or three window updates an event; the result says
how many. The Python side does the same with struct, dict and deque. Both first run over a dense stream in which
windows do fire, and must fire equally often, or the row is broken.
"""

from __future__ import annotations

import random
import struct
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from innerwarden_core import FIELDS, OPERATORS, Correlation, Engine, MemoryRing, Predicate, Ring, Rule

from bench.measure import Bound, Result, interleaved, median, on_cpu, spread
from innerwarden.model._wire import LAYOUT, RECORD_OF, SIZES, Kind

RECORD_BYTES = 256
RING_BYTES = 8 << 20
RECORDS = 28_000
DETECTORS = 80
NS = 1_000_000_000
KEYS = ("pid", "uid", "cgroup_id", "ppid")
#: Kinds whose arrival changes more than the windows.
STRUCTURAL = (
    Kind.PROCESS_EXEC,
    Kind.PROCESS_EXEC_ARGV,
    Kind.PROCESS_FORK,
    Kind.PROCESS_EXIT,
    Kind.NETWORK_PAYLOAD,  # the engine makes other kinds of it
)
WIRE_KINDS = [kind for kind in Kind if kind not in STRUCTURAL and SIZES[RECORD_OF[kind]] <= RECORD_BYTES]
GROUPS = 3
FORMATS = {"u16": "H", "u32": "I", "u64": "Q"}


@dataclass(frozen=True)
class Window:
    name: str
    kinds: tuple[int, int]
    key: str
    timespan_ns: int
    threshold: int
    gid: int | None
    """Only events of this group count; None: all do."""


def windows(count: int = DETECTORS, seed: int = 1) -> list[Window]:
    pick = random.Random(seed)
    return [
        Window(
            name=f"window_{number}",
            kinds=tuple(sorted(pick.sample([int(k) for k in WIRE_KINDS], 2))),  # type: ignore[arg-type]
            key=KEYS[number % len(KEYS)],
            timespan_ns=pick.randint(5, 300) * NS,
            threshold=pick.choice((5, 10, 20, 50)),
            gid=number // 3 % GROUPS if number % 3 == 0 else None,
        )
        for number in range(count)
    ]


def updates(specs: Sequence[Window]) -> float:
    """Windows that an event of the stream comes to, on average."""
    return sum(len(spec.kinds) / (1 if spec.gid is None else GROUPS) for spec in specs) / len(WIRE_KINDS)


def offset(field: str) -> tuple[int, str]:
    for name, place, shape in LAYOUT["iw_header"]:
        if name == field:
            return place, FORMATS[shape]
    raise KeyError(field)


def record(kind: int, values: dict[str, int]) -> bytes:
    data = bytearray(RECORD_BYTES)
    for field, value in {"size": RECORD_BYTES, "kind": kind, **values}.items():
        place, code = offset(field)
        struct.pack_into(f"<{code}", data, place, value)
    return bytes(data)


def later(records: Sequence[bytes]) -> list[bytes]:
    """The stream moved to just after its own end, for the next round: event time never runs backwards."""
    place, _ = offset("ts_ns")
    first, last = (int.from_bytes(records[i][place : place + 8], "little") for i in (0, -1))
    shift = last - first + NS
    return [
        data[:place]
        + (int.from_bytes(data[place : place + 8], "little") + shift).to_bytes(8, "little")
        + data[place + 8 :]
        for data in records
    ]


def stream(gap_ns: int, seed: int = 2) -> list[bytes]:
    """10,000 keys, half of the events in the hottest hundredth; `gap_ns` apart and never two at one time."""
    pick = random.Random(seed)
    records = []
    for number in range(RECORDS):
        key = 1 + (pick.randrange(100) if pick.random() < 0.5 else pick.randrange(10_000))
        values = {"pid": key, "tid": key, "start_ns": key, "uid": key, "cgroup_id": key, "ppid": key}
        values |= {
            "gid": pick.randrange(GROUPS),
            "ts_ns": 1000 * NS + number * gap_ns + 1,
            "sequence": number,
        }
        records.append(record(pick.choice(WIRE_KINDS), values))
    return records


def engine_of(specs: Sequence[Window], *more: Rule) -> Engine:
    """The windows, and other rules beside them."""
    engine = Engine(window_keys=1 << 18)
    rules: list[Rule] = [*more]
    correlations = []
    for spec in specs:
        tests, nodes = [], []
        if spec.gid is not None:
            tests, nodes = [Predicate(FIELDS["gid"], OPERATORS["eq"], [spec.gid])], [(0, -1, -2)]
        rules.append(Rule(f"{spec.name}_rule", spec.kinds, tests, nodes, emit=False))
        group = [(FIELDS[spec.key],)]
        correlations.append(
            Correlation(
                *(spec.name, "event_count", [f"{spec.name}_rule"], group, spec.timespan_ns),
                threshold=spec.threshold,
            )
        )
    engine.configure(rules, correlations, [])
    return engine


class Plain:
    """The same windows in Python as one would write it for speed: one unpack, dispatch by kind, deques."""

    HEADER = struct.Struct("<IHHIIQQQQIIIIII")

    def __init__(self, specs: Sequence[Window]) -> None:
        self.fires = 0
        index = {"cgroup_id": 8, "pid": 9, "ppid": 11, "uid": 12}
        self._by_kind: dict[int, list[tuple[int, int, int, int | None, dict[int, deque[int]]]]] = {}
        for spec in specs:
            keys: dict[int, deque[int]] = {}
            entry = (index[spec.key], spec.timespan_ns, spec.threshold, spec.gid, keys)
            for kind in spec.kinds:
                self._by_kind.setdefault(kind, []).append(entry)

    def run(self, records: Sequence[bytes]) -> None:
        unpack = self.HEADER.unpack_from
        by_kind = self._by_kind
        for data in records:
            header = unpack(data)
            for place, timespan, threshold, gid, keys in by_kind.get(header[1], ()):
                if gid is not None and header[13] != gid:
                    continue
                moments = keys.setdefault(header[place], deque())
                now = header[5]
                moments.append(now)
                while moments[0] < now - timespan:
                    moments.popleft()
                if len(moments) >= threshold:
                    self.fires += 1
                    moments.clear()


def drained(engine: Engine, ring: Ring, memory: MemoryRing, records: Sequence[bytes]) -> tuple[float, int]:
    """(ns an event, hits) of emptying a ring that was just filled."""
    for data in records:
        assert memory.write(data), "the ring is too small for the stream"
    with on_cpu(1):
        began = time.thread_time_ns()
        hits = engine.drain([ring], 0)
        taken = time.thread_time_ns() - began
    assert ring.pending() == 0
    return taken / len(records), len(hits)


def same_fires(specs: Sequence[Window], ring: Ring, memory: MemoryRing) -> int:
    dense = stream(gap_ns=1_000_003)  # a prime, so that no event lies on the edge of a window
    plain = Plain(specs)
    plain.run(dense)
    engine = engine_of(specs)
    _, hits = drained(engine, ring, memory, dense)
    hits += int(engine.stats().get("hits_lost", 0))
    if hits != plain.fires or not hits:
        raise AssertionError(f"native fired {hits} times, plain Python {plain.fires}")
    return hits


def run(quick: bool) -> dict[str, object]:
    specs = windows()
    memory = MemoryRing(RING_BYTES)
    ring = Ring(memory.fd, RING_BYTES, "bench")
    fires = same_fires(specs, ring, memory)
    engine, plain = engine_of(specs), Plain(specs)
    streams = {"ours": stream(gap_ns=NS), "python": stream(gap_ns=NS)}

    def ours() -> float:
        taken, hits = drained(engine, ring, memory, streams["ours"])
        streams["ours"] = later(streams["ours"])
        assert hits == 0
        return taken

    def python() -> float:
        with on_cpu(1):
            began = time.thread_time_ns()
            plain.run(streams["python"])
            taken = (time.thread_time_ns() - began) / RECORDS
        streams["python"] = later(streams["python"])
        return taken

    ours()  # first touch of the tables
    python()
    times = interleaved(9 if quick else 31, {"ours": ours, "python": python})
    assert plain.fires == 0
    mine, theirs = median(times["ours"]), median(times["python"])
    ratio, rate = theirs / mine, 1e3 / mine
    return Result(
        row=2,
        what="drain + decode + 80 windows, none fires",
        value=rate,
        unit="M events/s",
        peer=f"plain Python {theirs:.0f} ns an event",
        ratio=ratio,
        goal=">= 8 M, >= 20 x",
        gate=">= 4 M, >= 10 x",
        passed=rate >= 4 and ratio >= 10,
        spread=spread(times["ours"]),
        rounds=len(times["ours"]),
        bound=Bound(ratio, 20, 10),
        note=f"{updates(specs):.1f} updates an event; a dense stream fires {fires} times on both sides",
        details={
            "ours_ns": mine,
            "python_ns": theirs,
            "updates_per_event": updates(specs),
        },
    ).as_dict()

# SPDX-License-Identifier: Apache-2.0
"""Calls at even intervals: equal to a plain twin, jitter up to half the interval, people, programs, bounds."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest
from innerwarden_core import Engine

from innerwarden.modules.factory import BOOT_BASE_NS, encode
from tests.oracles.beacons import hits as oracle
from tests.unit.core.detectors.support import engine_with, skipped, start

NAME = "c2_callback"
PARAMETERS = {
    "intervals_count": 8,
    "jittered_intervals_count": 16,
    "shortest_s": 5,
    "longest_s": 7200,
    "include_private": 0,
    "cooldown_s": 1,
}
ADDRESS = "203.0.113.5"


def engine(exe: str = "/home/ana/.local/agent", **changes: int) -> Engine:
    made = engine_with(NAME, **{**PARAMETERS, **changes})
    made.feed(start(50, 1, exe))
    return made


def call(at_s: float, address: str = ADDRESS, port: int = 443, pid: int = 50, protocol: int = 6) -> bytes:
    return encode("network.connect", at_s, pid=pid, dst_ip=address, dst_port=port, protocol=protocol)


def moments(intervals: Iterator[float], count: int) -> list[float]:
    at_s, out = 100.0, []
    for _ in range(count):
        out.append(at_s)
        at_s += next(intervals)
    return out


def beacon(
    pick: random.Random, jitter: float, period_s: float = 60.0, missed: float = 0.05
) -> Iterator[float]:
    while True:
        pause = period_s * pick.uniform(1 - jitter, 1 + jitter)
        while pick.random() < missed:
            pause += period_s * pick.uniform(1 - jitter, 1 + jitter)
        yield pause


def person(pick: random.Random) -> Iterator[float]:
    """Pages read one after the other (log-normal pauses), then something else for a while."""
    while True:
        for _ in range(pick.randint(3, 25)):
            yield pick.lognormvariate(3.2, 1.0)
        yield pick.uniform(600, 7200)


def queue(pick: random.Random) -> Iterator[float]:
    """Work that comes by itself: a mail server, a web application (exponential pauses)."""
    while True:
        yield pick.expovariate(1 / 60)


def share(make: Callable[[random.Random], Iterator[float]], calls: int, runs: int) -> float:
    """Of so many runs, the part in which the detector fires at least once."""
    fired = 0
    for seed in range(runs):
        stream = b"".join(call(at) for at in moments(make(random.Random(seed)), calls))
        fired += bool(engine().feed(stream))
    return fired / runs


@pytest.mark.parametrize("jitter", [0.0, 0.1, 0.2, 0.3, 0.4, 0.5])
def test_a_beacon_is_told_within_forty_calls_whatever_its_jitter(jitter: float) -> None:
    assert share(lambda pick: beacon(pick, jitter), calls=40, runs=100) >= 0.98


@pytest.mark.parametrize("make", [person, queue], ids=["person", "queue"])
def test_people_and_queues_are_not_beacons(make: Callable[[random.Random], Iterator[float]]) -> None:
    assert share(make, calls=200, runs=150) <= 0.03


@pytest.mark.parametrize("seed", range(30))
def test_it_tells_what_the_plain_twin_tells(seed: int) -> None:
    pick = random.Random(seed)
    kinds = [
        beacon(pick, pick.choice((0.0, 0.05, 0.3, 0.5)), pick.choice((4.0, 20.0, 900.0, 7300.0))),
        queue(pick),
    ]
    source = pick.choice(kinds)
    times = moments(
        (next(pick.choice(kinds)) if pick.random() < 0.1 else next(source) for _ in iter(int, 1)), 400
    )
    found = engine().feed(b"".join(call(at) for at in times))
    assert [hit.ts_ns - BOOT_BASE_NS for hit in found] == [
        one - BOOT_BASE_NS for one in oracle(BOOT_BASE_NS + round(at * 1e9) for at in times)
    ]


def test_the_twin_is_asked_about_streams_that_fire() -> None:
    assert oracle(range(10**12, 10**12 + 20 * 10**11, 6 * 10**10))


def even(count: int, pause: float = 60.0, **fields: object) -> bytes:
    return b"".join(call(100 + n * pause, **fields) for n in range(count))  # type: ignore[arg-type]


def test_what_is_told() -> None:
    (hit,) = engine().feed(even(9))
    assert hit.samples == ("other", "203.0.113.5:443 about every 60 s, give or take 0 %")
    assert hit.count == 9
    assert hit.ts_ns - hit.first_ts_ns == 480 * 10**9


@pytest.mark.parametrize(
    ("exe", "variant"),
    [
        ("/tmp/.x/agent", "writable"),
        ("/dev/shm/python3", "writable"),
        ("/memfd:x", "writable"),
        ("/usr/bin/bash", "shell"),
        ("/usr/bin/ncat", "shell"),
        ("/usr/bin/python3.11", "carrier"),
        ("/usr/bin/curl", "carrier"),
        ("/usr/local/bin/agent", "other"),
        ("/home/ana/bash2", "other"),
        ("/srv/app/server", "other"),
    ],
)
def test_programs_by_their_file(exe: str, variant: str) -> None:
    (hit,) = engine(exe).feed(even(9))
    assert hit.samples[0] == variant


@pytest.mark.parametrize(
    "exe", ["/usr/sbin/chronyd", "/usr/lib/apt/methods/http", "/opt/agent/bin/agent", "/snap/x/1/y"]
)
def test_programs_where_packages_lie_are_skipped_and_counted(exe: str) -> None:
    made = engine(exe)
    assert made.feed(even(30)) == []
    assert skipped(made, NAME) == 30


@pytest.mark.parametrize("flag", ["memfd", "deleted", "dir_world_writable"])
def test_a_packages_path_does_not_hide_what_the_file_is(flag: str) -> None:
    made = engine_with(NAME, **PARAMETERS)
    made.feed(start(50, 1, "/usr/bin/agent", exec_flags=[flag]))
    (hit,) = made.feed(even(9))
    assert hit.samples[0] == "writable"


def test_each_run_of_a_program_counts_as_one() -> None:
    """A job that starts every minute has another pid each time."""
    made = engine_with(NAME, **PARAMETERS)
    found = []
    for n in range(9):
        found += made.feed(start(60 + n, 1, "/home/ana/job", at_s=n * 60.0) + call(n * 60.0 + 1, pid=60 + n))
    assert len(found) == 1


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, 1),
        ({"address": "10.1.2.3"}, 0),
        ({"address": "fd00::7"}, 0),
        ({"address": "127.0.0.1"}, 0),
        ({"address": "2001:db8::7"}, 1),
        ({"port": 53, "protocol": 17}, 0),
        ({"port": 123, "protocol": 17}, 0),
        ({"port": 53}, 1),
        ({"pause": 3.0}, 0),
        ({"pause": 7201.0}, 0),
        ({"pause": 7199.0}, 1),
        ({"count": 8}, 0),
    ],
)
def test_near_misses(changed: dict[str, object], expected: int) -> None:
    assert len(engine().feed(even(**{"count": 9, **changed}))) == expected  # type: ignore[arg-type]


def test_private_addresses_on_request() -> None:
    assert len(engine(include_private=1).feed(even(9, address="10.1.2.3"))) == 1


def test_connections_within_a_second_are_one_call() -> None:
    stream = b"".join(call(100 + n * 60 + k / 10) for n in range(9) for k in range(5))
    (hit,) = engine().feed(stream)
    assert hit.count == 9


def test_two_addresses_are_two_rhythms() -> None:
    pick = random.Random(3)
    times = sorted(
        [(at, "203.0.113.5") for at in moments(beacon(pick, 0.0, missed=0.0), 9)]
        + [(at, "203.0.113.6") for at in moments(beacon(pick, 0.0, 47.0, missed=0.0), 9)]
    )
    assert len(engine().feed(b"".join(call(at, address) for at, address in times))) == 2


def test_forty_thousand_addresses_do_not_push_out_the_newest() -> None:
    made = engine()
    for block in range(40):
        made.feed(b"".join(call(block / 10, f"20.{block}.{n >> 8}.{n & 255}") for n in range(1000)))
    (hit,) = made.feed(even(9))
    assert hit.samples[1].startswith("203.0.113.5")


@pytest.mark.parametrize(
    "changes",
    [
        {"intervals_count": 3},
        {"intervals_count": 24},
        {"jittered_intervals_count": 24},
        {"shortest_s": 0},
        {"longest_s": 4},
    ],
)
def test_parameters_that_can_not_be_kept_are_refused(changes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must lie in"):
        engine(**changes)

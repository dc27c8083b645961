# SPDX-License-Identifier: Apache-2.0
"""Slow failures of one address: equal to the plain twin on random streams; bounds and parameters."""

from __future__ import annotations

import random

import pytest
from innerwarden_core import Engine, NativeDetector, Record

from innerwarden.modules.factory import REAL_BASE_NS, encode
from tests.oracles.logins import slow as oracle

NAME = "ssh_patient_guessing"
PARAMETERS = {
    "slow_window_s": 43200,
    "slow_failures_count": 20,
    "fast_window_s": 300,
    "fast_failures_count": 8,
    "cooldown_s": 3600,
}


def engine(**changes: int) -> Engine:
    made = Engine()
    made.configure([], [], [NativeDetector(NAME, NAME, {**PARAMETERS, **changes})])
    return made


def event(at_s: float, address: str, repeat: int = 1) -> bytes:
    return encode("ssh.login_failed", at_s=at_s, src_ip=address, user="root", repeat_count=repeat)


@pytest.mark.parametrize("seed", range(20))
def test_it_reports_what_the_plain_twin_reports(seed: int) -> None:
    pick = random.Random(seed)
    addresses = [f"192.0.2.{n}" for n in range(12)] + [f"2001:db8::{n:x}" for n in range(1, 12)]
    events, at_s = [], 0.0
    for _ in range(4000):
        at_s += pick.choice((0.0, 0.5, 20.0, 60.0, 200.0))
        events.append((at_s, pick.choice(addresses), pick.choice((1, 1, 1, 1, 3))))
    found = engine().feed(b"".join(event(*one) for one in events))
    told = [((hit.ts_ns - REAL_BASE_NS) / 1e9, Record(hit.record).get("src_ip")) for hit in found]
    expected = oracle(events, slow_count=20, slow_s=43200, fast_count=8, fast_s=300, cooldown_s=3600)
    assert told == expected
    assert told, "a stream in which nothing fires proves nothing"


def test_the_finding_counts_and_names_the_first_of_them() -> None:
    (hit,) = engine().feed(b"".join(event(n * 600.0, "192.0.2.1") for n in range(25)))
    assert hit.count == 20
    assert hit.first_ts_ns == REAL_BASE_NS


def test_a_line_without_an_address_is_nobodys() -> None:
    stream = b"".join(encode("ssh.login_failed", at_s=n * 600.0, user="root") for n in range(30))
    assert engine().feed(stream) == []


def test_addresses_beyond_the_room_are_counted() -> None:
    made = engine()
    made.feed(b"".join(event(0.0, f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}") for n in range(20_000)))
    assert 20_000 - 4096 <= made.stats()["natives"][NAME]["evicted"] < 20_000


@pytest.mark.parametrize(
    ("name", "value"), [("slow_failures_count", 0), ("fast_failures_count", 33), ("slow_window_s", 0)]
)
def test_a_parameter_that_cannot_be_kept_is_refused(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=name):
        engine(**{name: value})

# SPDX-License-Identifier: Apache-2.0
"""A success after failures: equal to its plain twin on random streams; count, bound, parameters."""

from __future__ import annotations

import random

import pytest
from innerwarden_core import Engine, NativeDetector, Record

from innerwarden.modules.factory import REAL_BASE_NS, encode
from tests.oracles.logins import hits as oracle

NAME = "login_after_failures"
PARAMETERS = {"failures_count": 3, "window_s": 600, "cooldown_s": 600}


def engine(**changes: int) -> Engine:
    made = Engine()
    made.configure([], [], [NativeDetector(NAME, NAME, {**PARAMETERS, **changes})])
    return made


def event(at_s: float, what: str, address: str, user: str, repeat: int = 1) -> bytes:
    kind = "ssh.login_failed" if what == "failed" else "ssh.login_success"
    return encode(kind, at_s=at_s, src_ip=address, user=user, repeat_count=repeat)


@pytest.mark.parametrize("seed", range(20))
def test_it_reports_what_the_plain_twin_reports(seed: int) -> None:
    pick = random.Random(seed)
    addresses = [f"192.0.2.{n}" for n in range(20)] + [f"2001:db8::{n:x}" for n in range(1, 20)]
    events = []
    at_s = 0.0
    for _ in range(3000):
        at_s += pick.choice((0.0, 0.5, 3.0, 20.0, 200.0))
        what = "success" if pick.random() < 0.2 else "failed"
        repeat = pick.choice((1, 1, 1, 2, 30))
        events.append((at_s, what, pick.choice(addresses), pick.choice(("root", "ana", "")), repeat))
    found = engine().feed(b"".join(event(*one) for one in events))
    told = [
        (
            (hit.ts_ns - REAL_BASE_NS) / 1e9,
            Record(hit.record).get("src_ip"),
            Record(hit.record).get("user") or "",
        )
        for hit in found
    ]
    assert told == oracle(events, failures=3, window_s=600, cooldown_s=600)
    assert told, "a stream in which nothing fires proves nothing"


def test_the_count_is_the_whole_run_of_failures() -> None:
    stream = b"".join(event(n, "failed", "192.0.2.1", "root") for n in range(100))
    (hit,) = engine().feed(stream + event(100.0, "success", "192.0.2.1", "root"))
    assert hit.count == 100
    assert hit.first_ts_ns == REAL_BASE_NS
    assert hit.samples == ("root",)


def test_a_line_without_an_address_is_nobodys() -> None:
    stream = b"".join(encode("ssh.login_failed", at_s=n, user="root") for n in range(5))
    assert engine().feed(stream + encode("ssh.login_success", at_s=6, user="root")) == []


def test_forty_thousand_addresses_do_not_push_out_the_newest() -> None:
    made = engine()
    for block in range(40):
        made.feed(
            b"".join(event(block, "failed", f"10.{block}.{n >> 8}.{n & 255}", "root") for n in range(1, 1000))
        )
    recent = b"".join(event(50.0 + n, "failed", "192.0.2.7", "root") for n in range(3))
    (hit,) = made.feed(recent + event(60.0, "success", "192.0.2.7", "root"))
    assert hit.count == 3


@pytest.mark.parametrize("count", [0, 33])
def test_a_count_that_cannot_be_kept_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="failures_count"):
        engine(failures_count=count)

# SPDX-License-Identifier: Apache-2.0
"""New facts are told once, within bounds, and what a bound costs is counted."""

from __future__ import annotations

import pytest

from tests.factory import encode
from tests.unit.core.detectors.support import engine_with, skipped, start

NAME = "first_seen"


def connect(pid: int, at_s: float, ip: str, port: int = 443) -> bytes:
    family = 10 if ":" in ip else 2
    return encode("network.connect", at_s, pid=pid, dst_ip=ip, dst_port=port, family=family, protocol=6)


def test_a_lineage_is_told_once_with_its_parent() -> None:
    engine = engine_with(NAME)
    engine.feed(start(50, 1, "/usr/sbin/cron"))
    (hit,) = engine.feed(start(51, 50, "/usr/bin/rsync"))
    assert hit.samples == ("lineage", "/usr/sbin/cron")
    assert engine.feed(start(52, 50, "/usr/bin/rsync", 1.0)) == []


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        ("203.0.113.8", "203.0.113.200", 1),
        ("203.0.113.8", "203.0.114.8", 2),
        ("2001:db8:1:2::8", "2001:db8:1:ffff::1", 1),
        ("2001:db8:1::8", "2001:db8:2::8", 2),
    ],
)
def test_a_destination_is_a_network(one: str, other: str, told: int) -> None:
    data = start(50, 1, "/usr/bin/curl") + connect(50, 1, one) + connect(50, 2, other)
    assert len(engine_with(NAME).feed(data)) == told


def test_a_minute_has_room_for_so_many_and_the_rest_comes_when_it_comes_again() -> None:
    engine = engine_with(NAME, per_minute_count=3)
    burst = start(50, 1, "/usr/bin/curl") + b"".join(connect(50, 1, f"198.51.{n}.8") for n in range(10))
    assert len(engine.feed(burst)) == 3
    assert skipped(engine, NAME) == 7
    again = b"".join(connect(50, 70, f"198.51.{n}.8") for n in range(10))
    assert len(engine.feed(again)) == 3


def test_a_crawler_is_told_so_often() -> None:
    engine = engine_with(NAME, per_subject_count=5, per_minute_count=1000)
    data = start(50, 1, "/usr/bin/crawler") + b"".join(connect(50, 1, f"198.51.{n}.8") for n in range(50))
    other = start(60, 1, "/usr/bin/curl") + connect(60, 1, "203.0.113.8")
    assert len(engine.feed(data + other)) == 6


def test_what_is_forgotten_is_counted() -> None:
    engine = engine_with(NAME, per_subject_count=1 << 30, per_minute_count=1 << 30)
    data = start(50, 1, "/usr/bin/crawler")
    for first in range(0, 256):
        data += b"".join(connect(50, 1, f"10.{first}.{n}.8", 443) for n in range(256))
    engine.feed(data)
    assert engine.stats()["natives"][NAME]["evicted"] > 1000


@pytest.mark.parametrize("name", ["per_minute_count", "per_subject_count"])
def test_parameters_are_checked(name: str) -> None:
    good = {"per_minute_count": 30, "per_subject_count": 200}
    with pytest.raises(ValueError, match=name):
        engine_with(NAME, **{**good, name: 0})

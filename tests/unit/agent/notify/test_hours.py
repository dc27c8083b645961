# SPDX-License-Identifier: Apache-2.0
"""Local time over midnight and over the days on which the clock changes (Berlin: 29 March and 25 October 2026)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from innerwarden.agent.notify import hours
from innerwarden.clock import NS
from innerwarden.config import ChannelConfig
from innerwarden.model.severity import Severity
from tests.unit.agent.notify.support import HOUR_NS, one_channel, store


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * NS


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("moment", "quiet"),
    [
        ("2026-01-02T20:59:59", False),
        ("2026-01-02T21:00:00", True),
        ("2026-01-02T23:00:00", True),
        ("2026-01-03T05:59:59", True),
        ("2026-01-03T06:00:00", False),
        ("2026-07-02T04:59:59", True),
        ("2026-07-02T05:00:00", False),
    ],
)
def test_quiet_hours_over_midnight(moment: str, quiet: bool) -> None:
    policy = ChannelConfig(quiet_hours="22-7")
    assert hours.is_quiet(policy, utc(moment)) is quiet


def test_quiet_ends_by_the_clock_on_the_wall() -> None:
    night = ChannelConfig(quiet_hours="22-7")
    assert hours.quiet_until_ns(night, utc("2026-03-28T21:30:00")) == utc("2026-03-29T05:00:00")
    assert hours.quiet_until_ns(night, utc("2026-10-24T20:30:00")) == utc("2026-10-25T06:00:00")
    skipped = ChannelConfig(quiet_hours="1-2")  # two o'clock does not exist on that day
    assert hours.quiet_until_ns(skipped, utc("2026-03-29T00:10:00")) == utc("2026-03-29T01:00:00")


@pytest.mark.parametrize("hour", [0, 2, 3, 8, 23])
@pytest.mark.parametrize("start", ["2026-03-27T10:00:00", "2026-10-23T10:00:00", "2026-12-30T10:00:00"])
def test_one_digest_a_local_day_and_nothing_lost(tmp_path: Path, hour: int, start: str) -> None:
    """An incident every quarter of an hour for four days: each is in exactly one digest."""
    with store(tmp_path, one_channel(digest_hour=hour, burst_count=100_000)) as one:
        now = utc(start)
        one.route(now)
        days = []
        for step in range(4 * 96):
            if step < 3 * 96:
                one.triage(Severity.MEDIUM)
            now = utc(start) + step * HOUR_NS // 4
            before = len(one.rows(kind="digest")) if step % 96 == 0 else None
            one.route(now)
            if before is not None:
                days.append(before)
        digests = one.rows(kind="digest")
        assert len({row.key.split(":")[1] for row in digests}) == len(digests)
        assert sum(row.message().held.total for row in digests) == 3 * 96  # type: ignore[union-attr]
        assert len(digests) == 4 and days == [0, 1, 2, 3]
        assert one.rows(state="deferred") == []


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2026-01-02T06:59:59", "2026-01-01"),
        ("2026-01-02T07:00:00", "2026-01-02"),
        ("2026-01-02T22:59:59", "2026-01-02"),
        ("2026-01-02T23:00:00", "2026-01-02"),
        ("2026-01-03T07:00:00", "2026-01-03"),
    ],
)
def test_the_day_of_a_digest_begins_at_its_hour(moment: str, day: str) -> None:
    assert hours.digest_day(ChannelConfig(digest_hour=8), utc(moment)) == day


def test_a_clock_that_ran_ahead_does_not_end_digests() -> None:
    assert hours.is_later("2026-01-03", "2026-01-02")
    assert not hours.is_later("2026-01-02", "2026-01-02")
    assert not hours.is_later("2026-01-01", "2026-01-02")
    assert hours.is_later("2026-01-02", "2031-05-05")

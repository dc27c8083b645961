# SPDX-License-Identifier: Apache-2.0
"""Local time: quiet hours and the day of a digest, on days of 23 and 25 hours too."""

from __future__ import annotations

import time
from datetime import date

from innerwarden.clock import NS
from innerwarden.config import ChannelConfig


def is_quiet(policy: ChannelConfig, now_ns: int) -> bool:
    hours = policy.quiet()
    if hours is None:
        return False
    begin, end = hours
    hour = time.localtime(now_ns // NS).tm_hour
    return begin <= hour < end if begin < end else hour >= begin or hour < end


def quiet_until_ns(policy: ChannelConfig, now_ns: int) -> int:
    """When a message may go that would not be told in quiet hours; `now_ns` outside of them."""
    if not is_quiet(policy, now_ns):
        return now_ns
    # Hour by hour by the clock on the wall: a day may lack the hour at which the quiet ends.
    local = time.localtime(now_ns // NS)
    at = now_ns // NS - local.tm_min * 60 - local.tm_sec
    for _ in range(25):
        at += 3600
        if not is_quiet(policy, at * NS):
            break
    return at * NS


def digest_day(policy: ChannelConfig, now_ns: int) -> str:
    """The local date whose digest is the latest that should have been sent."""
    local = time.localtime(now_ns // NS)
    day = date(local.tm_year, local.tm_mon, local.tm_mday)
    if local.tm_hour < policy.digest_hour:
        day = date.fromordinal(day.toordinal() - 1)
    return day.isoformat()


def is_later(day: str, last: str) -> bool:
    """Whether `day` comes after `last`. A `last` more than a day ahead was written while the clock was wrong."""
    ahead = date.fromisoformat(last).toordinal() - date.fromisoformat(day).toordinal()
    return ahead < 0 or ahead > 1

# SPDX-License-Identifier: Apache-2.0
"""Time: one conversion from the boot clock, one text form."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

NS = 1_000_000_000
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def realtime_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_REALTIME)


def boottime_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    """Another one after each boot (random(4)); raises OSError."""
    return BOOT_ID.read_text().strip()


def age_s(ts: str, boot_ns: int = 0, of_boot: str = "") -> float:
    """Seconds since the RFC 3339 time `ts`; 0 when it lies ahead.

    With CLOCK_BOOTTIME `boot_ns` of the same moment in the boot `of_boot`, as long as that one lasts: by that clock,
    which nobody can set.
    """
    if of_boot and of_boot == boot_id():
        return max(0.0, (boottime_ns() - boot_ns) / NS)
    return max(0.0, (realtime_ns() - parse_rfc3339(ts)) / NS)


def boot_to_realtime_ns() -> int:
    """Offset to add to CLOCK_BOOTTIME ns; the least of five readings bounds the skew by a context switch."""
    readings = []
    for _ in range(5):
        before = boottime_ns()
        wall = realtime_ns()
        after = boottime_ns()
        readings.append((after - before, wall - (before + after) // 2))
    return min(readings)[1]


def rfc3339(ts_ns: int) -> str:
    """UTC with nine decimals, e.g. 2026-01-02T03:04:05.000000006Z."""
    seconds, rest = divmod(ts_ns, NS)
    return f"{_second(seconds)}.{rest:09d}Z"


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def parse_rfc3339(text: str) -> int:
    """Nanoseconds since the epoch; raises ValueError for anything without an explicit zone."""
    head, dot, tail = text.partition(".")
    fraction = ""
    if dot:
        digits = len(tail) - len(tail.lstrip("0123456789"))
        fraction, zone = tail[:digits], tail[digits:]
        if not fraction:
            raise ValueError(f"no digits after the decimal point in {text!r}")
        head += zone
    moment = datetime.fromisoformat(head)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return int(moment.timestamp()) * NS + int((fraction + "0" * 9)[:9])

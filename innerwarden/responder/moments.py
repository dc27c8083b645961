# SPDX-License-Identifier: Apache-2.0
"""Time as effects need it: what is left of one across a restart, a reboot, and a clock that somebody set."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from innerwarden import clock


class Clock(msgspec.Struct, frozen=True, kw_only=True):
    """`wall` and `boot` give ns; within one boot only the latter counts, because nobody can set it."""

    wall: Callable[[], int] = clock.realtime_ns
    boot: Callable[[], int] = clock.boottime_ns
    boot_id: str = msgspec.field(default_factory=clock.boot_id)


class Begin(msgspec.Struct, frozen=True, kw_only=True):
    """When something began, on both clocks."""

    wall_ns: int
    boot_ns: int
    boot_id: str

    @classmethod
    def now(cls, at: Clock) -> Begin:
        return cls(wall_ns=at.wall(), boot_ns=at.boot(), boot_id=at.boot_id)

    def age_ns(self, at: Clock) -> int:
        """Since then, never below 0: after a reboot with a clock that went back, nothing has passed."""
        passed = at.boot() - self.boot_ns if self.boot_id == at.boot_id else at.wall() - self.wall_ns
        return max(0, passed)

    def left_ns(self, ttl_s: int, at: Clock) -> int:
        """Of `ttl_s`; 0 when it is over."""
        return max(0, ttl_s * clock.NS - self.age_ns(at))

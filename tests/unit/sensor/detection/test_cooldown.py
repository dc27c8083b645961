# SPDX-License-Identifier: Apache-2.0
"""Cooldown: folding, expiry, severity rise, bound."""

from __future__ import annotations

from innerwarden.sensor.detection.cooldown import Cooldown


def test_equal_findings_fold_until_the_period_is_over() -> None:
    cooldown = Cooldown()
    key = ("d", "a")
    assert cooldown.admit(key, 100, 50, rank=3) == 0
    assert cooldown.admit(key, 120, 50, rank=3) is None
    assert cooldown.admit(key, 149, 50, rank=3) is None
    assert cooldown.admit(key, 150, 50, rank=3) == 2
    assert cooldown.admit(("d", "b"), 150, 50, rank=3) == 0


def test_a_rise_in_severity_is_never_muted_by_noise() -> None:
    cooldown = Cooldown()
    assert cooldown.admit(("d", "a"), 100, 50, rank=2) == 0
    assert cooldown.admit(("d", "a"), 110, 50, rank=4) == 0
    assert cooldown.admit(("d", "a"), 115, 50, rank=4) is None


def test_keys_are_bounded_and_evictions_counted() -> None:
    cooldown = Cooldown(max_keys=2)
    for name in "abc":
        cooldown.admit(("d", name), 0, 50, rank=1)
    assert cooldown.evicted == 1
    assert cooldown.admit(("d", "a"), 1, 50, rank=1) == 0


def test_what_is_forgotten_is_heard_at_once() -> None:
    cooldown = Cooldown()
    for detector in ("d", "e"):
        assert cooldown.admit((detector, "a"), 100, 50, rank=3) == 0
    cooldown.forget({"d"})
    assert cooldown.admit(("d", "a"), 101, 50, rank=3) == 0
    assert cooldown.admit(("e", "a"), 101, 50, rank=3) is None

# SPDX-License-Identifier: Apache-2.0
"""The loss ledger: an increase is booked once, in the window that it concerns."""

from __future__ import annotations

from innerwarden.sensor.losses import NS, LossLedger


def test_only_increases_inside_the_window_are_told() -> None:
    ledger = LossLedger()
    ledger.update(100 * NS, {"kernel.file.open": 5})
    ledger.update(200 * NS, {"kernel.file.open": 5, "hits": 2})
    assert ledger.between(90 * NS, 110 * NS) == {"kernel.file.open": 5}
    assert ledger.between(150 * NS, 250 * NS) == {"hits": 2}
    assert ledger.between(110 * NS, 150 * NS) == {}
    assert ledger.totals == {"kernel.file.open": 5, "hits": 2}


def test_a_loss_reported_just_after_the_event_still_counts() -> None:
    """Counters are read every two seconds: a loss booked 1 s after the window may lie inside it."""
    ledger = LossLedger()
    ledger.update(101 * NS, {"hits": 3})
    assert ledger.sentences(95 * NS, 100 * NS) == ("3 records were lost at hits in this time",)


def test_a_program_that_was_left_out_is_told_as_that() -> None:
    """What it would have seen is not known, so no number of records is claimed."""
    ledger = LossLedger()
    ledger.update(100 * NS, {"skipped.iw_sys_exit": 7})
    assert ledger.sentences(95 * NS, 105 * NS) == ("the kernel left out iw_sys_exit 7 times in this time",)


def test_losses_older_than_an_hour_leave_the_window_but_not_the_totals() -> None:
    ledger = LossLedger()
    ledger.update(100 * NS, {"hits": 3})
    ledger.update(100 * NS + 3601 * NS, {"hits": 3})
    assert ledger.between(0, 10_000 * NS) == {}
    assert ledger.totals == {"hits": 3}


def test_a_set_clock_moves_what_is_remembered() -> None:
    ledger = LossLedger()
    ledger.update(100 * NS, {"hits": 3})
    ledger.shift(86_400 * NS)
    assert ledger.between(95 * NS, 105 * NS) == {}
    assert ledger.between(86_495 * NS, 86_505 * NS) == {"hits": 3}

# SPDX-License-Identifier: Apache-2.0
"""SDK windows: sliding, bounded, by event time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerwarden.windows import EventCount, Sequence, ValueCount

S = 1_000_000_000
MOMENTS = st.lists(st.integers(0, 60), min_size=1, max_size=60).map(sorted)


@given(MOMENTS)
def test_event_count_is_a_true_sliding_window(moments: list[int]) -> None:
    window = EventCount(window_s=10)
    for i, moment in enumerate(moments):
        expected = sum(moment - 10 < earlier <= moment for earlier in moments[: i + 1])
        assert window.add("k", moment * S) == expected
        assert window.count("k", moment * S) == expected


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 5)), min_size=1, max_size=60).map(sorted))
def test_value_count_counts_different_values_in_the_window(rows: list[tuple[int, int]]) -> None:
    window = ValueCount(window_s=10)
    for i, (moment, value) in enumerate(rows):
        expected = {v for m, v in rows[: i + 1] if moment - 10 < m <= moment}
        assert window.add("k", value, moment * S) == len(expected)
        assert set(window.values("k")) == expected


def test_a_sequence_needs_its_order_and_its_window() -> None:
    sequence = Sequence(steps=3, window_s=10)
    assert [sequence.advance("k", step, t * S) for t, step in ((0, 0), (1, 2), (2, 1), (3, 2))] == [
        False,
        False,
        False,
        True,
    ]
    assert not sequence.advance("k", 2, 4 * S), "it starts anew"
    for t, step in ((20, 0), (21, 1), (31, 2)):
        assert not sequence.advance("k", step, t * S)
    for t, step in ((40, 0), (45, 0), (46, 1)):
        sequence.advance("k", step, t * S)
    assert sequence.advance("k", 2, 54 * S), "the newer first step counts"


def test_keys_are_bounded_and_the_loss_is_counted() -> None:
    window = EventCount(window_s=10, max_keys=3)
    for key in range(10):
        window.add(key, S)
    assert len(window) == 3
    assert window.evicted == 7


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        EventCount(window_s=0)
    with pytest.raises(ValueError, match="two"):
        Sequence(steps=1, window_s=1)

# SPDX-License-Identifier: Apache-2.0
"""Holds a run against the recorded one: by ratio to the peer, because absolute times differ from machine to machine."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from bench import table

Row = Mapping[str, Any]

#: How much of a ratio may be lost before it counts, at least and at most, however steady or wild the rounds were.
LEAST, MOST = 0.25, 0.75
#: (max - min) / median of n rounds is about three standard deviations; the difference of two medians is noise up to
#: three of its own, 3 x 1.41 x 1.25 / 3 of the spread over the root of n.
NOISE = 1.8
FEW_ROUNDS = 5


def allowance(then: Row, now: Row) -> float:
    """The part of the recorded ratio that may be missing."""
    noise = 0.0
    for row in (then, now):
        rounds = row.get("rounds") or FEW_ROUNDS
        noise = max(noise, NOISE * (row.get("spread") or 0.0) / math.sqrt(rounds))
    return min(MOST, max(LEAST, noise))


def worse(then: Row, now: Row) -> str | None:
    """What the ratio lost, when that is more than noise."""
    if then["ratio"] is None or now["ratio"] is None:
        return None
    allowed = allowance(then, now)
    lower = bool(then.get("lower_is_better"))
    limit = then["ratio"] / (1 - allowed) if lower else then["ratio"] * (1 - allowed)
    if now["ratio"] <= limit if lower else now["ratio"] >= limit:
        return None
    word = "at most" if lower else "at least"
    return (
        f"ratio to its peer {now['ratio']:.3g} x, recorded {then['ratio']:.3g} x, {word} {limit:.3g} x"
        f" with {allowed:.0%} for noise"
    )


def key(row: Row) -> tuple[int, str]:
    return int(row["row"]), str(row["what"])


def failures(now: Sequence[Row], then: Sequence[Row], rows: set[int]) -> list[str]:
    """One line each: a gate that is missed, a ratio that fell, a row that was measured and is no longer. `rows`: only
    these; empty: all."""
    found = []
    recorded = {key(row): row for row in then if row["value"] is not None}
    for row in now:
        head = f"row {row['row']} {row['what']}"
        if row["passed"] is False:
            gate = f", gate {row['gate']}" if row["gate"] else ""
            found.append(f"{head}: {table.figure(row)}{gate}: {row['note'] or 'missed'}")
        before = recorded.pop(key(row), None)
        if before is not None and row["value"] is None:
            found.append(f"{head}: {row['note'] or 'not measured'}; it was when the baseline was recorded")
        elif before is not None and (text := worse(before, row)):
            found.append(f"{head}: {text}")
    left = [row for row in recorded.values() if not rows or row["row"] in rows]
    measured_now = {int(row["row"]): row for row in now if row["value"] is None}
    for row in left:
        reason = measured_now.get(int(row["row"]), {}).get("note", "no such row in this run")
        found.append(
            f"row {row['row']} {row['what']}: {reason}; it was measured when the baseline was recorded"
        )
    return found

# SPDX-License-Identifier: Apache-2.0
"""Does a finding complete a rule? Decided anew from the stored findings around it; nothing is kept half done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from innerwarden.agent.correlate.rule import ChainRule, Order
from innerwarden.clock import NS

#: Two sources (kernel, log file) may report in the wrong order by this much event time.
SKEW_NS = 5 * NS
#: First findings of a story that are tried: so many of the newest, then so many of the oldest; and ways through the
#: steps from each.
STARTS = 12
MAX_WAYS = 256


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A stored finding as the matcher sees it; `rank` is its severity."""

    incident: int
    ts_ns: int
    detector: str
    rank: int
    keys: frozenset[str]


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """`members` by event time: every finding of the chain, repetitions too. `end_ns`: when it was complete."""

    members: tuple[Row, ...]
    end_ns: int


class Placed(msgspec.Struct, frozen=True):
    row: Row
    step: int


def match(rule: ChainRule, rows: Sequence[Row], anchor: Row) -> Match | None:
    """Whether the rule's steps are all among `rows`, tied to each other and to `anchor`, in one window."""
    placed = [Placed(row, n) for row in rows if (n := rule.step_of(row.detector, row.rank)) is not None]
    placed = [one for one in placed if not rule.steps[one.step].absent]
    own = next((one for one in placed if one.row.incident == anchor.incident), None)
    if own is None or not _enough(rule, placed):
        return None
    window_ns = rule.window_s * NS
    # What does not hang together with the finding in twice the window does not in one.
    placed = _tied(rule, _between(placed, anchor.ts_ns - window_ns - SKEW_NS, anchor.ts_ns + window_ns), own)
    if not _enough(rule, placed):
        return None
    for start in _starts(rule, placed, anchor):
        inside = _between(placed, start.row.ts_ns - SKEW_NS, start.row.ts_ns + window_ns)
        tied = _tied(rule, inside, own)
        if not any(one is start for one in tied):
            continue
        end_ns = _walk(rule, tied, start)
        if end_ns is not None:
            wide = _between(placed, end_ns - window_ns, start.row.ts_ns + window_ns)
            members = sorted((one.row for one in _tied(rule, wide, own)), key=lambda r: (r.ts_ns, r.incident))
            return Match(members=tuple(members), end_ns=end_ns)
    return None


def follows(rule: ChainRule, found: Match, rows: Sequence[Row]) -> bool:
    """Whether a step that must be absent is there after all."""
    for number, step in enumerate(rule.steps):
        if not step.absent:
            continue
        keys = {key for member in found.members for key in member.keys if _kind(key) in step.join}
        until_ns = found.end_ns + (step.within_s or 0) * NS
        for row in rows:
            in_time = found.end_ns - SKEW_NS <= row.ts_ns <= until_ns
            if in_time and keys & row.keys and rule.step_of(row.detector, row.rank) == number:
                return True
    return False


def _enough(rule: ChainRule, placed: Sequence[Placed]) -> bool:
    """The cheap test: is each step there at all, and often enough?"""
    kinds: dict[int, set[str]] = {}
    for one in placed:
        kinds.setdefault(one.step, set()).add(one.row.detector)
    return all(
        step.optional or step.absent or len(kinds.get(number, ())) >= step.distinct
        for number, step in enumerate(rule.steps)
    )


def _starts(rule: ChainRule, placed: Sequence[Placed], anchor: Row) -> list[Placed]:
    able = [
        one
        for one in placed
        if one.row.ts_ns <= anchor.ts_ns + SKEW_NS
        and (rule.order is Order.ANY or one.step == 0)
        and one.row.ts_ns + rule.window_s * NS >= anchor.ts_ns
    ]
    able.sort(key=lambda one: one.row.ts_ns, reverse=True)
    return able if len(able) <= 2 * STARTS else able[:STARTS] + able[-STARTS:]


def _between(placed: Sequence[Placed], since_ns: int, until_ns: int) -> list[Placed]:
    return [one for one in placed if since_ns <= one.row.ts_ns <= until_ns]


def _tied(rule: ChainRule, placed: Sequence[Placed], own: Placed) -> list[Placed]:
    """What hangs together with `own` by keys that the later of two steps asks for."""
    holders: dict[str, list[Placed]] = {}
    for one in placed:
        for key in one.row.keys:
            holders.setdefault(key, []).append(one)
    tied, todo = {own.row.incident: own}, [own]
    while todo:
        one = todo.pop()
        for key in one.row.keys:
            kind = _kind(key)
            for other in holders.get(key, ()):
                if other.row.incident not in tied and _edge(rule, one, other, kind):
                    tied[other.row.incident] = other
                    todo.append(other)
    return list(tied.values())


def _edge(rule: ChainRule, one: Placed, other: Placed, kind: str) -> bool:
    first, later = (one, other) if one.step <= other.step else (other, one)
    if kind not in rule.steps[later.step].join:
        return False
    if rule.order is Order.ANY or first.step == later.step:
        return True
    return first.row.ts_ns <= later.row.ts_ns + SKEW_NS


class _Walk:
    """Ways through the steps of a strict order, each step as early as possible."""

    def __init__(self, rule: ChainRule, tied: Sequence[Placed]) -> None:
        self._rule = rule
        self._left = MAX_WAYS
        by_time = sorted((one.row.ts_ns, one.row.detector, one.step) for one in tied)
        self._times = [
            [(ts, detector) for ts, detector, at in by_time if at == n] for n in range(len(rule.steps))
        ]

    def end(self, number: int, last_ns: int) -> int | None:
        """Event time at which the last step was done when `number` is next after `last_ns`, or None."""
        steps = self._rule.steps
        if number == len(steps) or steps[number].absent:
            return last_ns
        for ts_ns in self._able(number, last_ns):
            self._left -= 1
            if self._left < 0:
                return None
            end_ns = self.end(number + 1, max(last_ns, ts_ns))
            if end_ns is not None:
                return end_ns
        return self.end(number + 1, last_ns) if steps[number].optional else None

    def _able(self, number: int, last_ns: int) -> Iterator[int]:
        """When this step can be done after `last_ns`."""
        step = self._rule.steps[number]
        seen: set[str] = set()
        for ts_ns, detector in self._times[number]:
            if ts_ns < last_ns - SKEW_NS:
                continue
            seen.add(detector)
            if len(seen) >= step.distinct:
                yield ts_ns


def _walk(rule: ChainRule, tied: Sequence[Placed], start: Placed) -> int | None:
    """Event time at which the last step was done, from `start` on; None when it was not."""
    if rule.order is Order.ANY:
        return _all_there(rule, tied)
    return _Walk(rule, tied).end(0 if rule.steps[0].distinct > 1 else 1, start.row.ts_ns)


def _all_there(rule: ChainRule, tied: Sequence[Placed]) -> int | None:
    if not _enough(rule, tied):
        return None
    return max(one.row.ts_ns for one in tied)


def _kind(key: str) -> str:
    """The name of a Join, which equals it."""
    return key.partition(":")[0]

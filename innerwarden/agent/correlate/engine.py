# SPDX-License-Identifier: Apache-2.0
"""Ask with each stored incident which rules it completes; memory and stories live in the same transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence

import msgspec

from innerwarden.agent.correlate.keys import UserOf, keys_of
from innerwarden.agent.correlate.matching import SKEW_NS, Match, Row, follows, match
from innerwarden.agent.correlate.parts import Parts
from innerwarden.agent.correlate.registry import find_parts
from innerwarden.agent.correlate.rule import ChainRule
from innerwarden.agent.correlate.story import rules_of, tell
from innerwarden.agent.state.trail import Awaited, Trace, Trail
from innerwarden.agent.state.tx import DatabaseError, Stored, Tx
from innerwarden.clock import NS
from innerwarden.model.finding import TELEMETRY
from innerwarden.model.severity import Severity

logger = logging.getLogger(__name__)

#: Findings around one that are looked at, the nearest in time first, and how many hands a key may pass through.
MAX_NEAR = 128
MAX_HOPS = 4
#: Findings in one story; and how long after its last one a story still grows by what shares a finding with it.
MAX_MEMBERS = 100
STORY_NS = 24 * 3600 * NS
#: Beyond this, in event time or on the clock, what should have followed is not coming.
LATE_NS = 60 * NS
OVERDUE_AT_ONCE = 100
#: The overdue are looked at every few seconds. What is overdue for longer than this was so while no agent ran, and then
#: the sensor's silence says nothing: both may have been stopped together.
MISSED_NS = 120 * NS
#: Detectors are few; a findings file may name any.
MAX_USES = 10_000


class _Use(msgspec.Struct, frozen=True, kw_only=True):
    """What a finding of one detector can do: the rules, what else they take, the kinds of key that they ask for, and
    for how long. `any_rank`: they take every detector up to this severity."""

    rules: tuple[ChainRule, ...]
    detectors: frozenset[str]
    any_rank: int
    joins: frozenset[str]
    window_ns: int
    horizon_s: int


NearOf = Callable[[Trail, Row, _Use, int], list[Row]]


class Correlator:
    """Holds the rules and nothing else: a crash at any point loses and doubles nothing."""

    def __init__(self, rules: Sequence[ChainRule], user_of: UserOf, parts: Parts | None = None) -> None:
        self._user_of = user_of
        self._parts = parts if parts is not None else find_parts()
        self._rules = {rule.id: rule for rule in rules}
        self._uses: dict[tuple[str, int], _Use | None] = {}

    def observe(self, tx: Tx, incident: Stored) -> int:
        """Feed one new incident; returns how many correlation incidents it made or made larger."""
        use = self._use(incident)
        if use is None:
            return 0
        keys = keys_of(incident.finding, self._user_of, self._parts)
        keys = frozenset(key for key in keys if key.partition(":")[0] in use.joins)
        if not keys:
            return 0
        anchor = _row(incident, keys)
        trail = Trail(tx)
        trail.add(_traces(anchor), use.horizon_s)
        near = self._near(trail, anchor, use, use.window_ns)
        present = {row.detector for row in near}
        return sum(self._tried(tx, rule, near, anchor) for rule in use.rules if _may_be(rule, present))

    def _use(self, incident: Stored) -> _Use | None:
        detector, rank = incident.finding.detector, incident.finding.severity.rank
        if rank <= Severity.DEBUG.rank:  # a trust entry lowered it: its owner knows
            return None
        if (detector, rank) not in self._uses:
            if len(self._uses) >= MAX_USES:
                self._uses.clear()
            rules = [r for r in self._rules.values() if r.step_of(detector, rank) is not None]
            self._uses[detector, rank] = _use_of(rules) if rules else None
        return self._uses[detector, rank]

    def overdue(self, tx: Tx) -> int:
        """Tell the chains whose last step is that nothing followed; returns how many."""
        told = 0
        for one in Trail(tx).due(LATE_NS, OVERDUE_AT_ONCE):
            rule = self._rules.get(one.rule)
            if rule is not None:
                told += self._tried(tx, rule, None, one)
        return told

    def _tried(self, tx: Tx, rule: ChainRule, near: Sequence[Row] | None, at: Row | Awaited) -> int:
        try:
            with tx.savepoint():  # a failing rule leaves nothing half done
                run = _Run(tx, rule, self._rules, self._user_of, self._parts)
                if isinstance(at, Awaited):
                    return run.overdue(at, self._near)
                return run.observe(near or (), at)
        except DatabaseError:
            raise
        except Exception:
            logger.exception("correlation rule failed rule=%s incident_row=%d", rule.id, at.incident)
            tx.count("correlation_failures")
            return 0

    @staticmethod
    def _near(trail: Trail, anchor: Row, use: _Use, window_ns: int) -> list[Row]:
        """The finding and what hangs together with it by keys, at most MAX_NEAR, the nearest in time."""
        since_ns, until_ns = anchor.ts_ns - window_ns - SKEW_NS, anchor.ts_ns + window_ns
        rows = {anchor.incident: anchor}
        asked: set[str] = set()
        keys: Collection[str] = anchor.keys
        for _ in range(MAX_HOPS):
            asked |= set(keys)
            found = {
                one.incident
                for one in trail.under(keys, since_ns, until_ns)
                if one.detector in use.detectors or one.rank <= use.any_rank
            } - rows.keys()
            if not found:
                break
            fresh = sorted(_rows(trail.of(found)), key=lambda row: abs(row.ts_ns - anchor.ts_ns))
            rows |= {row.incident: row for row in fresh[: MAX_NEAR - len(rows)]}
            keys = {key for row in fresh for key in row.keys} - asked
            if len(rows) >= MAX_NEAR or not keys:
                break
        return list(rows.values())


class _Run:
    """One rule inside one transaction."""

    def __init__(
        self, tx: Tx, rule: ChainRule, rules: dict[str, ChainRule], user_of: UserOf, parts: Parts
    ) -> None:
        self._tx = tx
        self._trail = Trail(tx)
        self._rule = rule
        self._rules = rules
        self._user_of = user_of
        self._parts = parts

    def observe(self, near: Sequence[Row], anchor: Row) -> int:
        found = match(self._rule, near, anchor)
        if found is None:
            return 0
        absent = [step for step in self._rule.steps if step.absent]
        if absent:
            due_ns = found.end_ns + max(step.within_s or 0 for step in absent) * NS
            self._trail.wait(
                Awaited(rule=self._rule.id, incident=anchor.incident, due_ns=due_ns), anchor.ts_ns
            )
            return 0
        return self._tell(found, anchor.incident)

    def overdue(self, one: Awaited, near: NearOf) -> int:
        rows = _rows(self._trail.of([one.incident]))
        if not rows:
            return 0
        (anchor,) = rows
        around = near(self._trail, anchor, _use_of([self._rule]), self._rule.horizon_s * NS)
        found = match(self._rule, around, anchor)
        if found is None or follows(self._rule, found, around) or self._may_be_heard(found, one):
            return 0
        return self._tell(found, anchor.incident)

    def _may_be_heard(self, found: Match, one: Awaited) -> bool:
        """The sensor's own numbers are stored beside the incidents."""
        if not any(step.absent and TELEMETRY in step.detectors for step in self._rule.steps):
            return False
        if self._tx.now_ns > one.clock_ns + LATE_NS + MISSED_NS:
            return True
        return self._trail.heard(found.end_ns + SKEW_NS, one.due_ns)

    def _tell(self, found: Match, anchor: int) -> int:
        """A new story; or more of one that has a finding in common with this chain."""
        incidents = [row.incident for row in found.members][-MAX_MEMBERS:]
        story = self._trail.story_of(incidents, found.members[0].ts_ns - STORY_NS)
        if story is not None:
            return self._grow(story, incidents, anchor)
        members = self._trail.load(incidents)
        stored = self._tx.insert_incident(tell([self._rule], members, self._user_of, self._parts))
        if stored is None:
            # The same story was told before its parts were forgotten; it stays told once.
            return 0
        self._tx.count("correlations")
        self._tx.add_members(stored.id, [(0, number) for number in incidents])
        return 1

    def _grow(self, story: int, incidents: Sequence[int], anchor: int) -> int:
        before = set(self._trail.members(story))
        rules = rules_of(self._tx.load(story), self._rules)
        known = self._rule in rules
        fresh = [number for number in incidents if number not in before]
        room = max(0, MAX_MEMBERS - len(before))
        if anchor in fresh[room:]:
            self._tx.count("story_members_left_out")
        fresh = fresh[:room]
        self._tx.add_members(story, [(0, number) for number in fresh])
        if known and not fresh:
            return 0
        members = self._trail.load([*before, *fresh])
        detectors = {one.finding.detector for one in members if one.id in before}
        if known and all(one.finding.detector in detectors for one in members):
            return 0  # a repetition; the text stays
        told_id = self._tx.load(story).finding.fields.incident_id
        new = tell(rules if known else [*rules, self._rule], members, self._user_of, self._parts, told_id)
        self._trail.grow(story, new)
        self._tx.count("stories_grown")
        return 1


def _use_of(rules: Sequence[ChainRule]) -> _Use:
    return _Use(
        rules=tuple(rules),
        detectors=frozenset(name for rule in rules for step in rule.steps for name in step.detectors),
        any_rank=max(step.max_severity.rank if step.max_severity else -1 for r in rules for step in r.steps),
        joins=frozenset(str(join) for rule in rules for step in rule.steps for join in step.join),
        window_ns=max(rule.window_s for rule in rules) * NS,
        horizon_s=max(rule.horizon_s for rule in rules),
    )


def _may_be(rule: ChainRule, present: set[str]) -> bool:
    """The cheap question first: are the detectors there that each step needs?"""
    return all(
        len(present) >= step.distinct
        if step.max_severity is not None
        else step.optional or step.absent or not present.isdisjoint(step.detectors)
        for step in rule.steps
    )


def _row(incident: Stored, keys: frozenset[str]) -> Row:
    finding = incident.finding
    return Row(
        incident=incident.id,
        ts_ns=incident.ts_ns,
        detector=finding.detector,
        rank=finding.severity.rank,
        keys=keys,
    )


def _traces(row: Row) -> list[Trace]:
    return [
        Trace(key=key, incident=row.incident, ts_ns=row.ts_ns, detector=row.detector, rank=row.rank)
        for key in sorted(row.keys)
    ]


def _rows(traces: Sequence[Trace]) -> list[Row]:
    keys: dict[int, set[str]] = {}
    for one in traces:
        keys.setdefault(one.incident, set()).add(one.key)
    first = {one.incident: one for one in reversed(traces)}
    return [
        Row(incident=n, ts_ns=one.ts_ns, detector=one.detector, rank=one.rank, keys=frozenset(keys[n]))
        for n, one in first.items()
    ]

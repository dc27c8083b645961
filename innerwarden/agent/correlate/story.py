# SPDX-License-Identifier: Apache-2.0
"""The incident of finished chains: what happened, in order, with times. One story may hold several chains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec

from innerwarden.agent.correlate.keys import UserOf, keys_of, of_kinds
from innerwarden.agent.correlate.parts import Parts
from innerwarden.agent.correlate.rule import ChainRule, Join
from innerwarden.agent.state.tx import NewIncident, Stored
from innerwarden.clock import NS, rfc3339
from innerwarden.model.finding import Evidence, Finding, IncidentFields

#: Members that the evidence names, and kinds of them that the text tells; all are members of the incident.
MAX_EVIDENCE = 20
MAX_TOLD = 10
MAX_VALUES = 32
SUMMARY_OF_MEMBER = 300
TAG = "correlation"

_T = TypeVar("_T")


def tell(
    rules: Sequence[ChainRule],
    members: Sequence[Stored],
    user_of: UserOf,
    parts: Parts,
    incident_id: str | None = None,
) -> NewIncident:
    """`members` by time; `rules` as they were completed. The id depends only on them: telling twice gives one
    incident. `incident_id`: that of the story that this one continues."""
    lead = _lead(rules)
    told = _told(rules, members)
    first = members[0]
    last_ns = max(member.ts_ns for member in members)
    subject = _subject(rules[0], first, user_of, parts)
    fields = IncidentFields(
        incident_id=incident_id or f"{rules[0].id}:{subject}:{rfc3339(first.ts_ns)}",
        host=first.finding.fields.host,
        title=lead.title,
        summary=_summary(rules, told),
        evidence=tuple(_evidence(rules, member) for member in members[:MAX_EVIDENCE]),
        recommended_checks=_unique(
            check
            for checks in (*(rule.checks for rule in rules), *_each(told, "recommended_checks"))
            for check in checks
        ),
        tags=(TAG, *(rule.reference for rule in rules)),
        entities=_unique(entity for member in members for entity in member.finding.fields.entities),
        attack=_unique(technique for member in members for technique in member.finding.fields.attack),
        process=next((m.finding.fields.process for m in reversed(told) if m.finding.fields.process), None),
        blind=_unique(blind for member in members for blind in member.finding.fields.blind),
    )
    severity = max(
        [*(rule.severity for rule in rules), *(m.finding.severity for m in members)], key=lambda s: s.rank
    )
    finding = Finding(ts=rfc3339(last_ns), detector=rules[0].id, severity=severity, fields=fields)
    return NewIncident(
        finding=finding, ts_ns=last_ns, fields=msgspec.json.encode(fields), source="correlation"
    )


def rules_of(story: Stored, rules: Mapping[str, ChainRule]) -> list[ChainRule]:
    """The rules that a stored story tells, in the order in which they were completed."""
    by_reference = {rule.reference: rule for rule in rules.values()}
    return [by_reference[tag] for tag in story.finding.fields.tags if tag in by_reference]


def _lead(rules: Sequence[ChainRule]) -> ChainRule:
    """The one that says most: the gravest, then the longest."""
    return max(rules, key=lambda rule: (rule.severity.rank, len(rule.steps)))


def _told(rules: Sequence[ChainRule], members: Sequence[Stored]) -> list[Stored]:
    """One member for each step of each rule and no detector twice: the first; of a first step the newest that came
    before what followed it."""
    chosen: dict[str, Stored] = {}
    for member in members:
        chosen.setdefault(_name(rules, member), member)
    ordered = sorted(chosen.values(), key=lambda one: (one.ts_ns, one.id))
    if len(ordered) > 1:
        opening, second_ns = _name(rules, ordered[0]), ordered[1].ts_ns
        for member in members:
            if _name(rules, member) == opening and member.ts_ns <= second_ns:
                ordered[0] = member
    return ordered[:MAX_TOLD]


def _name(rules: Sequence[ChainRule], member: Stored) -> str:
    """What the story calls a member: the step's name in the leading rule, else in any other."""
    finding = member.finding
    lead = _lead(rules)
    for rule in (lead, *rules):
        number = rule.step_of(finding.detector, finding.severity.rank)
        if number is not None:
            step = rule.steps[number]
            return step.name if step.distinct == 1 else finding.fields.title
    return finding.fields.title


def _subject(rule: ChainRule, first: Stored, user_of: UserOf, parts: Parts) -> str:
    """What the chain is about: the first key of the first step's join, in the rule's order."""
    keys = keys_of(first.finding, user_of, parts)
    process = first.finding.fields.process
    for join in rule.steps[0].join:
        if join is Join.PROCESS and process is not None:
            return f"{process.pid}:{process.start_ns}"
        for key in of_kinds(keys, (join,)):
            return key.partition(":")[2]
    return first.finding.fields.incident_id


def _summary(rules: Sequence[ChainRule], told: Sequence[Stored]) -> str:
    lead = _lead(rules)
    start = told[0].ts_ns
    entries = []
    for number, member in enumerate(told):
        # Times of day are UTC, as everywhere; the later steps also say how soon they came.
        clock = rfc3339(member.ts_ns)[11:19]
        text = member.finding.fields.summary or member.finding.fields.title
        after = "" if number == 0 else f", {_span(member.ts_ns - start)} later"
        name = _name(rules, member)
        entries.append(f"{clock} UTC{after}: {name} ({text[:SUMMARY_OF_MEMBER].rstrip('. ')})")
    entries += [f"then no sign of: {step.name}" for step in lead.steps if step.absent]
    others = [rule.title for rule in rules if rule is not lead]
    also = f" Also in this story: {'; '.join(others)}." if others else ""
    return f"{lead.title}. " + "; ".join(entries) + "." + also


def _span(ns: int) -> str:
    seconds = max(0, ns) / NS
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def _evidence(rules: Sequence[ChainRule], member: Stored) -> Evidence:
    finding = member.finding
    return Evidence(
        kind="incident",
        text=f"{_name(rules, member)}: {finding.fields.title}",
        ts=rfc3339(member.ts_ns),
        details={
            "incident_id": finding.fields.incident_id,
            "detector": finding.detector,
            "severity": str(finding.severity),
        },
    )


def _each(told: Sequence[Stored], name: str) -> Iterable[tuple[str, ...]]:
    return (getattr(member.finding.fields, name) for member in told)


def _unique(values: Iterable[_T]) -> tuple[_T, ...]:
    """First occurrences in order, at most MAX_VALUES."""
    return tuple(list(dict.fromkeys(values))[:MAX_VALUES])

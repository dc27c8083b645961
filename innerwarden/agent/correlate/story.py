# SPDX-License-Identifier: Apache-2.0
"""The incident of a finished chain: what happened, in order, with times."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec

from innerwarden.agent.correlate.keys import UserOf, keys_of, of_kinds
from innerwarden.agent.correlate.rule import ChainRule, Join
from innerwarden.agent.state.tx import NewIncident, Stored
from innerwarden.clock import NS, rfc3339
from innerwarden.model.finding import Evidence, Finding, IncidentFields

#: Members that the text names; all of them are members of the incident.
MAX_EVIDENCE = 20
MAX_VALUES = 32
SUMMARY_OF_MEMBER = 300

_T = TypeVar("_T")


def tell(rule: ChainRule, members: Sequence[tuple[int, Stored]], user_of: UserOf) -> NewIncident:
    """`members` by step, then time. The id depends only on them: telling twice gives one incident."""
    first = members[0][1]
    told = _one_per_step(members)
    last_ns = max(member.ts_ns for _, member in members)
    subject = _subject(rule, first, user_of)
    fields = IncidentFields(
        incident_id=f"{rule.id}:{subject}:{rfc3339(first.ts_ns)}",
        host=first.finding.fields.host,
        title=rule.title,
        summary=_summary(rule, told),
        evidence=tuple(_evidence(rule, step, member) for step, member in members[:MAX_EVIDENCE]),
        recommended_checks=_unique(
            check for checks in (rule.checks, *_each(told, "recommended_checks")) for check in checks
        ),
        tags=("correlation",),
        entities=_unique(entity for _, member in members for entity in member.finding.fields.entities),
        attack=_unique(technique for _, member in members for technique in member.finding.fields.attack),
        process=next((m.finding.fields.process for _, m in reversed(told) if m.finding.fields.process), None),
        blind=_unique(blind for _, member in members for blind in member.finding.fields.blind),
    )
    severity = max([rule.severity, *(m.finding.severity for _, m in members)], key=lambda s: s.rank)
    finding = Finding(ts=rfc3339(last_ns), detector=rule.id, severity=severity, fields=fields)
    return NewIncident(
        finding=finding, ts_ns=last_ns, fields=msgspec.json.encode(fields), source="correlation"
    )


def _one_per_step(members: Sequence[tuple[int, Stored]]) -> list[tuple[int, Stored]]:
    """The first member of each later step, led by the newest first step that came before them."""
    chosen: dict[int, Stored] = {}
    for step, member in members:
        chosen.setdefault(step, member)
    second_ns = chosen[1].ts_ns if 1 in chosen else chosen[0].ts_ns
    for step, member in members:
        if step == 0 and member.ts_ns <= second_ns:
            chosen[0] = member
    return sorted(chosen.items())


def _subject(rule: ChainRule, first: Stored, user_of: UserOf) -> str:
    """What the chain is about: the first key of the first step's join, in the rule's order."""
    keys = keys_of(first.finding, user_of)
    process = first.finding.fields.process
    for join in rule.steps[0].join:
        if join is Join.PROCESS and process is not None:
            return f"{process.pid}:{process.start_ns}"
        for key in of_kinds(keys, (join,)):
            return key.partition(":")[2]
    return first.finding.fields.incident_id


def _summary(rule: ChainRule, told: Sequence[tuple[int, Stored]]) -> str:
    start = told[0][1].ts_ns
    parts = []
    for number, (step, member) in enumerate(told):
        # Times of day are UTC, as everywhere; the later steps also say how soon they came.
        clock = rfc3339(member.ts_ns)[11:19]
        text = member.finding.fields.summary or member.finding.fields.title
        after = "" if number == 0 else f", {_span(member.ts_ns - start)} later"
        parts.append(f"{clock} UTC{after}: {rule.steps[step].name} ({text[:SUMMARY_OF_MEMBER].rstrip('. ')})")
    return f"{rule.title}. " + "; ".join(parts) + "."


def _span(ns: int) -> str:
    seconds = max(0, ns) / NS
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def _evidence(rule: ChainRule, step: int, member: Stored) -> Evidence:
    finding = member.finding
    return Evidence(
        kind="incident",
        text=f"{rule.steps[step].name}: {finding.fields.title}",
        ts=rfc3339(member.ts_ns),
        details={
            "incident_id": finding.fields.incident_id,
            "detector": finding.detector,
            "severity": str(finding.severity),
        },
    )


def _each(told: Sequence[tuple[int, Stored]], name: str) -> Iterable[tuple[str, ...]]:
    return (getattr(member.finding.fields, name) for _, member in told)


def _unique(values: Iterable[_T]) -> tuple[_T, ...]:
    """First occurrences in order, at most MAX_VALUES."""
    return tuple(list(dict.fromkeys(values))[:MAX_VALUES])

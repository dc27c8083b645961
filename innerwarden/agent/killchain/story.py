# SPDX-License-Identifier: Apache-2.0
"""The incidents of the kill chain: what was found in the tree, in order, with times."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec

from innerwarden.agent.killchain.patterns import Pattern
from innerwarden.agent.state.tx import NewIncident, Stored
from innerwarden.clock import rfc3339
from innerwarden.model.finding import OBSERVE_ONLY, Evidence, Finding, IncidentFields
from innerwarden.model.severity import Severity

PROGRESS = "killchain_progress"
MAX_VALUES = 32
MAX_EVIDENCE = 20
TEXT_OF_PART = 200
CHECKS = (
    "Look at the process tree: what started it, and whether it still runs",
    "Read its parts in order: innerwarden incident ID names them",
)

_T = TypeVar("_T")
#: (name of the step, incident)
Part = tuple[str, Stored]


def tell_pattern(pattern: Pattern, root: str, parts: Sequence[Part]) -> NewIncident:
    severity = max((pattern.severity, *(one.finding.severity for _, one in parts)), key=lambda one: one.rank)
    number = f"{pattern.detector}:{root}:{rfc3339(min(one.ts_ns for _, one in parts))}"
    return _incident(number, pattern.detector, pattern.title, severity, parts=parts, tags=("killchain",))


def progress_id(root: str, first_ns: int) -> str:
    return f"{PROGRESS}:{root}:{rfc3339(first_ns)}"


def tell_progress(incident_id: str, parts: Sequence[Part], severity: Severity) -> NewIncident:
    """`parts` are one for each tactic. Nothing may be done because of it: it says that several things came together."""
    title = f"One process tree went through {len(parts)} tactics"
    return _incident(incident_id, PROGRESS, title, severity, parts=parts, tags=("killchain", OBSERVE_ONLY))


def _incident(
    incident_id: str,
    detector: str,
    title: str,
    severity: Severity,
    *,
    parts: Sequence[Part],
    tags: tuple[str, ...],
) -> NewIncident:
    told = [one for _, one in parts]
    last = max(told, key=lambda one: one.ts_ns)
    fields = IncidentFields(
        incident_id=incident_id,
        host=last.finding.fields.host,
        title=title,
        summary=f"{title}: " + "; ".join(_text(name, one) for name, one in parts) + ".",
        evidence=tuple(_evidence(name, one) for name, one in parts[:MAX_EVIDENCE]),
        recommended_checks=_unique(
            (*CHECKS, *(c for one in told for c in one.finding.fields.recommended_checks))
        ),
        tags=tags,
        entities=_unique(e for one in told for e in one.finding.fields.entities),
        attack=_unique(t for one in told for t in one.finding.fields.attack),
        process=last.finding.fields.process,
        blind=_unique(b for one in told for b in one.finding.fields.blind),
    )
    finding = Finding(ts=rfc3339(last.ts_ns), detector=detector, severity=severity, fields=fields)
    return NewIncident(finding=finding, ts_ns=last.ts_ns, fields=msgspec.json.encode(fields), source="agent")


def _text(name: str, one: Stored) -> str:
    text = one.finding.fields.summary or one.finding.fields.title
    return f"{rfc3339(one.ts_ns)[11:19]} UTC {name} ({text[:TEXT_OF_PART].rstrip('. ')})"


def _evidence(name: str, one: Stored) -> Evidence:
    details: dict[str, str | int | None] = {
        "incident_id": one.finding.fields.incident_id,
        "detector": one.finding.detector,
        "severity": str(one.finding.severity),
    }
    return Evidence(
        kind="incident", text=f"{name}: {one.finding.fields.title}", ts=rfc3339(one.ts_ns), details=details
    )


def _unique(values: Iterable[_T]) -> tuple[_T, ...]:
    return tuple(list(dict.fromkeys(values))[:MAX_VALUES])

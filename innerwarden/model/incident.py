# SPDX-License-Identifier: Apache-2.0
"""Incident: the public type that module authors and readers see."""

from __future__ import annotations

from datetime import datetime

import msgspec

from innerwarden.model.entity import EntityRef
from innerwarden.model.finding import Evidence, Finding
from innerwarden.model.severity import Severity


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    ts: datetime
    host: str
    incident_id: str
    severity: Severity
    title: str
    summary: str
    evidence: tuple[Evidence, ...] = ()
    recommended_checks: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    entities: tuple[EntityRef, ...] = ()

    @classmethod
    def from_finding(cls, finding: Finding) -> Incident:
        """Microsecond time (datetime's limit); the finding keeps the nanoseconds."""
        f = finding.fields
        return cls(
            ts=datetime.fromisoformat(finding.ts[:26] + "+00:00"),
            host=f.host,
            incident_id=f.incident_id,
            severity=finding.severity,
            title=f.title,
            summary=f.summary,
            evidence=f.evidence,
            recommended_checks=f.recommended_checks,
            tags=f.tags,
            entities=f.entities,
        )

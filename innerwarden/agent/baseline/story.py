# SPDX-License-Identifier: Apache-2.0
"""The incidents of the baseline. Nothing may be done because of one: unusual is not wrong."""

from __future__ import annotations

import msgspec

from innerwarden.agent import derived
from innerwarden.agent.state.tx import NewIncident
from innerwarden.agent.state.usual import DAY_NS
from innerwarden.clock import rfc3339
from innerwarden.model.entity import EntityRef
from innerwarden.model.finding import OBSERVE_ONLY, Evidence, Finding, IncidentFields
from innerwarden.model.severity import Severity

NEW_LINEAGE = "baseline_new_lineage"
NEW_DESTINATION = "baseline_new_destination"
LOGIN_HOUR = "baseline_login_hour"
SILENCE = "baseline_silence"
RATE_SPIKE = "baseline_rate_spike"

TITLES = {
    name: derived.of(name).title for name in (NEW_LINEAGE, NEW_DESTINATION, LOGIN_HOUR, SILENCE, RATE_SPIKE)
}
CHECKS = (
    "Ask whoever is responsible whether it was meant",
    "See what else happened then: innerwarden incidents",
)


class Unusual(msgspec.Struct, frozen=True, kw_only=True):
    detector: str
    part: str
    subject: str
    object: str
    text: str
    ts_ns: int
    severity: Severity


def tell(one: Unusual, like: IncidentFields | None, host: str) -> NewIncident:
    """One for a subject, object and day; `like`: the finding that it rests on."""
    fields = IncidentFields(
        incident_id=f"{one.detector}:{one.subject}:{one.object}:{rfc3339(one.ts_ns // DAY_NS * DAY_NS)[:10]}",
        host=host,
        title=TITLES[one.detector],
        summary=f"{one.text}.",
        evidence=(Evidence(kind="baseline", text=one.text, ts=rfc3339(one.ts_ns)),),
        recommended_checks=CHECKS,
        tags=("baseline", OBSERVE_ONLY),
        # A rate is about what writes these events: correlation knows it by this.
        entities=like.entities if like else (EntityRef.service(one.subject),),
        process=like.process if like else None,
        blind=like.blind if like else (),
    )
    finding = Finding(ts=rfc3339(one.ts_ns), detector=one.detector, severity=one.severity, fields=fields)
    return NewIncident(finding=finding, ts_ns=one.ts_ns, fields=msgspec.json.encode(fields), source="agent")

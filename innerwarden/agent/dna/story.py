# SPDX-License-Identifier: Apache-2.0
"""The incident of an attacker that is recognised at another address."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from innerwarden.agent import derived
from innerwarden.agent.dna.tokens import detector_of
from innerwarden.agent.state.attackers import Fingerprint, Session
from innerwarden.agent.state.tx import NewIncident, Stored
from innerwarden.clock import NS, rfc3339
from innerwarden.model.entity import EntityRef
from innerwarden.model.finding import Evidence, Finding, IncidentFields
from innerwarden.model.severity import Severity

SAME_ATTACKER = "dna_same_attacker"
IP_ROTATION = "dna_ip_rotation"
#: An address that takes over within this is a rotation.
ROTATION_NS = 24 * 3600 * NS
TITLES = {name: derived.of(name).title for name in (SAME_ATTACKER, IP_ROTATION)}
SHOWN_TOKENS = 12


class Recognised(msgspec.Struct, frozen=True, kw_only=True):
    address: str
    earlier: Fingerprint
    session: Session
    likeness: float
    campaign: int | None


def tell(one: Recognised, latest: Stored, parts: Sequence[Stored]) -> NewIncident:
    """`parts` are the findings of both addresses that are still kept; `latest` completed the likeness."""
    before = one.earlier.entity.partition(":")[2]
    rotates = abs(one.session.first_ns - one.earlier.last_ns) <= ROTATION_NS
    detector = IP_ROTATION if rotates else SAME_ATTACKER
    steps = ", ".join(detector_of(token) for token in one.session.tokens[:SHOWN_TOKENS])
    text = (
        f"{one.address} did what {before} did before, {one.likeness:.0%} alike ({steps}); "
        f"{before} was last seen at {rfc3339(one.earlier.last_ns)[:19]}Z"
    )
    fields = IncidentFields(
        incident_id=f"{detector}:{one.address}:{before}:{rfc3339(one.session.first_ns)}",
        host=latest.finding.fields.host,
        title=TITLES[detector],
        summary=f"{text}.",
        evidence=(
            Evidence(
                kind="fingerprint",
                text=text,
                ts=rfc3339(latest.ts_ns),
                details={"likeness_pct": round(one.likeness * 100), "earlier_address": before},
            ),
        ),
        recommended_checks=(
            f"Read what {before} did: innerwarden incidents --entity {before}",
            "See whether a block by address is enough, or whether the service should be closed to the world",
        ),
        tags=("dna", *((f"campaign:{one.campaign}",) if one.campaign is not None else ())),
        entities=(EntityRef.ip(one.address), EntityRef.ip(before)),
        attack=tuple(dict.fromkeys(t for part in parts for t in part.finding.fields.attack))[:32],
    )
    worst = max((part.finding.severity.rank for part in parts), default=0)
    severity = Severity.HIGH if worst >= Severity.HIGH.rank else Severity.MEDIUM
    finding = Finding(ts=rfc3339(latest.ts_ns), detector=detector, severity=severity, fields=fields)
    return NewIncident(
        finding=finding, ts_ns=latest.ts_ns, fields=msgspec.json.encode(fields), source="agent"
    )

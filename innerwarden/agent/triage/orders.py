# SPDX-License-Identifier: Apache-2.0
"""From an action to the order that is stored."""

from __future__ import annotations

from innerwarden.agent.state.responses import Order
from innerwarden.agent.state.rows import IncidentRow
from innerwarden.agent.triage.draft import Action
from innerwarden.model.record import Decided, Outcome


def order_of(incident: IncidentRow, action: Action, reason: str, confidence: float | None) -> Order:
    return Order(
        decided=Decided(
            incident_id=incident.incident_id,
            outcome=Outcome.ACT if action.auto else Outcome.PROPOSE,
            by=action.by,
            reason=f"{action.reason}; {reason}",
            verb=action.verb,
            ttl_s=action.ttl_s,
            confidence=confidence,
        ),
        verb=action.verb,
        ttl_s=action.ttl_s,
        incident=incident.id,
        proposed=not action.auto,
    )

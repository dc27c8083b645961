# SPDX-License-Identifier: Apache-2.0
"""Responses in state.db: what should be in effect, for how long, and who wanted it."""

from __future__ import annotations

import msgspec

from innerwarden.agent.state import record
from innerwarden.agent.state.tx import Tx
from innerwarden.model.record import Decided
from innerwarden.model.verb import AnyVerb

_JSON = msgspec.json.Encoder()


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A response that was decided. `proposed`: it waits for the operator's word."""

    decided: Decided
    verb: AnyVerb
    ttl_s: int
    incident: int | None = None
    """Row of the incident."""
    proposed: bool = False


def intend(tx: Tx, order: Order) -> str | None:
    """Record the decision and store the response with it; returns its id, or None when the same effect is
    already owned by a live response (the decision is recorded all the same)."""
    seq = record.append(tx, order.decided)
    response_id = f"r{seq}"
    tx.db.execute(
        "INSERT INTO responses (response_id, key, verb, incident, by, reason, state, created_ns, ttl_s)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (
            response_id,
            order.verb.key(),
            _JSON.encode(order.verb),
            order.incident,
            order.decided.by,
            order.decided.reason,
            "proposed" if order.proposed else "intended",
            tx.now_ns,
            order.ttl_s,
        ),
    )
    return response_id if tx.db.changes() else None

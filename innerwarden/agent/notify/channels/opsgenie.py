# SPDX-License-Identifier: Apache-2.0
"""Opsgenie Alert API. Source: docs.opsgenie.com/docs/alert-api."""

from __future__ import annotations

import hashlib
import json
from urllib.parse import quote

from innerwarden.agent.notify.post import Request, post
from innerwarden.agent.notify.render import clean, plain, short
from innerwarden.agent.notify.sending import Delivery
from innerwarden.agent.notify.text import tell
from innerwarden.model.severity import Severity

API = "https://api.opsgenie.com"
ALIAS_LIMIT = 512
_PRIORITY = {Severity.CRITICAL: "P1", Severity.HIGH: "P2", Severity.MEDIUM: "P3", Severity.LOW: "P4"}


def send(delivery: Delivery) -> None:
    message = delivery.message
    text = tell(message)
    name = alias(message.incident_id if message.kind in ("incident", "closed") else message.key)
    path = "/v2/alerts"
    body: dict[str, object] = {"source": clean(message.host)[:100]}
    if message.kind == "closed":
        path += f"/{quote(name, safe='')}/close?identifierType=alias"
        body["note"] = clean(message.reason)
    else:
        body |= {
            "message": short(text.title, 130),
            "alias": name,
            "description": plain(text, 15000),
            "priority": _PRIORITY.get(message.severity, "P5"),
            "tags": [clean(tag)[:50] for tag in message.tags],
            "details": {"incident_id": clean(message.incident_id), "detector": clean(message.detector)},
        }
    post(
        Request(
            url=f"{delivery.channel.address or API}{path}",
            body=json.dumps(body).encode(),
            timeout_s=delivery.channel.timeout_s,
            ca_file=delivery.channel.ca_file,
            headers={"Authorization": f"GenieKey {delivery.secret}"},
        )
    )


def alias(key: str) -> str:
    """The key itself where it is short enough, the same for begin and end."""
    return key if len(key) <= ALIAS_LIMIT else hashlib.sha256(key.encode()).hexdigest()

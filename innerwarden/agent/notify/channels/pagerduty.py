# SPDX-License-Identifier: Apache-2.0
"""PagerDuty Events API v2. Source: developer.pagerduty.com/docs/events-api-v2-overview."""

from __future__ import annotations

import hashlib
import json

from innerwarden.agent.notify.post import Request, post
from innerwarden.agent.notify.render import clean, plain, short
from innerwarden.agent.notify.sending import Delivery
from innerwarden.agent.notify.text import tell
from innerwarden.clock import rfc3339
from innerwarden.model.severity import Severity

API = "https://events.pagerduty.com"
SUMMARY_LIMIT = 1024
DEDUP_LIMIT = 255
_SEVERITY = {Severity.CRITICAL: "critical", Severity.HIGH: "error", Severity.MEDIUM: "warning"}


def send(delivery: Delivery) -> None:
    message = delivery.message
    text = tell(message)
    body: dict[str, object] = {
        "routing_key": delivery.secret,
        "event_action": "resolve" if message.kind == "closed" else "trigger",
        "dedup_key": dedup_key(
            message.incident_id if message.kind in ("incident", "closed") else message.key
        ),
    }
    if message.kind != "closed":
        body["payload"] = {
            "summary": short(text.title, SUMMARY_LIMIT),
            "source": clean(message.host),
            "severity": _SEVERITY.get(message.severity, "info"),
            "timestamp": rfc3339(message.ts_ns),
            "class": clean(message.detector) or message.kind,
            "custom_details": {"text": plain(text, 8000), "incident_id": clean(message.incident_id)},
        }
    post(
        Request(
            url=f"{delivery.channel.address or API}/v2/enqueue",
            body=json.dumps(body).encode(),
            timeout_s=delivery.channel.timeout_s,
            ca_file=delivery.channel.ca_file,
        )
    )


def dedup_key(key: str) -> str:
    """The key itself where it is short enough, the same for begin and end."""
    return key if len(key) <= DEDUP_LIMIT else hashlib.sha256(key.encode()).hexdigest()

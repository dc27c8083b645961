# SPDX-License-Identifier: Apache-2.0
"""Telegram Bot API, sendMessage. Source: core.telegram.org/bots/api."""

from __future__ import annotations

import json

from innerwarden.agent.notify.post import Request, post
from innerwarden.agent.notify.render import html_span, whole
from innerwarden.agent.notify.sending import Delivery
from innerwarden.agent.notify.text import tell

API = "https://api.telegram.org"
#: 1-4096 characters after the mark-up is taken out; counted with it, which is stricter.
LIMIT = 4096


def send(delivery: Delivery) -> None:
    body: dict[str, object] = {
        "chat_id": delivery.channel.chat,
        "text": whole(tell(delivery.message), html_span, LIMIT),
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
    }
    if delivery.outgoing.approve:
        buttons = [("Approve", delivery.outgoing.approve), ("Deny", delivery.outgoing.deny)]
        body["reply_markup"] = {"inline_keyboard": [[{"text": t, "callback_data": c} for t, c in buttons]]}
    post(
        Request(
            url=f"{delivery.channel.address or API}/bot{delivery.secret}/sendMessage",
            body=json.dumps(body).encode(),
            timeout_s=delivery.channel.timeout_s,
            ca_file=delivery.channel.ca_file,
        )
    )

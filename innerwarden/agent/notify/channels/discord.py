# SPDX-License-Identifier: Apache-2.0
"""Discord webhook. Nobody is mentioned, nothing is embedded. Source: discord.com/developers/docs/resources/webhook."""

from __future__ import annotations

import json

from innerwarden.agent.notify.post import Request, post
from innerwarden.agent.notify.render import markdown_span, whole
from innerwarden.agent.notify.sending import Delivery
from innerwarden.agent.notify.text import tell

LIMIT = 2000
SUPPRESS_EMBEDS = 1 << 2


def send(delivery: Delivery) -> None:
    body = {
        "content": whole(tell(delivery.message), markdown_span, LIMIT),
        "allowed_mentions": {"parse": []},
        "flags": SUPPRESS_EMBEDS,
    }
    post(
        Request(
            url=delivery.secret,
            body=json.dumps(body).encode(),
            timeout_s=delivery.channel.timeout_s,
            ca_file=delivery.channel.ca_file,
        )
    )

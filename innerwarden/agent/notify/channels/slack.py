# SPDX-License-Identifier: Apache-2.0
"""Slack incoming webhook. Blocks of plain_text are shown as they are: no mark-up, mentions or links.
Source: docs.slack.dev, Block Kit."""

from __future__ import annotations

import json

from innerwarden.agent.notify.post import Request, post
from innerwarden.agent.notify.render import plain, short
from innerwarden.agent.notify.sending import Delivery
from innerwarden.agent.notify.text import tell

#: Of one section.
LIMIT = 3000


def send(delivery: Delivery) -> None:
    text = tell(delivery.message)
    fallback = short(text.title, 300).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    section = {"type": "plain_text", "text": plain(text, LIMIT), "emoji": False}
    body = {
        "text": fallback,
        "blocks": [{"type": "section", "text": section}],
        "unfurl_links": False,
        "unfurl_media": False,
    }
    post(
        Request(
            url=delivery.secret,
            body=json.dumps(body).encode(),
            timeout_s=delivery.channel.timeout_s,
            ca_file=delivery.channel.ca_file,
        )
    )

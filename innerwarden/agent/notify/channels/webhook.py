# SPDX-License-Identifier: Apache-2.0
"""A webhook of one's own: versioned JSON, signed when there is a key. Its shape is in docs/notifications.md."""

from __future__ import annotations

import hashlib
import hmac
import time

import msgspec

from innerwarden.agent.notify.message import Message
from innerwarden.agent.notify.post import Request, post
from innerwarden.agent.notify.render import plain
from innerwarden.agent.notify.sending import Delivery
from innerwarden.agent.notify.text import tell
from innerwarden.clock import rfc3339

VERSION = 1
SIGNATURE = "X-InnerWarden-Signature"
DELIVERY = "X-InnerWarden-Delivery"


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """`text` is for people; the values in `message` are as they were seen, unescaped."""

    version: int = VERSION
    ts: str
    text: str
    message: Message


def send(delivery: Delivery) -> None:
    message = delivery.message
    body = msgspec.json.encode(
        Body(ts=rfc3339(message.ts_ns), text=plain(tell(message), 8000), message=message)
    )
    headers = {DELIVERY: hashlib.sha256(message.key.encode()).hexdigest()}
    if delivery.signing_key:
        headers[SIGNATURE] = sign(delivery.signing_key, body, int(time.time()))
    post(
        Request(
            url=delivery.secret,
            body=body,
            timeout_s=delivery.channel.timeout_s,
            ca_file=delivery.channel.ca_file,
            headers=headers,
        )
    )


def sign(key: str, body: bytes, now_s: int) -> str:
    """`t=<seconds>,v1=<hex>`: HMAC-SHA256 over `<seconds>.<body>`, so that an old one cannot be sent again."""
    digest = hmac.new(key.encode(), f"{now_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={now_s},v1={digest}"

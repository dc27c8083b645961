# SPDX-License-Identifier: Apache-2.0
"""ArcSight Common Event Format behind the syslog header of RFC 3164, a line each. Source: "ArcSight Common Event
Format" (CEF 0): header and extension escape different characters."""

from __future__ import annotations

import time

from innerwarden import __version__
from innerwarden.agent.notify import syslog_line
from innerwarden.agent.notify.message import Message
from innerwarden.agent.notify.render import clean, line
from innerwarden.agent.notify.sending import Delivery
from innerwarden.agent.notify.text import tell
from innerwarden.clock import NS
from innerwarden.model.entity import EntityType

_KEY = {EntityType.IP: "src", EntityType.USER: "suser", EntityType.PATH: "filePath"}


def send(delivery: Delivery) -> None:
    message = delivery.message
    stamp = time.strftime("%b %e %H:%M:%S", time.localtime(message.ts_ns // NS))
    host = "".join(c if "!" <= c <= "~" else "_" for c in message.host)[:255] or "-"
    header = f"<{syslog_line.priority(message)}>{stamp} {host} "
    syslog_line.write(delivery.channel, header + cef(message), counted=False)


def cef(message: Message) -> str:
    name = message.title or line(tell(message).title)
    head = (
        "CEF:0", "InnerWarden", "InnerWarden", __version__, _header(message.detector or message.kind), _header(name),
        str(message.severity.rank * 2),
    )  # fmt: skip
    return f"{'|'.join(head)}|{' '.join(f'{key}={_extension(value)}' for key, value in _extensions(message))}"


def _extensions(message: Message) -> list[tuple[str, str]]:
    pairs = [("rt", str(message.ts_ns // 1_000_000)), ("dvchost", message.host)]
    pairs += [
        (key, value)
        for key, value in (
            ("externalId", message.incident_id),
            ("act", message.action),
            ("outcome", message.outcome.value if message.outcome else ""),
            ("msg", "; ".join(line(one) for one in tell(message).body)),
        )
        if value
    ]
    seen: set[str] = set()
    for one in message.entities:  # a key stands once; the rest is in msg
        key = _KEY.get(one.type)
        if key and key not in seen:
            seen.add(key)
            pairs.append((key, one.value))
    if message.count:
        pairs.append(("cnt", str(message.count)))
    return pairs


def _header(text: str) -> str:
    return clean(text[:512]).replace("\\", "\\\\").replace("|", "\\|")


def _extension(text: str) -> str:
    return clean(text[:1000]).replace("\\", "\\\\").replace("=", "\\=")

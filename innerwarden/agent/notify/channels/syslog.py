# SPDX-License-Identifier: Apache-2.0
"""Syslog: RFC 5424 over the network; on a local socket the older form that journald and rsyslog read there."""

from __future__ import annotations

import os
import time

from innerwarden.agent.notify import syslog_line
from innerwarden.agent.notify.message import Message
from innerwarden.agent.notify.render import clean, line
from innerwarden.agent.notify.sending import Delivery
from innerwarden.agent.notify.text import tell
from innerwarden.clock import rfc3339

#: The number that RFC 5612 sets aside for examples: we have none of our own.
ENTERPRISE = 32473
PAIRS_LIMIT = 1200


def send(delivery: Delivery) -> None:
    local = syslog_line.is_local(delivery.channel)
    text = legacy(delivery.message) if local else rfc5424(delivery.message)
    syslog_line.write(delivery.channel, text, counted=True)


def rfc5424(message: Message) -> str:
    """One message. Source: RFC 5424, 6."""
    stamp = f"{rfc3339(message.ts_ns)[:26]}Z"  # six decimals at most
    head = f"<{syslog_line.priority(message)}>1 {stamp} {_name(message.host, 255)} innerwarden {os.getpid()}"
    return f"{head} {message.kind} [innerwarden@{ENTERPRISE} {_pairs(message)}] \ufeff{_words(message)}"


def legacy(message: Message) -> str:
    """As syslog(3) writes to /dev/log: local time, no host."""
    stamp = time.strftime("%b %e %H:%M:%S", time.localtime())
    return f"<{syslog_line.priority(message)}>{stamp} innerwarden[{os.getpid()}]: {_words(message)} {_pairs(message)}"


def facts(message: Message) -> list[tuple[str, str]]:
    """What a collector wants as fields; absent ones are left out."""
    found = [("severity", message.severity.value), ("host", message.host)]
    found += [
        (key, value)
        for key, value in (
            ("incident_id", message.incident_id),
            ("detector", message.detector),
            ("outcome", message.outcome.value if message.outcome else ""),
            ("action", message.action),
            ("attack", ",".join(message.attack)),
        )
        if value
    ]
    found += [(one.type.value, one.value) for one in message.entities]
    if message.count:
        found.append(("count", str(message.count)))
    if message.held is not None:
        found.append(("held", str(message.held.total)))
    return found


def _words(message: Message) -> str:
    text = tell(message)
    return clean("; ".join(line(one) for one in (text.title, *text.body)))


def _pairs(message: Message) -> str:
    """As many as leave room for words in the shortest datagram; the severity is always there."""
    kept: list[str] = []
    size = 0
    for key, value in facts(message):
        pair = f'{key}="{_value(value)}"'
        size += len(pair.encode()) + 1
        if kept and size > PAIRS_LIMIT:
            break
        kept.append(pair)
    return " ".join(kept)


def _value(text: str) -> str:
    """Source: RFC 5424, 6.3.3."""
    return clean(text[:300]).replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")


def _name(text: str, limit: int) -> str:
    """PRINTUSASCII without spaces, or the sign for none."""
    return "".join(c if "!" <= c <= "~" else "_" for c in text)[:limit] or "-"

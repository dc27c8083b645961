# SPDX-License-Identifier: Apache-2.0
"""What a message says, as facts: stored in the outbox, put into words by the process that sends it."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from innerwarden.agent.state.notices import Held
from innerwarden.model.entity import EntityRef
from innerwarden.model.record import Outcome
from innerwarden.model.severity import Severity

TEXT_LIMIT = 600
VALUE_LIMIT = 300
ID_LIMIT = 800
ENTITIES = 6


class Message(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`key` names it for good, so that a receiver can tell a repetition. As a line of JSON it stays below 60 000 bytes,
    whatever an incident holds. Everything but `kind`, `outcome` and
    `severity` may come from an attacker."""

    kind: Literal["incident", "closed", "summary", "digest", "burst", "test"]
    key: str
    host: str
    ts_ns: int
    severity: Severity = Severity.INFO
    incident_id: str = ""
    detector: str = ""
    title: str = ""
    summary: str = ""
    entities: tuple[EntityRef, ...] = ()
    tags: tuple[str, ...] = ()
    attack: tuple[str, ...] = ()
    outcome: Outcome | None = None
    reason: str = ""
    action: str = ""
    """What is done or proposed, such as `block address 192.0.2.9`; the target may come from an attacker."""
    ttl_s: int | None = None
    dry_run: bool = False
    response_id: str | None = None
    """Of a proposal that waits for a word."""
    count: int = 0
    """Of a summary: how many were held since the last message about it."""
    held: Held | None = None
    evicted: int = 0
    """Of a digest and a burst: held ones since the last digest of which nothing but this number was kept."""


def cut(text: str, limit: int = TEXT_LIMIT) -> str:
    """At most `limit` characters; what is left out is said."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def bounded_id(text: str) -> str:
    """The id itself where it has a usual length, else its beginning and what tells it from others."""
    if len(text) <= ID_LIMIT:
        return text
    return f"{text[: ID_LIMIT - 80]}…{hashlib.sha256(text.encode('utf-8', 'backslashreplace')).hexdigest()}"

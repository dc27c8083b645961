# SPDX-License-Identifier: Apache-2.0
"""Entries of the record: all that was decided, asked for, done, undone and refused, by whom and why."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from innerwarden.model.verb import AnyVerb


class Outcome(StrEnum):
    """What triage made of an incident."""

    ACT = "act"
    PROPOSE = "propose"
    """An action waits for the operator's word."""
    WATCH = "watch"
    DISMISS = "dismiss"
    NEEDS_REVIEW = "needs_review"


#: The gates of triage, in order; each is a file of agent/triage/gates.
GATES = ("dedupe", "trust", "posture", "enrichment", "correlation", "rules", "playbooks", "opinion")


class Entry(msgspec.Struct, frozen=True, kw_only=True, tag_field="entry", omit_defaults=True):
    """Base; the tag is the entry's kind."""

    @property
    def kind(self) -> str:
        return str(self.__struct_config__.tag)


class Decided(Entry, frozen=True, kw_only=True, tag="decided"):
    """`by` is `gate:<name>`, `rule:<id>`, `playbook:<id>/<step>`, `model:<name>` or `operator:<user>`."""

    incident_id: str
    outcome: Outcome
    by: str
    reason: str
    verb: AnyVerb | None = None
    ttl_s: int | None = None
    confidence: float | None = None


class Requested(Entry, frozen=True, kw_only=True, tag="requested"):
    """Written before the responder is asked; without it nothing is asked."""

    response_id: str
    verb: AnyVerb
    ttl_s: int
    by: str
    dry_run: bool


class Answered(Entry, frozen=True, kw_only=True, tag="answered"):
    """What came of a request. `state` is a response's state."""

    response_id: str
    state: str
    detail: str = ""


class Undone(Entry, frozen=True, kw_only=True, tag="undone"):
    """`why` is expired, operator:<user>, failed or lost."""

    response_id: str
    state: str
    why: str
    detail: str = ""


class Operated(Entry, frozen=True, kw_only=True, tag="operated"):
    """Something that a person did: approve, deny, block, unblock, close, restore, anchor."""

    who: str
    what: str
    subject: str
    reason: str = ""


class Pruned(Entry, frozen=True, kw_only=True, tag="pruned"):
    """Entries up to `last_seq` were removed by retention; `last_hash` (hex) is where the chain goes on."""

    first_seq: int
    last_seq: int
    last_hash: str
    entry_count: int


AnyEntry = Decided | Requested | Answered | Undone | Operated | Pruned
KINDS: tuple[str, ...] = tuple(str(kind.__struct_config__.tag) for kind in AnyEntry.__args__)

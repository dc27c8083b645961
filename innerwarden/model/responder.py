# SPDX-License-Identifier: Apache-2.0
"""What is said between agent and responder: one JSON packet a request, one a reply, at most PACKET_BYTES each."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from innerwarden.model.verb import AnyVerb

PACKET_BYTES = 64 << 10
#: Between them lies how long an effect may last; what is asked beyond is cut to it.
MIN_TTL_S, MAX_TTL_S = 60, 7 * 86400
MAX_DETAIL = 2000
#: Entries of one listing: below PACKET_BYTES with the longest paths and details.
PAGE = 12

RequestId = Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9][a-z0-9._-]{0,63}\Z")]
#: `undoing`: the undo failed so far and is tried again. `lost`: it ended without us (a restart, somebody else).
#: `unknown`: no such request is remembered.
State = Literal["active", "done", "dry_run", "refused", "failed", "undoing", "undone", "lost", "unknown"]


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="request"):
    """Base of what the responder is asked."""


class Hello(Request, frozen=True, kw_only=True, tag="hello"):
    """Who are you, and what may you do?"""


class Do(Request, frozen=True, kw_only=True, tag="do"):
    """Bring an effect about for `ttl_s`. The same `request_id` again gives the answer again, never a second effect.
    `plan_only` asks for what would be done; there is no way to ask for more than the responder's own switches grant."""

    request_id: RequestId
    verb: AnyVerb
    ttl_s: int
    plan_only: bool = False


class Undo(Request, frozen=True, kw_only=True, tag="undo"):
    """End an effect now; what has ended stays as it is."""

    request_id: RequestId
    why: Annotated[str, msgspec.Meta(max_length=200)] = "asked"


class Check(Request, frozen=True, kw_only=True, tag="check"):
    """How does a request stand, and is its effect really there?"""

    request_id: RequestId


class List(Request, frozen=True, kw_only=True, tag="list"):
    """What is in effect, PAGE at a time: entries with a number above `after`."""

    after: int = 0


class Clear(Request, frozen=True, kw_only=True, tag="clear"):
    """Undo everything and remove what the responder made. Only root may ask."""


AnyRequest = Hello | Do | Undo | Check | List | Clear


class Reply(msgspec.Struct, frozen=True, kw_only=True, tag_field="reply", omit_defaults=True):
    """Base of what the responder answers."""


class Way(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a verb would be done here now: by what, why by that, and what is wrong with it, empty when nothing is."""

    name: str = ""
    why: str = ""
    problem: str = ""


class Welcome(Reply, frozen=True, kw_only=True, tag="welcome"):
    """`problem` names what keeps it from acting at all, empty when nothing does. `ways`: of verbs that can be done in
    more than one; none while it is not enabled."""

    version: str
    pid: int
    enabled: bool
    dry_run: bool
    verbs: tuple[str, ...]
    live_count: int
    problem: str = ""
    ways: dict[str, Way] = {}


class Answer(Reply, frozen=True, kw_only=True, tag="answer"):
    """`rule` names what refused. `expires_ns` and `verified_ns` are wall time; `why` says what ended the effect."""

    request_id: str
    state: State
    detail: str = ""
    rule: str = ""
    why: str = ""
    plan: tuple[str, ...] = ()
    ttl_s: int | None = None
    expires_ns: int | None = None
    verified_ns: int | None = None


class Live(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One effect of a listing."""

    number: int
    request_id: str
    verb: AnyVerb
    state: State
    expires_ns: int
    verified_ns: int | None = None
    detail: str = ""


class Listing(Reply, frozen=True, kw_only=True, tag="listing"):
    """`more`: ask again with `after` the last number."""

    live: tuple[Live, ...]
    more: bool = False


class Cleared(Reply, frozen=True, kw_only=True, tag="cleared"):
    """`problems` lists what could not be undone or removed."""

    undone_count: int
    problems: tuple[str, ...] = ()


class Problem(Reply, frozen=True, kw_only=True, tag="problem"):
    """The request could not be taken as one."""

    detail: str


AnyReply = Welcome | Answer | Listing | Cleared | Problem

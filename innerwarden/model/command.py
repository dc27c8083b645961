# SPDX-License-Identifier: Apache-2.0
"""What a person can tell the agent, from the command line, the dashboard or a chat."""

from __future__ import annotations

import msgspec


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="command"):
    """Base; the tag is what the record calls it."""

    @property
    def id(self) -> str:
        return str(self.__struct_config__.tag)


class Approve(Command, frozen=True, kw_only=True, tag="approve"):
    """Let a proposed response happen."""

    response_id: str


class Deny(Command, frozen=True, kw_only=True, tag="deny"):
    """Say no to a proposed response."""

    response_id: str
    reason: str = ""


class Undo(Command, frozen=True, kw_only=True, tag="undo"):
    """End a response before its time."""

    response_id: str
    reason: str = ""


class Block(Command, frozen=True, kw_only=True, tag="block"):
    """Block one address; `ttl_s` None: as long as the configuration says."""

    address: str
    ttl_s: int | None = None
    reason: str = ""


class Unblock(Command, frozen=True, kw_only=True, tag="unblock"):
    """End every response that keeps this address out."""

    address: str
    reason: str = ""


class Close(Command, frozen=True, kw_only=True, tag="close"):
    """The incident is dealt with."""

    incident_id: str
    reason: str = ""


class Reopen(Command, frozen=True, kw_only=True, tag="reopen"):
    """It is not."""

    incident_id: str
    reason: str = ""


AnyCommand = Approve | Deny | Undo | Block | Unblock | Close | Reopen


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """`text` is a sentence for the person; `response_ids` are the responses that it is about."""

    done: bool
    text: str
    response_ids: tuple[str, ...] = ()

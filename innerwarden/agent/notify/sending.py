# SPDX-License-Identifier: Apache-2.0
"""What passes between the agent and the process that sends, and what a channel's code gets."""

from __future__ import annotations

import msgspec

from innerwarden.agent.notify.message import Message
from innerwarden.config import ChannelConfig


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """First line to the child."""

    name: str
    channel: ChannelConfig


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """One message. `approve` and `deny` are one-time codes for a proposal."""

    message: Message
    approve: str = ""
    deny: str = ""


class Result(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One line back for each message."""

    ok: bool
    detail: str = ""
    retry_after_s: float | None = None
    final: bool = False


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What `send` of a channel gets; lives in the child only. `secret` and `signing_key` are the files' contents."""

    channel: ChannelConfig
    outgoing: Outgoing
    secret: str = ""
    signing_key: str = ""

    @property
    def message(self) -> Message:
        return self.outgoing.message

# SPDX-License-Identifier: Apache-2.0
"""What passes between the agent and the process that listens to a chat."""

from __future__ import annotations

import msgspec


class Listen(msgspec.Struct, frozen=True, kw_only=True):
    secret: str
    address: str
    ca_file: str
    timeout_s: int
    poll_s: int


class Press(msgspec.Struct, frozen=True, kw_only=True):
    """A button that somebody pressed. `chat` is None when Telegram does not say where."""

    id: str
    user: int
    chat: int | None
    data: str


class Event(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    press: Press | None = None
    problem: str = ""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """`notice` is shown to who pressed; `chat_text` goes to the chat for all who read there, "" for nothing."""

    notice: str
    chat_text: str = ""

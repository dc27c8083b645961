# SPDX-License-Identifier: Apache-2.0
"""One-time codes behind the buttons of a proposal; what is kept of them is their digest."""

from __future__ import annotations

import hashlib
import secrets

import msgspec

from innerwarden.agent.state import notices
from innerwarden.agent.state.notices import Code
from innerwarden.agent.state.tx import Tx

#: 144 bits; 24 characters of the 64 bytes that Telegram lets a button send.
CODE_BYTES = 18


class AddCodes(msgspec.Struct, frozen=True):
    """Operation: the codes of one message, before it is sent."""

    codes: tuple[Code, ...]
    durable: bool = True

    def apply(self, tx: Tx) -> None:
        for code in self.codes:
            notices.add_code(tx, code)


def new_codes(channel: str, response_id: str, expires_ns: int) -> tuple[dict[str, str], AddCodes]:
    """A code for each word, and the operation that makes them count."""
    words = {word: secrets.token_urlsafe(CODE_BYTES) for word in ("approve", "deny")}
    kept = tuple(
        Code(sha256=digest(code), channel=channel, response_id=response_id, word=word, expires_ns=expires_ns)
        for word, code in words.items()
    )
    return words, AddCodes(kept)


def digest(code: str) -> str:
    return hashlib.sha256(code.encode("utf-8", "backslashreplace")).hexdigest()

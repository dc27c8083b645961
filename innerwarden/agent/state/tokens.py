# SPDX-License-Identifier: Apache-2.0
"""Operations on dashboard tokens. Only the SHA-256 of a token ever reaches the database."""

from __future__ import annotations

import re

import msgspec

from innerwarden.agent.state.tx import Tx
from innerwarden.errors import StateError

_DIGEST = re.compile(r"[0-9a-f]{64}")


class AddToken(msgspec.Struct, frozen=True, kw_only=True):
    """Allow the token with this digest until `expires_ns` (None: no end); expired ones go.

    `only` removes every other token: the one that was printed last is the one that works.
    """

    sha256: str
    expires_ns: int | None = None
    only: bool = False
    durable: bool = True

    def __post_init__(self) -> None:
        if not _DIGEST.fullmatch(self.sha256):
            raise StateError("a dashboard token must be given as its SHA-256 in hex", "Hash it first")

    def apply(self, tx: Tx) -> None:
        if self.only:
            tx.db.execute("DELETE FROM dashboard_tokens")
        else:
            tx.db.execute("DELETE FROM dashboard_tokens WHERE expires_ns <= ?", (tx.now_ns,))
        tx.db.execute(
            "INSERT OR REPLACE INTO dashboard_tokens (sha256, created_ns, expires_ns) VALUES (?, ?, ?)",
            (self.sha256, tx.now_ns, self.expires_ns),
        )

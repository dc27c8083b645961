# SPDX-License-Identifier: Apache-2.0
"""Dashboard tokens: made here, stored as a hash, shown once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from innerwarden import clock

if TYPE_CHECKING:
    from innerwarden.agent.state.writer import Writer

TOKEN_DAYS = 30
TIMEOUT_S = 10.0


def add(writer: Writer, secret: str, *, only: bool = False, days: int = TOKEN_DAYS) -> None:
    """Store the hash of `secret`; `only` ends every other token."""
    from innerwarden.agent.dashboard.auth import hash_of
    from innerwarden.agent.state.tokens import AddToken

    expires_ns = clock.realtime_ns() + days * 86400 * clock.NS
    writer.run(AddToken(sha256=hash_of(secret), expires_ns=expires_ns, only=only), TIMEOUT_S)

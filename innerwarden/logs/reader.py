# SPDX-License-Identifier: Apache-2.0
"""What every reader of log text in Python is: whole lines in, wire records out.

It keeps what belongs together until it is complete, in bounded memory; nothing that a log holds makes it raise.
"""

from __future__ import annotations

from typing import Protocol

import msgspec


class Stats(msgspec.Struct):
    """`lines` read; `matched`: those that became part of a record; `malformed`: refused; `lost`: dropped by a bound."""

    lines: int = 0
    matched: int = 0
    malformed: int = 0
    lost: int = 0


class Reader(Protocol):
    stats: Stats

    def read(self, chunk: bytes) -> list[bytes]:
        """Records of whole lines (the last one ends in a newline), oldest first."""

    def idle(self) -> list[bytes]:
        """Nothing new was there to read: what waited for more, when it has waited long enough."""

    def finish(self) -> list[bytes]:
        """Nothing more will come: everything that still waits."""

# SPDX-License-Identifier: Apache-2.0
"""Anchor: what the record was at one moment, small enough to be kept elsewhere."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

import msgspec

from innerwarden.clock import parse_rfc3339
from innerwarden.errors import UsageError

MAX_ANCHORS = 100_000
_HEX = re.compile(r"[0-9a-f]{64}")


class Anchor(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`seq` and `hash` (hex) are of the newest entry, 0 and zeros of an empty record; `count` entries were there.

    `digest` covers the other members: it shows damage on the way, not forgery.
    """

    innerwarden_audit: int = 1
    host: str
    ts: str
    seq: int
    hash: str
    count: int
    digest: str = ""

    def sealed(self) -> Anchor:
        return msgspec.structs.replace(self, digest=self._digest())

    def is_whole(self) -> bool:
        return self.innerwarden_audit == 1 and self.digest == self._digest()

    def _digest(self) -> str:
        bare = msgspec.structs.replace(self, digest="")
        return hashlib.sha256(msgspec.json.encode(bare, order="deterministic")).hexdigest()

    def line(self) -> str:
        return msgspec.json.encode(self).decode()


def parse_anchors(lines: Iterable[str], name: str) -> list[Anchor]:
    """One anchor a line, each from its first `{` on: lines of a system log may be given as they are.

    Empty lines are passed over. Raises UsageError with `name:line` for anything else that is no whole anchor.
    """
    found: list[Anchor] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        anchor = _parse(line)
        if anchor is None or len(found) == MAX_ANCHORS:
            raise UsageError(
                f"{name}:{number} is no whole anchor, or one beyond {MAX_ANCHORS}",
                "Give what `innerwarden audit anchor` printed, or those lines of the system's log alone",
            )
        found.append(anchor)
    if not found:
        raise UsageError(f"{name} holds no anchor", "Make one with: innerwarden audit anchor --file FILE")
    return found


def _parse(line: str) -> Anchor | None:
    try:
        anchor = msgspec.json.decode(line[line.index("{") :].strip(), type=Anchor)
        parse_rfc3339(anchor.ts)
    except (msgspec.MsgspecError, ValueError):
        return None
    return anchor if anchor.is_whole() and anchor.seq >= 0 and _HEX.fullmatch(anchor.hash) else None

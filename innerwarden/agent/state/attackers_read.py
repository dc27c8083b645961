# SPDX-License-Identifier: Apache-2.0
"""What people see of attackers: profiles with their risk, and campaigns."""

from __future__ import annotations

from pathlib import Path

import msgspec

from innerwarden.agent.state.attackers import Profile, decayed
from innerwarden.agent.state.connection import open_read_only
from innerwarden.clock import rfc3339

MAX_ROWS = 1_000
_PROFILE = msgspec.json.Decoder(Profile)
_ROW = "SELECT address, first_ns, last_ns, campaign, profile FROM attackers"


class AttackerRow(msgspec.Struct, frozen=True, kw_only=True):
    """`risk` is 0 to 100 at the moment of the question; `contributions` are its reasons before decay."""

    address: str
    first: str
    last: str
    risk: float
    contributions: dict[str, float]
    campaign: int | None
    profile: Profile


class CampaignRow(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    first: str
    last: str
    members: int
    reason: str
    addresses: tuple[str, ...]


class AttackerReader:
    """Open one per thread. Raises StateError when the database is missing, damaged or of another version."""

    def __init__(self, path: Path) -> None:
        self._db = open_read_only(path)

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> AttackerReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def attackers(self, now_ns: int, limit: int = 100) -> list[AttackerRow]:
        """The riskiest now first."""
        rows = self._db.execute(f"{_ROW} ORDER BY rank DESC LIMIT ?", (min(limit, MAX_ROWS),))
        return [_attacker(row, now_ns) for row in rows]

    def attacker(self, address: str, now_ns: int) -> AttackerRow | None:
        for row in self._db.execute(f"{_ROW} WHERE address = ?", (address,)):
            return _attacker(row, now_ns)
        return None

    def campaigns(self, limit: int = 100) -> list[CampaignRow]:
        """The latest first, each with at most 100 of its addresses."""
        rows = self._db.execute(
            "SELECT id, first_ns, last_ns, members, reason FROM campaigns ORDER BY last_ns DESC LIMIT ?",
            (min(limit, MAX_ROWS),),
        ).fetchall()
        out = []
        for number, first, last, members, reason in msgspec.convert(
            rows, list[tuple[int, int, int, int, str]]
        ):
            addresses = self._db.execute(
                "SELECT address FROM attackers WHERE campaign = ? ORDER BY rank DESC LIMIT 100", (number,)
            )
            out.append(
                CampaignRow(
                    id=number,
                    first=rfc3339(first),
                    last=rfc3339(last),
                    members=members,
                    reason=reason,
                    addresses=tuple(str(row[0]) for row in addresses),
                )
            )
        return out


def _attacker(row: tuple[object, ...], now_ns: int) -> AttackerRow:
    address, first_ns, last_ns, campaign, blob = msgspec.convert(row, tuple[str, int, int, int | None, bytes])
    profile = _PROFILE.decode(blob)
    contributions = profile.contributions()
    return AttackerRow(
        address=address,
        first=rfc3339(first_ns),
        last=rfc3339(last_ns),
        risk=round(decayed(sum(contributions.values()), now_ns - last_ns), 1),
        contributions=contributions,
        campaign=campaign,
        profile=profile,
    )

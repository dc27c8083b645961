# SPDX-License-Identifier: Apache-2.0
"""What people see of the baseline: how much was learned of each part, and what was unusual."""

from __future__ import annotations

from pathlib import Path

import apsw
import msgspec

from innerwarden.agent.state.connection import open_read_only
from innerwarden.agent.state.usual import DAY_NS, FULL_DAY_HOURS
from innerwarden.clock import rfc3339

PARTS = ("rate", "lineage", "destination", "login")
SHOWN = 100


class PartRow(msgspec.Struct, frozen=True, kw_only=True):
    """`percent` is how much of the learning time was seen; at 100 what is unusual is told."""

    part: str
    percent: int
    reason: str
    known: int
    waiting: int
    new_last_day: int


class UnusualRow(msgspec.Struct, frozen=True, kw_only=True):
    """`told` is the id of its incident; without one it would have alerted."""

    ts: str
    part: str
    text: str
    told: str | None


class BaselineReport(msgspec.Struct, frozen=True, kw_only=True):
    learning_days: int
    full_days: int
    parts: tuple[PartRow, ...]
    unusual: tuple[UnusualRow, ...]
    """Newest first."""


class UsualReader:
    """Open one per thread. Raises StateError when the database is missing, damaged or of another version."""

    def __init__(self, path: Path) -> None:
        self._db = open_read_only(path)

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> UsualReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def report(self, learning_days: int) -> BaselineReport:
        with self._db:  # one snapshot
            days = _number(self._db, "SELECT count(*) FROM usual_days WHERE hours >= ?", FULL_DAY_HOURS)
            newest = _number(self._db, "SELECT coalesce(max(ts_ns), 0) FROM telemetry")
            parts = tuple(self._part(part, days, learning_days, newest) for part in PARTS)
            unusual = self._unusual()
        return BaselineReport(learning_days=learning_days, full_days=days, parts=parts, unusual=unusual)

    def _part(self, part: str, days: int, learning_days: int, newest_ns: int) -> PartRow:
        if part == "rate":
            known = _number(self._db, "SELECT count(DISTINCT kind) FROM usual_rates")
            waiting = new = 0
        else:
            known = _number(self._db, "SELECT count(*) FROM usual WHERE part = ?", part)
            waiting = _number(self._db, "SELECT count(*) FROM usual_waiting WHERE part = ?", part)
            new = _number(
                self._db,
                "SELECT count(*) FROM usual WHERE part = ? AND first_ns >= ?",
                part,
                newest_ns - DAY_NS,
            )
        reason = f"{min(days, learning_days)} of {learning_days} full days seen"
        if days >= learning_days:
            reason = "learned" if known else "nothing of this kind was seen, so nothing can be unusual"
        if part != "rate" and known:
            reason += f"; {new} of {known} facts new in the last day"
        return PartRow(
            part=part,
            percent=min(100, 100 * days // learning_days),
            reason=reason,
            known=known,
            waiting=waiting,
            new_last_day=new,
        )

    def _unusual(self) -> tuple[UnusualRow, ...]:
        rows = self._db.execute(
            "SELECT u.ts_ns, u.part, u.text, i.incident_id FROM unusual AS u"
            " LEFT JOIN incidents AS i ON i.id = u.incident ORDER BY u.id DESC LIMIT ?",
            (SHOWN,),
        )
        return tuple(
            UnusualRow(ts=rfc3339(int(r[0])), part=str(r[1]), text=str(r[2]), told=r[3]) for r in rows
        )


def _number(db: apsw.Connection, sql: str, *values: str | int) -> int:
    row = db.execute(sql, values).fetchone()
    return 0 if row is None else int(row[0])

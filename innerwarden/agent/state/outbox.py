# SPDX-License-Identifier: Apache-2.0
"""What people see of the outbox: channels with their numbers, and messages that wait or were given up."""

from __future__ import annotations

import apsw
import msgspec

from innerwarden.clock import NS, rfc3339
from innerwarden.model.severity import Severity

DAY_NS = 86_400 * NS
_SEVERITIES = tuple(Severity)
_COUNTERS = (
    "notices_sent", "notices_failed_attempts", "notices_dead", "notices_evicted", "notify_words_refused",
)  # fmt: skip


class ChannelRow(msgspec.Struct, frozen=True, kw_only=True):
    """`due` messages wait to be sent and `deferred` incidents for the digest, now; `sent_day` and `given_up_day` are of
    the last 24 hours; `failures` in a row."""

    channel: str
    due: int
    deferred: int
    sent_day: int
    given_up_day: int
    failures: int
    last_error: str
    last_sent: str | None


class NoticeRow(msgspec.Struct, frozen=True, kw_only=True):
    """A message that waits or was given up (`state` due or dead). Times are RFC 3339."""

    id: int
    channel: str
    kind: str
    state: str
    severity: Severity
    detector: str
    incident_id: str
    created: str
    due: str
    attempts: int
    detail: str


class Outbox(msgspec.Struct, frozen=True, kw_only=True):
    """`totals` count since the database was made."""

    channels: tuple[ChannelRow, ...]
    notices: tuple[NoticeRow, ...]
    totals: dict[str, int]


def read(db: apsw.Connection, now_ns: int, limit: int) -> Outbox:
    """One snapshot; of the messages the latest `limit`."""
    with db:
        found = Outbox(channels=_channels(db, now_ns), notices=_notices(db, limit), totals=_totals(db))
    return found


def _channels(db: apsw.Connection, now_ns: int) -> tuple[ChannelRow, ...]:
    rows = db.execute(
        "SELECT names.channel, coalesce(failures, 0), coalesce(last_error, ''), sent_ns,"
        " (SELECT count(*) FROM notices AS n WHERE n.channel = names.channel AND state = 'due'),"
        " (SELECT count(*) FROM notices AS n WHERE n.channel = names.channel AND state = 'deferred'),"
        " (SELECT count(*) FROM notices AS n WHERE n.channel = names.channel AND state = 'sent' AND ended_ns > ?1),"
        " (SELECT count(*) FROM notices AS n WHERE n.channel = names.channel AND state = 'dead' AND ended_ns > ?1)"
        " FROM (SELECT channel FROM notice_channels UNION SELECT DISTINCT channel FROM notices) AS names"
        " LEFT JOIN notice_channels USING (channel) ORDER BY names.channel",
        (now_ns - DAY_NS,),
    ).fetchall()
    return tuple(
        ChannelRow(
            channel=name,
            failures=failures,
            last_error=last_error,
            last_sent=None if sent_ns is None else rfc3339(sent_ns),
            due=due,
            deferred=deferred,
            sent_day=sent_day,
            given_up_day=given_up_day,
        )
        for name, failures, last_error, sent_ns, due, deferred, sent_day, given_up_day in msgspec.convert(
            rows, list[tuple[str, int, str, int | None, int, int, int, int]]
        )
    )


def _notices(db: apsw.Connection, limit: int) -> tuple[NoticeRow, ...]:
    rows = db.execute(
        "SELECT id, channel, kind, state, severity, detector, incident_id, created_ns, due_ns, attempts, detail"
        " FROM notices WHERE state IN ('due', 'dead') ORDER BY id DESC LIMIT ?",
        (max(0, limit),),
    ).fetchall()
    return tuple(
        NoticeRow(
            id=number,
            channel=channel,
            kind=kind,
            state=state,
            severity=_SEVERITIES[rank],
            detector=detector,
            incident_id=incident_id,
            created=rfc3339(created_ns),
            due=rfc3339(due_ns),
            attempts=attempts,
            detail=detail,
        )
        for number, channel, kind, state, rank, detector, incident_id, created_ns, due_ns, attempts, detail in (
            msgspec.convert(rows, list[tuple[int, str, str, str, int, str, str, int, int, int, str]])
        )
    )


def _totals(db: apsw.Connection) -> dict[str, int]:
    marks = ", ".join("?" * len(_COUNTERS))
    rows = db.execute(f"SELECT name, value FROM counters WHERE name IN ({marks})", _COUNTERS).fetchall()  # noqa: S608
    found = dict(msgspec.convert(rows, list[tuple[str, int]]))
    return {name: found.get(name, 0) for name in _COUNTERS}

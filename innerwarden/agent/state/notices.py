# SPDX-License-Identifier: Apache-2.0
"""Notices in state.db: the hand-over from triage, the outbox, groups, what a channel went through."""

from __future__ import annotations

from collections import Counter

import msgspec

from innerwarden.agent.state.tx import Tx
from innerwarden.clock import NS
from innerwarden.model.finding import IncidentFields
from innerwarden.model.record import Outcome
from innerwarden.model.severity import Severity
from innerwarden.model.verb import AnyVerb

HOUR_NS = 3600 * NS
CRITICAL = Severity.CRITICAL.rank
#: Rows of ended notices that stay for `notify outbox`, and rows deleted in one transaction.
ENDED_KEPT = 20_000
PRUNE_ROWS = 500
#: Longest planned wait (until the end of quiet hours); what lies further ahead was made before the clock was set back.
LONGEST_WAIT_NS = 25 * HOUR_NS
_SEVERITIES = tuple(Severity)
_FIELDS = msgspec.json.Decoder(IncidentFields)
_JSON = msgspec.json.Encoder()
_VERB: msgspec.json.Decoder[AnyVerb] = msgspec.json.Decoder(AnyVerb)


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """What triage handed over, with the incident as it is stored. `closed`: it ended, nothing else is new. `repeated`:
    it folds into one that was told."""

    intake: int
    closed: bool
    repeated: bool
    outcome: Outcome
    reason: str
    verb: AnyVerb | None
    ttl_s: int | None
    dry_run: bool
    response_id: str | None
    ts_ns: int
    severity: Severity
    detector: str
    fields: IncidentFields


class NewNotice(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the outbox. `body` is a message as JSON, for `due` ones only."""

    channel: str
    key: str
    kind: str
    state: str
    severity: Severity
    detector: str = ""
    entity: str = ""
    outcome: str = ""
    incident_id: str = ""
    due_ns: int = 0
    body: bytes | None = None


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """`ends_ns` 0: its window is over and only the cooldown is left."""

    channel: str
    detector: str
    entity: str
    began_ns: int
    ends_ns: int
    told_ns: int
    held: int
    severity: int
    summarised: bool
    incident_id: str


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of a channel; `failures` are in a row."""

    channel: str
    digest_day: str = ""
    burst_ns: int = 0
    failures: int = 0
    failed_ns: int = 0
    refused_until_ns: int = 0
    evicted: int = 0
    sent_ns: int | None = None
    last_error: str = ""


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """The next message of a channel."""

    id: int
    key: str
    severity: Severity
    attempts: int
    created_ns: int
    body: bytes


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers over incidents that were held back, each from the same rows."""

    total: int
    since_ns: int
    by_severity: dict[str, int]
    by_detector: tuple[tuple[str, int], ...]
    """The most frequent first, at most ten."""
    detectors: int
    by_outcome: dict[str, int]
    entities: int
    worst: tuple[str, ...]
    """Ids of the gravest, at most five, the latest first."""


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """A button under a proposal; `sha256` is the hex digest of what the button sends."""

    sha256: str
    channel: str
    response_id: str
    word: str
    expires_ns: int


_GROUP = ", ".join(Group.__struct_fields__)
_CHANNEL = ", ".join(Channel.__struct_fields__)


def queue(
    tx: Tx,
    incident: int,
    outcome: Outcome,
    *,
    reason: str = "",
    verb: AnyVerb | None = None,
    ttl_s: int | None = None,
    dry_run: bool = False,
    response_id: str | None = None,
) -> None:
    """Hand an incident (its row number) to the notifier, in the transaction that decided about it. It is told once;
    what was decided later replaces what was not taken yet, and a later proposal is told besides. `verb` is what is done
    or proposed, `response_id` names a proposal that waits for a word."""
    body = None if verb is None else _JSON.encode(verb)
    _hand_over(tx, (incident, "incident", outcome.value, reason, body, ttl_s, int(dry_run), response_id))


def queue_closed(tx: Tx, incident: int, outcome: Outcome, reason: str = "") -> None:
    """The incident is over: channels that keep alarms open close theirs."""
    _hand_over(tx, (incident, "closed", outcome.value, reason, None, None, 0, None))


def _hand_over(tx: Tx, row: tuple[int | str | bytes | None, ...]) -> None:
    tx.db.execute(
        "INSERT INTO notice_intake (incident, kind, outcome, reason, verb, ttl_s, dry_run, response_id)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (incident, kind) DO UPDATE SET outcome = excluded.outcome,"
        " reason = excluded.reason, verb = excluded.verb, ttl_s = excluded.ttl_s, dry_run = excluded.dry_run,"
        " response_id = excluded.response_id",
        row,
    )


def taken(tx: Tx, limit: int) -> list[Incident]:
    """The oldest handed-over incidents, removed: what comes of them belongs to the same transaction."""
    rows = tx.db.execute(
        "SELECT n.id, n.kind, n.outcome, n.reason, n.verb, n.ttl_s, n.dry_run, n.response_id,"
        " i.ts_ns, i.severity, i.detector, i.fields, t.folded_into IS NOT NULL"
        " FROM notice_intake AS n JOIN incidents AS i ON i.id = n.incident"
        " LEFT JOIN triage AS t ON t.incident = n.incident ORDER BY n.id LIMIT ?",
        (limit,),
    ).fetchall()
    if rows:
        tx.db.execute("DELETE FROM notice_intake WHERE id <= ?", (rows[-1][0],))
    return [_incident(row) for row in rows]


def _incident(row: tuple[object, ...]) -> Incident:
    (
        number,
        kind,
        outcome,
        reason,
        verb,
        ttl_s,
        dry_run,
        response_id,
        ts_ns,
        rank,
        detector,
        fields,
        folded,
    ) = msgspec.convert(
        row,
        tuple[int, str, Outcome, str, bytes | None, int | None, int, str | None, int, int, str, bytes, int],
    )
    return Incident(
        intake=number,
        closed=kind == "closed",
        repeated=bool(folded),
        outcome=outcome,
        reason=reason,
        verb=None if verb is None else _VERB.decode(verb),
        ttl_s=ttl_s,
        dry_run=bool(dry_run),
        response_id=response_id,
        ts_ns=ts_ns,
        severity=_SEVERITIES[rank],
        detector=detector,
        fields=_FIELDS.decode(fields),
    )


def drop_intake(tx: Tx) -> int:
    """Nobody is to be told."""
    tx.db.execute("DELETE FROM notice_intake")
    return tx.db.changes()


def add(tx: Tx, new: NewNotice, now_ns: int) -> bool:
    """False when this channel has that key already."""
    tx.db.execute(
        "INSERT INTO notices (channel, key, kind, state, severity, detector, entity, outcome, incident_id,"
        " created_ns, due_ns, ended_ns, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (
            new.channel,
            new.key,
            new.kind,
            new.state,
            new.severity.rank,
            new.detector,
            new.entity,
            new.outcome,
            new.incident_id,
            now_ns,
            new.due_ns,
            now_ns if new.state == "grouped" else None,
            new.body,
        ),
    )
    return bool(tx.db.changes())


def knows(tx: Tx, channel: str, key: str) -> bool:
    sql = "SELECT 1 FROM notices WHERE channel = ? AND key = ?"
    return tx.db.execute(sql, (channel, key)).fetchone() is not None


def passed_since(tx: Tx, channel: str, since_ns: int, limit: int) -> int:
    """Incidents below Critical that were told one by one, counted up to `limit`."""
    sql = (
        "SELECT count(*) FROM (SELECT 1 FROM notices WHERE channel = ? AND kind = 'incident'"
        " AND state IN ('due', 'sent', 'dead') AND created_ns > ? AND severity < ? LIMIT ?)"
    )
    return int(tx.db.execute(sql, (channel, since_ns, CRITICAL, limit)).get)


def group(tx: Tx, channel: str, detector: str, entity: str) -> Group | None:
    sql = f"SELECT {_GROUP} FROM notice_groups WHERE channel = ? AND detector = ? AND entity = ?"  # noqa: S608
    row = tx.db.execute(sql, (channel, detector, entity)).fetchone()
    return None if row is None else _group(row)


def groups_over(tx: Tx, now_ns: int, limit: int) -> list[Group]:
    """Groups whose window ended."""
    sql = f"SELECT {_GROUP} FROM notice_groups WHERE ends_ns BETWEEN 1 AND ? ORDER BY ends_ns LIMIT ?"  # noqa: S608
    return [_group(row) for row in tx.db.execute(sql, (now_ns, limit)).fetchall()]


def oldest_groups(tx: Tx, keep: int) -> list[Group]:
    """Those beyond `keep`, whose window began first."""
    sql = f"SELECT {_GROUP} FROM notice_groups ORDER BY began_ns DESC, channel LIMIT ? OFFSET ?"  # noqa: S608
    return [_group(row) for row in tx.db.execute(sql, (PRUNE_ROWS, keep)).fetchall()]


def put_group(tx: Tx, one: Group) -> None:
    marks = ", ".join("?" * len(Group.__struct_fields__))
    tx.db.execute(
        f"INSERT OR REPLACE INTO notice_groups ({_GROUP}) VALUES ({marks})",  # noqa: S608 - our own names
        msgspec.structs.astuple(one),
    )


def drop_group(tx: Tx, one: Group) -> None:
    tx.db.execute(
        "DELETE FROM notice_groups WHERE channel = ? AND detector = ? AND entity = ?",
        (one.channel, one.detector, one.entity),
    )


def forget_groups(tx: Tx, channel: str, told_before_ns: int) -> None:
    """Groups of which only a cooldown is left, and that is over."""
    tx.db.execute(
        "DELETE FROM notice_groups WHERE channel = ? AND ends_ns = 0 AND told_ns <= ?",
        (channel, told_before_ns),
    )


def _group(row: tuple[object, ...]) -> Group:
    return msgspec.convert(dict(zip(Group.__struct_fields__, row, strict=True)), Group, strict=False)


def channel(tx: Tx, name: str) -> Channel:
    sql = f"SELECT {_CHANNEL} FROM notice_channels WHERE channel = ?"  # noqa: S608 - our own names
    row = tx.db.execute(sql, (name,)).fetchone()
    if row is None:
        return Channel(channel=name)
    return msgspec.convert(dict(zip(Channel.__struct_fields__, row, strict=True)), Channel)


def put_channel(tx: Tx, one: Channel) -> None:
    marks = ", ".join("?" * len(Channel.__struct_fields__))
    tx.db.execute(
        f"INSERT OR REPLACE INTO notice_channels ({_CHANNEL}) VALUES ({marks})",  # noqa: S608 - our own names
        msgspec.structs.astuple(one),
    )


def held(tx: Tx, name: str, where: str, bound: tuple[int, ...]) -> Held:
    """Numbers over the rows of a channel that one of the two conditions below selects."""
    clause = f"channel = ? AND {where}"
    values = (name, *bound)

    def ask(sql: str, *more: int) -> list[tuple[object, ...]]:
        return list(tx.db.execute(sql.replace("WHERE _", f"WHERE {clause}"), (*values, *more)).fetchall())

    total, since_ns, entities, detectors = ask(
        "SELECT count(*), coalesce(min(created_ns), 0), count(DISTINCT entity), count(DISTINCT detector)"
        " FROM notices WHERE _"
    )[0]
    ranks = ask("SELECT severity, count(*) FROM notices WHERE _ GROUP BY severity ORDER BY severity DESC")
    outcomes = ask("SELECT outcome, count(*) FROM notices WHERE _ GROUP BY outcome ORDER BY outcome")
    top = ask(
        "SELECT detector, count(*) AS n FROM notices WHERE _ GROUP BY detector ORDER BY n DESC, detector LIMIT 10"
    )
    worst = ask("SELECT incident_id FROM notices WHERE _ ORDER BY severity DESC, id DESC LIMIT 5")
    return msgspec.convert(
        {
            "total": total,
            "since_ns": since_ns,
            "entities": entities,
            "detectors": detectors,
            "by_severity": {str(_SEVERITIES[int(str(rank))]): count for rank, count in ranks},
            "by_outcome": {str(outcome): count for outcome, count in outcomes},
            "by_detector": top,
            "worst": [row[0] for row in worst],
        },
        Held,
    )


#: Conditions for `held`: what waits for the digest (up to a row), and what was kept back since a moment.
WAITING = "state = 'deferred' AND id <= ?"
KEPT_BACK = "state IN ('grouped', 'deferred', 'told') AND created_ns > ?"


def last_id(tx: Tx) -> int:
    return int(tx.db.execute("SELECT coalesce(max(id), 0) FROM notices").get)


def kept_back_count(tx: Tx, name: str, since_ns: int) -> int:
    sql = f"SELECT count(*) FROM notices WHERE channel = ? AND {KEPT_BACK}"  # noqa: S608 - a fixed text
    return int(tx.db.execute(sql, (name, since_ns)).get)


def told(tx: Tx, name: str, up_to: int, now_ns: int) -> None:
    """The digest holds them."""
    tx.db.execute(
        f"UPDATE notices SET state = 'told', ended_ns = ? WHERE channel = ? AND {WAITING}",  # noqa: S608
        (now_ns, name, up_to),
    )


def due_channels(tx: Tx, now_ns: int) -> list[str]:
    """Channels with something that may be tried now."""
    sql = "SELECT DISTINCT channel FROM notices WHERE state = 'due' AND (due_ns <= ?1 OR due_ns > ?1 + ?2)"
    return [str(name) for (name,) in tx.db.execute(sql, (now_ns, LONGEST_WAIT_NS)).fetchall()]


def next_due(tx: Tx, name: str, now_ns: int, at_least: int) -> Due | None:
    """The gravest, of these the least tried, of these the oldest. The end of an incident waits for its begin."""
    row = tx.db.execute(
        "SELECT id, key, severity, attempts, created_ns, body FROM notices AS n"
        " WHERE channel = ?1 AND state = 'due' AND severity >= ?4 AND (due_ns <= ?2 OR due_ns > ?2 + ?3)"
        " AND (kind <> 'closed' OR NOT EXISTS (SELECT 1 FROM notices AS b WHERE b.channel = ?1"
        " AND b.key = n.incident_id AND b.state = 'due'))"
        " ORDER BY severity DESC, attempts, id LIMIT 1",
        (name, now_ns, LONGEST_WAIT_NS, at_least),
    ).fetchone()
    if row is None:
        return None
    number, key, rank, attempts, created_ns, body = row
    return Due(
        id=number, key=key, severity=_SEVERITIES[rank], attempts=attempts, created_ns=created_ns, body=body
    )


def sent(tx: Tx, number: int, now_ns: int) -> None:
    tx.db.execute(
        "UPDATE notices SET state = 'sent', attempts = attempts + 1, ended_ns = ?, detail = '', body = NULL"
        " WHERE id = ? AND state = 'due'",
        (now_ns, number),
    )
    tx.count("notices_sent", tx.db.changes())


def put_off(tx: Tx, number: int, due_ns: int, detail: str, counted: int) -> None:
    """`counted`: 1 when it was an attempt, 0 when the provider only asked to wait."""
    tx.db.execute(
        "UPDATE notices SET attempts = attempts + ?, due_ns = ?, detail = ? WHERE id = ? AND state = 'due'",
        (counted, due_ns, detail, number),
    )
    tx.count("notices_failed_attempts", tx.db.changes())


def give_up(tx: Tx, number: int, now_ns: int, detail: str) -> None:
    tx.db.execute(
        "UPDATE notices SET state = 'dead', attempts = attempts + 1, ended_ns = ?, detail = ? WHERE id = ?"
        " AND state = 'due'",
        (now_ns, detail, number),
    )
    tx.count("notices_dead", tx.db.changes())


def orphans(tx: Tx, names: tuple[str, ...], now_ns: int) -> int:
    """Give up what waits for channels that are configured no more; returns how many."""
    marks = ", ".join("?" * len(names))
    others = f"channel NOT IN ({marks})"
    tx.db.execute(
        "UPDATE notices SET state = 'dead', ended_ns = ?, detail = 'the channel is switched off or gone'"  # noqa: S608
        f" WHERE state IN ('due', 'deferred') AND {others}",
        (now_ns, *names),
    )
    gone = tx.db.changes()
    tx.count("notices_dead", gone)
    tx.db.execute(f"DELETE FROM notice_groups WHERE {others}", names)  # noqa: S608
    return gone


def evict(tx: Tx, entries: int) -> int:
    """Bound what waits: deferred ones go first, then messages; of each the least severe and oldest; never a Critical,
    and never a message that tells of several."""
    waiting = sum(
        int(tx.db.execute(f"SELECT count(*) FROM notices WHERE state = '{state}'").get)  # noqa: S608
        for state in ("due", "deferred")  # one partial index each
    )
    if waiting <= entries:
        return 0
    gone = tx.db.execute(
        "DELETE FROM notices WHERE id IN (SELECT id FROM notices WHERE state IN ('due', 'deferred')"
        " AND severity < ? AND kind IN ('incident', 'closed') ORDER BY state = 'due', severity, id LIMIT ?)"
        " RETURNING channel",
        (CRITICAL, waiting - entries),
    ).fetchall()
    for name, count in sorted(Counter(str(name) for (name,) in gone).items()):
        tx.db.execute(
            "INSERT INTO notice_channels (channel, evicted) VALUES (?1, ?2)"
            " ON CONFLICT (channel) DO UPDATE SET evicted = evicted + ?2",
            (name, count),
        )
    tx.count("notices_evicted", len(gone))
    return len(gone)


def prune(tx: Tx, before_ns: int) -> None:
    """Forget ended rows beyond ENDED_KEPT, and codes that ended before that moment."""
    tx.db.execute(
        "DELETE FROM notices WHERE id IN (SELECT id FROM notices WHERE state IN ('sent', 'dead', 'grouped', 'told')"
        " AND created_ns < ? ORDER BY id DESC LIMIT ? OFFSET ?)",
        (before_ns, PRUNE_ROWS, ENDED_KEPT),
    )
    tx.db.execute("DELETE FROM notice_codes WHERE expires_ns < ?", (before_ns,))


def add_code(tx: Tx, code: Code) -> None:
    tx.db.execute(
        "INSERT INTO notice_codes (sha256, channel, response_id, word, expires_ns) VALUES (?, ?, ?, ?, ?)",
        msgspec.structs.astuple(code),
    )


def use_code(tx: Tx, sha256: str, names: tuple[str, ...], now_ns: int) -> Code | str:
    """The code, spent with all others of the same proposal; or why it does not count. `names` are the channels
    of the chat from which it came."""
    row = tx.db.execute(
        "SELECT sha256, channel, response_id, word, expires_ns, used_ns FROM notice_codes WHERE sha256 = ?",
        (sha256,),
    ).fetchone()
    if row is None:
        return "unknown"
    *values, used_ns = row
    code = msgspec.convert(dict(zip(Code.__struct_fields__, values, strict=True)), Code)
    if code.channel not in names:
        return "of another chat"
    if used_ns is not None:
        return "used already"
    if code.expires_ns <= now_ns:
        return "expired"
    tx.db.execute(
        "UPDATE notice_codes SET used_ns = ? WHERE response_id = ? AND used_ns IS NULL",
        (now_ns, code.response_id),
    )
    return code

# SPDX-License-Identifier: Apache-2.0
"""Responses in state.db: what should be in effect, for how long, and who wanted it."""

from __future__ import annotations

from typing import Literal

import msgspec

from innerwarden.agent.state import record
from innerwarden.agent.state.tx import Tx
from innerwarden.clock import NS
from innerwarden.model.record import Answered, Decided, Requested, Undone
from innerwarden.model.responder import Answer, Live
from innerwarden.model.verb import AnyVerb

_JSON = msgspec.json.Encoder()
_VERB: msgspec.json.Decoder[AnyVerb] = msgspec.json.Decoder(AnyVerb)

#: Rows of one state that are handed out at a time.
BATCH = 200
#: How often a response that fails is asked for.
ATTEMPTS = 5
#: Refusals that may not hold a minute later.
_PASSING = ("owned", "journal", "facts")


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A response that was decided. `proposed`: it waits for the operator's word."""

    decided: Decided
    verb: AnyVerb
    ttl_s: int
    incident: int | None = None
    """Row of the incident."""
    proposed: bool = False


def intend(tx: Tx, order: Order) -> str | None:
    """Record the decision and store the response with it; returns its id, or None when the same effect is
    already owned by a live response (the decision is recorded all the same)."""
    seq = record.append(tx, order.decided)
    response_id = f"r{seq}"
    tx.db.execute(
        "INSERT INTO responses (response_id, key, verb, incident, by, reason, state, created_ns, ttl_s)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (
            response_id,
            order.verb.key(),
            _JSON.encode(order.verb),
            order.incident,
            order.decided.by,
            order.decided.reason,
            "proposed" if order.proposed else "intended",
            tx.now_ns,
            order.ttl_s,
        ),
    )
    return response_id if tx.db.changes() else None


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """A row as it is worked on. `attempts`: one when the responder is first asked, one more each time it fails."""

    response_id: str
    verb: AnyVerb
    by: str
    state: str
    created_ns: int
    ttl_s: int
    expires_ns: int | None
    attempts: int
    detail: str

    @property
    def end_ns(self) -> int:
        """Wall time after which it is pointless."""
        return self.expires_ns if self.expires_ns is not None else self.created_ns + self.ttl_s * NS

    @property
    def request_id(self) -> str:
        """What the responder knows it by: another one in another database, however alike the numbers."""
        return f"{self.response_id}-{self.created_ns:x}"


_COLUMNS = ", ".join(Response.__struct_fields__)


def _rows(tx: Tx, where: str, *values: str | int) -> list[Response]:
    sql = f"SELECT {_COLUMNS} FROM responses WHERE {where}"  # noqa: S608 - our own text
    found = []
    for row in tx.db.execute(sql, values):
        named = dict(zip(Response.__struct_fields__, row, strict=True))
        found.append(msgspec.convert({**named, "verb": _VERB.decode(named["verb"])}, Response))
    return found


def _one(tx: Tx, response_id: str) -> Response | None:
    return next(iter(_rows(tx, "response_id = ?", response_id)), None)


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What waits for the responder, oldest first, BATCH of each; `due` is active and past its end."""

    undoing: tuple[Response, ...]
    due: tuple[Response, ...]
    intended: tuple[Response, ...]

    def __bool__(self) -> bool:
        return bool(self.undoing or self.due or self.intended)


class Waiting(msgspec.Struct, frozen=True):
    """Operation: what there is to do."""

    durable: bool = False

    def apply(self, tx: Tx) -> Work:
        return Work(
            undoing=tuple(_rows(tx, "state = 'undoing' ORDER BY id LIMIT ?", BATCH)),
            due=tuple(
                _rows(tx, "state = 'active' AND expires_ns <= ? ORDER BY id LIMIT ?", tx.now_ns, BATCH)
            ),
            intended=tuple(_rows(tx, "state = 'intended' ORDER BY id LIMIT ?", BATCH)),
        )


class InEffect(msgspec.Struct, frozen=True):
    """Operation: all that should be in effect."""

    durable: bool = False

    def apply(self, tx: Tx) -> list[Response]:
        return _rows(tx, "state = 'active' ORDER BY id")


class StatesOf(msgspec.Struct, frozen=True):
    """Operation: request id -> state, for those that this database has."""

    request_ids: tuple[str, ...]
    durable: bool = False

    def apply(self, tx: Tx) -> dict[str, str]:
        found = {}
        for request_id in self.request_ids:
            row = _one(tx, request_id.partition("-")[0])
            if row is not None and row.request_id == request_id:
                found[request_id] = row.state
        return found


def request(tx: Tx, response_id: str, *, dry_run: bool) -> None:
    """Record that the responder is about to be asked, in the transaction that ordered it: one wait for the disk less.
    `Ask` then finds that it is written down."""
    row = _one(tx, response_id)
    if row is not None:
        _request(tx, row, dry_run)


def _request(tx: Tx, row: Response, dry_run: bool) -> None:
    record.append(
        tx,
        Requested(response_id=row.response_id, verb=row.verb, ttl_s=row.ttl_s, by=row.by, dry_run=dry_run),
    )
    tx.db.execute("UPDATE responses SET attempts = 1 WHERE response_id = ?", (row.response_id,))


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """Operation: record that the responder is about to be asked. False: somebody changed the response meanwhile,
    and it must not be asked."""

    response_id: str
    dry_run: bool
    durable: bool = True

    def apply(self, tx: Tx) -> bool:
        row = _one(tx, self.response_id)
        if row is None or row.state != "intended":
            return False
        if row.attempts == 0:
            _request(tx, row, self.dry_run)
        return True


Next = Literal["settled", "again", "undo"]


class Settle(msgspec.Struct, frozen=True, kw_only=True):
    """Operation: what the responder answered. Returns `again` when it is to be asked once more, `undo` when the
    operator changed his mind while it was asked and the effect is there."""

    response_id: str
    answer: Answer
    durable: bool = True

    def apply(self, tx: Tx) -> Next:
        row = _one(tx, self.response_id)
        if row is None:
            return "undo" if self.answer.state == "active" else "settled"
        state, detail = self._state(row)
        record.append(tx, Answered(response_id=row.response_id, state=self.answer.state, detail=detail))
        if row.state == "denied" and state != "done":
            return "undo" if self.answer.state in ("active", "undoing") else "settled"
        if row.state not in ("intended", "denied"):
            return "settled"
        again = state == "intended"
        tx.db.execute(
            "UPDATE responses SET state = ?, expires_ns = coalesce(?, expires_ns), verified_ns = ?, detail = ?,"
            " attempts = attempts + ? WHERE response_id = ?",
            (state, self.answer.expires_ns, self.answer.verified_ns, detail, again, row.response_id),
        )
        return "again" if again else "settled"

    def _state(self, row: Response) -> tuple[str, str]:
        """The row's next state, and what to say with it."""
        answer = self.answer
        detail = f"{answer.rule}: {answer.detail}" if answer.rule else answer.detail
        if answer.state in ("failed", "undoing") or answer.rule in _PASSING:
            return ("intended" if row.attempts < ATTEMPTS else "failed"), detail
        if answer.state == "dry_run":
            return "dry_run", "\n".join(answer.plan)
        if answer.state in ("undone", "lost", "unknown"):
            return "undone", answer.why or answer.state
        return answer.state, detail


class GiveUp(msgspec.Struct, frozen=True, kw_only=True):
    """Operation: it will not be asked for: nothing is in effect."""

    response_id: str
    state: Literal["refused", "failed"]
    detail: str
    durable: bool = True

    def apply(self, tx: Tx) -> None:
        tx.db.execute(
            "UPDATE responses SET state = ?, detail = ? WHERE response_id = ? AND state = 'intended'",
            (self.state, self.detail, self.response_id),
        )
        if tx.db.changes():
            record.append(tx, Answered(response_id=self.response_id, state=self.state, detail=self.detail))


class Retract(msgspec.Struct, frozen=True, kw_only=True):
    """Operation: it was asked for, and is not wanted any more: undo what may be there."""

    response_id: str
    why: str
    durable: bool = True

    def apply(self, tx: Tx) -> None:
        tx.db.execute(
            "UPDATE responses SET state = 'undoing', detail = ? WHERE response_id = ? AND state = 'intended'",
            (self.why, self.response_id),
        )


class End(msgspec.Struct, frozen=True, kw_only=True):
    """Operation: its effect is over; written down once. `orphan`: one that this database does not have, or does not
    want."""

    response_id: str
    why: str
    state: Literal["undone", "done"] = "undone"
    detail: str = ""
    orphan: bool = False
    durable: bool = True

    def apply(self, tx: Tx) -> None:
        tx.db.execute(
            "UPDATE responses SET state = ?, detail = ?"
            " WHERE response_id = ? AND state IN ('active', 'undoing')",
            (self.state, self.detail or self.why, self.response_id),
        )
        if tx.db.changes() or self.orphan:
            entry = Undone(response_id=self.response_id, state=self.state, why=self.why, detail=self.detail)
            record.append(tx, entry)


class Renew(msgspec.Struct, frozen=True, kw_only=True):
    """Operation: the responder lost what should be in effect; it is asked for again, until the end that was set."""

    response_id: str
    durable: bool = True

    def apply(self, tx: Tx) -> None:
        tx.db.execute(
            "UPDATE responses SET state = 'intended', attempts = 0 WHERE response_id = ? AND state = 'active'",
            (self.response_id,),
        )
        if tx.db.changes():
            record.append(tx, Answered(response_id=self.response_id, state="lost", detail="asked for again"))


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """Operation: until when effects last and when they were last seen, as the responder says."""

    live: tuple[tuple[str, Live], ...]
    """(response id, its effect)."""
    durable: bool = False

    def apply(self, tx: Tx) -> None:
        tx.db.executemany(
            "UPDATE responses SET expires_ns = ?, verified_ns = coalesce(?, verified_ns)"
            " WHERE response_id = ? AND state = 'active'",
            [(one.expires_ns, one.verified_ns, response_id) for response_id, one in self.live],
        )


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """Operation: why these still wait."""

    response_ids: tuple[str, ...]
    detail: str
    durable: bool = False

    def apply(self, tx: Tx) -> None:
        tx.db.executemany(
            "UPDATE responses SET detail = ? WHERE response_id = ? AND state = 'intended'",
            [(self.detail, response_id) for response_id in self.response_ids],
        )

# SPDX-License-Identifier: Apache-2.0
"""Operations behind what a person tells the agent; each leaves an entry in the record, whatever comes of it."""

from __future__ import annotations

import apsw
import msgspec

from innerwarden.agent.state import record, responses
from innerwarden.agent.state.tx import Tx
from innerwarden.model.command import Answer
from innerwarden.model.record import Decided, Operated, Outcome
from innerwarden.model.verb import BlockAddress, RateLimitAddress


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    """`who` is `operator:<user>`; `what` is the command's id."""

    who: str
    what: str
    reason: str = ""
    durable: bool = True

    def note(self, tx: Tx, subject: str) -> None:
        record.append(tx, Operated(who=self.who, what=self.what, subject=subject, reason=self.reason))


class MoveResponse(_Told, frozen=True, kw_only=True):
    """Bring one response from one state into another."""

    response_id: str
    before: str
    after: str
    said: str

    def apply(self, tx: Tx) -> Answer:
        row = tx.db.execute("SELECT state, key FROM responses WHERE response_id = ?", (self.response_id,))
        found = row.fetchone()
        if found is None:
            return Answer(done=False, text=f"there is no response {self.response_id}")
        state, key = found
        if state != self.before:
            return Answer(done=False, text=f"{self.response_id} is {state}, not {self.before}")
        try:
            with tx.savepoint():
                tx.db.execute(
                    "UPDATE responses SET state = ?, detail = ? WHERE response_id = ?",
                    (self.after, self.who, self.response_id),
                )
        except apsw.ConstraintError:
            return Answer(done=False, text=f"another response already does {key}")
        self.note(tx, self.response_id)
        return Answer(done=True, text=f"{self.response_id} {self.said}", response_ids=(self.response_id,))


class BlockByHand(_Told, frozen=True, kw_only=True):
    verb: BlockAddress
    ttl_s: int

    def apply(self, tx: Tx) -> Answer:
        decided = Decided(
            incident_id="",
            outcome=Outcome.ACT,
            by=self.who,
            reason=self.reason or "blocked by hand",
            verb=self.verb,
            ttl_s=self.ttl_s,
        )
        response_id = responses.intend(tx, responses.Order(decided=decided, verb=self.verb, ttl_s=self.ttl_s))
        self.note(tx, self.verb.address)
        if response_id is None:
            return Answer(done=False, text=f"{self.verb.address} is blocked already")
        text = f"{self.verb.address} will be blocked for {self.ttl_s} s"
        return Answer(done=True, text=text, response_ids=(response_id,))


class UnblockByHand(_Told, frozen=True, kw_only=True):
    address: str

    def apply(self, tx: Tx) -> Answer:
        keys = (BlockAddress(address=self.address).key(), RateLimitAddress(address=self.address).key())
        rows = tx.db.execute(
            "UPDATE responses SET state = CASE state WHEN 'active' THEN 'undoing' ELSE 'denied' END, detail = ?"
            " WHERE key IN (?, ?) AND state IN ('active', 'intended', 'proposed') RETURNING response_id",
            (self.who, *keys),
        ).fetchall()
        self.note(tx, self.address)
        if not rows:
            return Answer(done=False, text=f"nothing keeps {self.address} out")
        found = tuple(str(row[0]) for row in rows)
        return Answer(done=True, text=f"{self.address} will be let in again", response_ids=found)


class SetStatus(_Told, frozen=True, kw_only=True):
    """Close or reopen an incident."""

    incident_id: str
    status: str

    def apply(self, tx: Tx) -> Answer:
        tx.db.execute(
            "UPDATE incidents SET status = ? WHERE incident_id = ?", (self.status, self.incident_id)
        )
        if not tx.db.changes():
            return Answer(done=False, text=f"there is no incident {self.incident_id}")
        self.note(tx, self.incident_id)
        return Answer(done=True, text=f"{self.incident_id} is {self.status}")

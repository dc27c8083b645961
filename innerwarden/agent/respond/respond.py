# SPDX-License-Identifier: Apache-2.0
"""Responses from `intended` to their end.

Each step is written down before the responder is asked and after it answered, and the responder makes one effect of one
request id, so that a step may be repeated after a crash anywhere.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable
from typing import Literal

from innerwarden.agent.respond.client import PROBLEM, Away, Client
from innerwarden.agent.state.checks import SaveCheck
from innerwarden.agent.state.responses import (
    Ask,
    End,
    GiveUp,
    InEffect,
    Note,
    Renew,
    Response,
    Retract,
    Seen,
    Settle,
    StatesOf,
    Waiting,
)
from innerwarden.agent.state.rows import CheckRow
from innerwarden.agent.state.writer import Writer
from innerwarden.clock import NS, boot_to_realtime_ns, realtime_ns
from innerwarden.config import Config
from innerwarden.log import safe
from innerwarden.model.entity import EntityType
from innerwarden.model.responder import Answer, Check, Do, Hello, Live, Undo, Welcome

logger = logging.getLogger(__name__)

RECONCILE_S = 60.0
#: Pauses after a failure, of one response or of the whole connection: doubled from the first to the last.
FIRST_PAUSE_S, LAST_PAUSE_S = 1.0, 60.0
#: Request ids that an agent makes; whatever else the responder holds is somebody else's.
_OURS = re.compile(r"r[0-9]+-[0-9a-f]+")


class Pauses:
    """When to try what again; forgotten once it worked."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._until: dict[str, tuple[float, float]] = {}

    def ready(self, key: str) -> bool:
        return self._monotonic() >= self._until.get(key, (0.0, 0.0))[0]

    def failed(self, key: str) -> None:
        _until, pause_s = self._until.get(key, (0.0, FIRST_PAUSE_S))
        self._until[key] = (self._monotonic() + pause_s, min(2 * pause_s, LAST_PAUSE_S))

    def worked(self, key: str) -> None:
        self._until.pop(key, None)


class Respond:
    """`step` belongs to one thread. `problem` says why the responder cannot be asked: empty while it can, None before
    it was asked."""

    def __init__(
        self, writer: Writer, config: Config, client: Client, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._writer = writer
        self._config = config.responder
        self._client = client
        self._monotonic = monotonic
        self._pauses = Pauses(monotonic)
        self._reconcile_at = 0.0
        self.problem: str | None = None

    def step(self) -> bool:
        """One look at what waits, and all that can be done about it now; True when something changed.

        Raises StateError.
        """
        work = self._writer.run(Waiting())
        wanted = [row for row in work.intended if not self._give_up(row)]
        done = len(work.intended) - len(wanted)
        if not self._pauses.ready("responder"):
            return bool(done)
        try:
            done += self._reconcile_in_time()
            done += sum(self._undo(row) for row in work.undoing)
            done += sum(self._look_after(row) for row in work.due)
            done += sum(self._do(row) for row in wanted)
        except Away as away:
            self._say_away(away, wanted)
            return bool(done)
        self._say_back()
        return bool(done)

    def _give_up(self, row: Response) -> bool:
        """Where it may not or cannot be done: nothing is asked for, and what may be there already is taken back."""
        state, why = self._hopeless(row)
        if state is None:
            return False
        if row.attempts:
            self._writer.run(Retract(response_id=row.response_id, why=why))
        else:
            self._writer.run(GiveUp(response_id=row.response_id, state=state, detail=why))
        return True

    def _hopeless(self, row: Response) -> tuple[Literal["refused", "failed"] | None, str]:
        if self._config.enabled is not True:
            return "refused", "responder.enabled is off"
        if realtime_ns() > row.end_ns:
            return "failed", "the responder could not be asked in time"
        if row.verb.target().type is EntityType.PROCESS and row.created_ns < boot_to_realtime_ns():
            return "failed", "the machine was restarted since"  # that pid is somebody else's
        return None, ""

    def _do(self, row: Response) -> bool:
        if not self._pauses.ready(row.response_id):
            return False
        dry_run = self._config.dry_run is not False
        if not self._writer.run(Ask(response_id=row.response_id, dry_run=dry_run)):
            return True
        left_s = -(-(row.end_ns - realtime_ns()) // NS) if row.expires_ns is not None else row.ttl_s
        answer = self._client.answer(
            Do(request_id=row.request_id, verb=row.verb, ttl_s=left_s, plan_only=dry_run)
        )
        following = self._writer.run(Settle(response_id=row.response_id, answer=answer))
        logger.info(
            "response id=%s key=%s state=%s detail=%s",
            row.response_id,
            safe(row.verb.key()),
            answer.state,
            safe(answer.rule or answer.detail),
        )
        if following == "undo" and not self._end(row.request_id, row.response_id, "operator", orphan=True):
            self._reconcile_at = 0.0
        if following == "again":
            self._pauses.failed(row.response_id)
            return False
        self._pauses.worked(row.response_id)
        return True

    def _undo(self, row: Response) -> bool:
        if not self._pauses.ready(row.response_id):
            return False
        by_hand = row.detail.startswith("operator:")
        why, detail = (row.detail, "") if by_hand else ("failed", row.detail)
        if not self._end(row.request_id, row.response_id, why, detail):
            self._pauses.failed(row.response_id)
            return False
        self._pauses.worked(row.response_id)
        return True

    def _end(
        self, request_id: str, response_id: str, why: str, detail: str = "", *, orphan: bool = False
    ) -> bool:
        """Undo it at the responder and write that down; False when it is still there."""
        answer = self._client.answer(Undo(request_id=request_id, why=why[:200]))
        if answer.state in ("active", "undoing", "refused") or answer.rule == PROBLEM:
            said = safe(answer.detail)
            logger.warning("undo waits request=%s state=%s detail=%s", request_id, answer.state, said)
            return False
        self._writer.run(_ended(response_id, answer, why, detail, orphan=orphan))
        logger.info("response ended id=%s why=%s", response_id, safe(why))
        return True

    def _look_after(self, row: Response) -> bool:
        """Past its end: the responder has ended it by itself, or will in a moment."""
        if not self._pauses.ready(row.response_id):
            return False
        answer = self._client.answer(Check(request_id=row.request_id))
        if answer.state in ("active", "undoing") or answer.rule == PROBLEM:
            self._pauses.failed(row.response_id)
            return False
        self._writer.run(_ended(row.response_id, answer, "expired" if answer.state == "unknown" else "lost"))
        self._pauses.worked(row.response_id)
        return True

    def _reconcile_in_time(self) -> int:
        """At the start and each RECONCILE_S. An agent that never acts never asks."""
        now = self._monotonic()
        if now < self._reconcile_at:
            return 0
        rows = self._writer.run(InEffect())
        count = self._reconcile(rows) if rows or self._config.enabled is True else 0
        self._reconcile_at = now + RECONCILE_S
        return count

    def _reconcile(self, rows: list[Response]) -> int:
        live = {one.request_id: one for one in self._client.live() if _OURS.fullmatch(one.request_id)}
        count = 0
        seen = []
        for row in rows:
            if row.request_id in live:
                seen.append((row.response_id, live[row.request_id]))
            else:
                count += self._missing(row)
        self._writer.run(Seen(live=tuple(seen)))
        return count + self._orphans(live)

    def _missing(self, row: Response) -> bool:
        """Active here, and not in effect there."""
        answer = self._client.answer(Check(request_id=row.request_id))
        if answer.state in ("active", "undoing") or answer.rule == PROBLEM:
            return False
        if answer.state == "unknown" and (row.expires_ns or 0) > realtime_ns():
            logger.warning("the responder lost a response, it is asked for again id=%s", row.response_id)
            self._writer.run(Renew(response_id=row.response_id))
        else:
            self._writer.run(_ended(row.response_id, answer, "lost"))
        return True

    def _orphans(self, live: dict[str, Live]) -> int:
        """In effect there, and nobody here wants it."""
        states = self._writer.run(StatesOf(tuple(live)))
        count = 0
        for request_id in live:
            if states.get(request_id) not in ("intended", "active", "undoing"):
                logger.warning("an effect that nobody wants is undone request=%s", request_id)
                known = request_id in states
                name = request_id.partition("-")[0] if known else request_id
                count += self._end(request_id, name, "operator" if known else "lost", orphan=True)
        return count

    def _say_away(self, away: Away, waiting: Iterable[Response]) -> None:
        self._pauses.failed("responder")
        if away.problem != self.problem:
            logger.error("%s. %s", away.problem, away.remedy)
            self._show(away.problem)
        rows = tuple(row.response_id for row in waiting if row.detail != away.problem)
        if rows:
            self._writer.run(Note(response_ids=rows, detail=away.problem))

    def _say_back(self) -> None:
        self._pauses.worked("responder")
        if self.problem:
            logger.warning("the responder answers again")
        if self.problem is None or self.problem:
            self._show("", self._ways())

    def _ways(self) -> str:
        """By what it blocks, and why by that."""
        if self._config.enabled is not True:
            return ""
        try:
            reply = self._client.ask(Hello())
        except Away:
            return ""  # the next step says so
        ways = reply.ways if isinstance(reply, Welcome) else {}
        return "; ".join(
            safe(f"{verb} by {way.name}: {way.why}" if way.name else f"{verb}: {way.problem}")
            for verb, way in ways.items()
        )

    def _show(self, problem: str, detail: str = "") -> None:
        """For `innerwarden status`."""
        told = problem or detail
        row = CheckRow(name="responder", ok=not problem, ts_ns=realtime_ns(), took_ms=0.0, detail=told)
        if self._config.enabled:  # otherwise nobody misses it
            self._writer.run(SaveCheck(row=row, durable=False))
        self.problem = problem


def _ended(response_id: str, answer: Answer, why: str, detail: str = "", *, orphan: bool = False) -> End:
    """What the responder says of it goes before what is supposed here."""
    return End(
        response_id=response_id,
        state="done" if answer.state == "done" else "undone",
        why=answer.why or why,
        detail=detail or answer.detail,
        orphan=orphan,
    )

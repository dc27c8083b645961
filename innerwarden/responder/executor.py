# SPDX-License-Identifier: Apache-2.0
"""What becomes of a request: every condition under which something may be done, in one order, then the effect."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Protocol

import msgspec

from innerwarden import __version__
from innerwarden.config import ResponderConfig
from innerwarden.log import safe
from innerwarden.model.responder import (
    MAX_DETAIL,
    MAX_TTL_S,
    MIN_TTL_S,
    PAGE,
    Answer,
    AnyReply,
    AnyRequest,
    Check,
    Clear,
    Cleared,
    Do,
    Hello,
    List,
    Listing,
    Live,
    Problem,
    Undo,
    Way,
    Welcome,
)
from innerwarden.model.verb import AnyVerb
from innerwarden.responder.effects import Effects, said
from innerwarden.responder.journal import Entry, Journal, JournalError
from innerwarden.responder.moments import Begin, Clock
from innerwarden.responder.skill import Refusal, Skills, TargetGone

logger = logging.getLogger(__name__)

PLAN_LINES, PLAN_CHARS = 50, 1000
#: Rule of a refusal that says nothing of the target: routes, sessions or trust entries could not be read.
NO_FACTS = "facts"


class Verdict(Protocol):
    """What the judge says; `innerwarden.safety` has the type."""

    @property
    def allowed(self) -> bool: ...
    @property
    def rule(self) -> str: ...
    @property
    def reason(self) -> str: ...


Judge = Callable[[AnyVerb], Verdict]
#: Looks at the host now, and returns who judges by what was seen. One look serves one request, or one sweep.
Facts = Callable[[], Judge]


class Refused(Exception):
    """A condition that is not met; `rule` is its name."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(reason)
        self.rule = rule


class Executor:
    """`config` is the responder's own: no request can change what it grants. One thread calls it."""

    def __init__(self, config: ResponderConfig, effects: Effects, facts: Facts, at: Clock) -> None:
        self._config = config
        self._effects = effects
        self._journal: Journal = effects.journal
        self._skills: Skills = effects.skills
        self._facts = facts
        self._at = at

    @property
    def enabled(self) -> bool:
        return self._config.enabled is True

    @property
    def armed(self) -> bool:
        """Both switches."""
        return self.enabled and self._config.dry_run is False

    def answer(self, request: AnyRequest, uid: int) -> AnyReply:
        """`uid` is whom the kernel says is asking."""
        match request:
            case Do():
                return self._answer_do(request, uid)
            case Undo():
                return self._undo(request, uid)
            case Check():
                return self._check(request)
            case List():
                return self._list(request)
            case Clear():
                return self.clear() if uid == 0 else Problem(detail="only root may clear")
            case Hello():
                return self._welcome()

    def judge(self) -> Judge:
        """With facts of now. Raises Refused when there are none."""
        try:
            return self._facts()
        except Exception as error:  # the border of the judge: no facts, no action
            raise Refused(NO_FACTS, said(error)) from error

    def permit(self, verb: AnyVerb, judge: Judge | None = None) -> None:
        """Raises Refused unless this verb may be done to this target now, whatever the switches say. `judge`: one
        whose facts are of now."""
        if verb.id not in self._config.verbs:
            raise Refused("responder.verbs", f"{verb.id} is not in responder.verbs")
        if verb.id not in self._skills:
            raise Refused("no_skill", f"this version cannot do {verb.id}")
        try:
            verb.target()
        except ValueError as error:
            raise Refused("target", f"not a target: {error}") from error
        judge = judge or self.judge()
        try:
            verdict = judge(verb)
        except Exception as error:  # the border of the judge
            raise Refused(NO_FACTS, said(error)) from error
        if not verdict.allowed:
            raise Refused(verdict.rule, verdict.reason)

    def _answer_do(self, request: Do, uid: int) -> Answer:
        try:
            answer = self._do(request, uid)
        except Refused as refused:
            answer = _refusal(request.request_id, refused.rule, str(refused))
        except Refusal as refused:
            answer = _refusal(request.request_id, refused.rule, refused.problem)
        except TargetGone as gone:
            answer = _refusal(request.request_id, "target_gone", gone.problem)
        except JournalError as error:
            answer = _refusal(request.request_id, "journal", error.problem)
        logger.info(
            "do request=%s key=%s uid=%d state=%s rule=%s detail=%s",
            request.request_id,
            safe(repr(request.verb)),
            uid,
            answer.state,
            answer.rule,
            safe(answer.detail),
        )
        return answer

    def _do(self, request: Do, uid: int) -> Answer:
        earlier = self._journal.get(request.request_id)
        if earlier is not None:
            if earlier.verb != request.verb:
                raise Refused("request_id", f"{request.request_id} was another request")
            if earlier.state != "failed":
                return self.told(earlier)
        if not self.enabled:
            raise Refused("responder.enabled", "responder.enabled is off")
        self.permit(request.verb)
        self._unowned(request)
        ttl_s = min(max(request.ttl_s, MIN_TTL_S), MAX_TTL_S)
        if not self.armed or request.plan_only:
            return self._planned(request, ttl_s)
        begun = self._journal.begun_last_hour()
        if begun >= self._config.hourly_cap:
            raise Refused("responder.hourly_cap", f"{begun} actions began in the last hour")
        now = Begin.now(self._at)
        entry = Entry(
            number=self._journal.next_number(),
            request_id=request.request_id,
            verb=request.verb,
            ttl_s=ttl_s,
            uid=uid,
            asked=now,
            since=now,
            state="doing",
        )
        return self.told(self._effects.begin(entry))

    def _unowned(self, request: Do) -> None:
        key = request.verb.key()
        for entry in self._journal.live():
            if entry.verb.key() == key and entry.request_id != request.request_id:
                raise Refused("owned", f"{entry.request_id} holds this effect")

    def _planned(self, request: Do, ttl_s: int) -> Answer:
        try:
            lines = self._skills[request.verb.id].plan(request.verb, ttl_s)
        except (Refusal, TargetGone):
            raise
        except Exception as error:  # the border of a skill
            return Answer(request_id=request.request_id, state="failed", detail=said(error)[:MAX_DETAIL])
        plan = tuple(line[:PLAN_CHARS] for line in islice(lines, PLAN_LINES))
        return Answer(request_id=request.request_id, state="dry_run", plan=plan, ttl_s=ttl_s)

    def _undo(self, request: Undo, uid: int) -> Answer:
        entry = self._journal.get(request.request_id)
        if entry is None:
            return Answer(request_id=request.request_id, state="unknown")
        if entry.live:
            try:
                # Unlike an expiry this is news: after a restart without it the effect would come back.
                self._journal.write(msgspec.structs.replace(entry, state="undoing", why=request.why))
            except JournalError as error:
                return _refusal(request.request_id, "journal", error.problem)
            entry = self._effects.end(entry, request.why)
            logger.info(
                "undo request=%s uid=%d why=%s state=%s",
                entry.request_id,
                uid,
                safe(request.why),
                entry.state,
            )
        return self.told(entry)

    def _check(self, request: Check) -> Answer:
        entry = self._journal.get(request.request_id)
        if entry is None:
            return Answer(request_id=request.request_id, state="unknown")
        problem = self._effects.look(entry) if entry.state == "active" else None
        return self.told(entry, problem or "")

    def _list(self, request: List) -> Listing:
        rest = [entry for entry in self._journal.live() if entry.number > request.after]
        live = tuple(
            Live(
                number=entry.number,
                request_id=entry.request_id,
                verb=entry.verb,
                state="undoing" if entry.state == "undoing" else "active",
                expires_ns=self._expires_ns(entry),
                verified_ns=self._effects.verified_ns(entry),
                detail=entry.detail,
            )
            for entry in rest[:PAGE]
        )
        return Listing(live=live, more=len(rest) > PAGE)

    def clear(self) -> Cleared:
        """Undo all that is in effect, then let every skill remove what it made."""
        problems = []
        undone = 0
        for entry in self._journal.live():
            ended = self._effects.end(entry, "cleared")
            undone += not ended.live
            if ended.live:
                problems.append(f"{entry.request_id} {entry.verb.key()}: {ended.detail}")
        for name, skill in self._skills.items():
            try:
                for found in skill.present() or ():
                    self._effects.remove(found, "orphan")
                skill.clear()
            except Exception as error:  # the border of a skill
                problems.append(f"{name}: {said(error)}")
        return Cleared(undone_count=undone, problems=tuple(p[:PLAN_CHARS] for p in problems[:PLAN_LINES]))

    def _welcome(self) -> Welcome:
        verbs = tuple(sorted(set(self._config.verbs) & set(self._skills)))
        return Welcome(
            version=__version__,
            pid=os.getpid(),
            enabled=self._config.enabled,
            dry_run=self._config.dry_run,
            verbs=verbs,
            live_count=len(self._journal.live()),
            problem=self._journal.problem,
            ways=self._ways(verbs),
        )

    def _ways(self, verbs: Sequence[str]) -> dict[str, Way]:
        """Who rules the host is only asked, which takes programs of its own, where something may be done at all."""
        if not self._config.enabled:
            return {}
        return {verb: way for verb in verbs if (way := self._way(verb)) is not None}

    def _way(self, verb: str) -> Way | None:
        try:
            return self._skills[verb].way()
        except Exception as error:  # the border of a skill
            return Way(problem=said(error))

    def told(self, entry: Entry, problem: str = "") -> Answer:
        """An entry as an answer; `doing` can only be one that was interrupted and waits for its repair."""
        return Answer(
            request_id=entry.request_id,
            state="active" if entry.state == "doing" else entry.state,
            detail=(problem or entry.detail)[:MAX_DETAIL],
            why=entry.why,
            ttl_s=entry.ttl_s,
            expires_ns=self._expires_ns(entry) if entry.live else None,
            verified_ns=self._effects.verified_ns(entry),
        )

    def _expires_ns(self, entry: Entry) -> int:
        return self._at.wall() + entry.since.left_ns(entry.ttl_s, self._at)


def _refusal(request_id: str, rule: str, reason: str) -> Answer:
    return Answer(request_id=request_id, state="refused", rule=rule, detail=reason[:MAX_DETAIL])

# SPDX-License-Identifier: Apache-2.0
"""Effects and their entries in step: journaled before, done, looked at, journaled after. Nothing here judges."""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from innerwarden.clock import NS
from innerwarden.errors import InnerWardenError
from innerwarden.log import safe
from innerwarden.model.responder import MAX_DETAIL
from innerwarden.responder.journal import Entry, EntryState, Journal, JournalError
from innerwarden.responder.moments import Begin, Clock
from innerwarden.responder.skill import Effect, Found, Refusal, Skill, SkillError, Skills, TargetGone

logger = logging.getLogger(__name__)

#: Pauses between attempts to undo: doubled from the first to the last, for as long as the effect is there.
FIRST_PAUSE_S, LAST_PAUSE_S = 2, 300


class Effects:
    """What is in effect. One thread calls it."""

    def __init__(self, journal: Journal, skills: Skills, at: Clock) -> None:
        self.journal = journal
        self.skills = skills
        self._at = at
        self._verified: dict[str, int] = {}
        self._retry: dict[str, tuple[int, int]] = {}
        """request id -> (boot time of the next attempt, pause after it in s)."""

    def begin(self, entry: Entry) -> Entry:
        """Journal it, do it, see whether it is there; on any failure it is undone and the entry says `failed`.

        Raises JournalError before anything was done, and what the skill raised of TargetGone and Refusal.
        """
        self.journal.write(entry)
        return self._do(entry)

    def finish(self, entry: Entry) -> Entry:
        """What was interrupted: as `begin`, with every outcome in the entry."""
        try:
            return self._do(entry)
        except InnerWardenError:
            return self.journal.get(entry.request_id) or entry

    def again(self, entry: Entry) -> Entry:
        """Bring back what the journal says is in effect. Where that fails for now the entry stays as it is."""
        try:
            return self._bring(entry)
        except (TargetGone, Refusal) as error:
            return self.end(
                entry, "gone" if isinstance(error, TargetGone) else f"refused:{error.rule}", said(error)
            )
        except Exception as error:  # the border of a skill
            detail = said(error)
            logger.error("was not brought back request=%s key=%s error=%s", *names(entry), safe(detail))
            current = self.journal.get(entry.request_id) or entry
            self.journal.remember(msgspec.structs.replace(current, detail=detail[:MAX_DETAIL]))
            return current

    def _do(self, entry: Entry) -> Entry:
        try:
            return self._bring(entry)
        except Exception as error:  # the border of a skill: whatever it was, it is undone
            return self._failed(self.journal.get(entry.request_id) or entry, error)

    def _bring(self, entry: Entry) -> Entry:
        skill = self._skill(entry)
        current = entry

        def keep(handle: str) -> None:
            nonlocal current
            if handle != current.handle:
                current = msgspec.structs.replace(current, handle=handle)
                self.journal.write(current)

        skill.do(self.effect(current), keep)
        problem = skill.check(self.effect(current)) if skill.lasting else None
        if problem is not None:
            raise SkillError(f"it was done and is not in effect: {problem}")
        self._retry.pop(entry.request_id, None)
        if not skill.lasting:
            return self._settle(current, "done", why="done")
        self.seen(current)
        return self._settle(current, "active")

    def _failed(self, entry: Entry, error: Exception) -> Entry:
        detail = said(error)
        if not isinstance(error, InnerWardenError):
            logger.exception("skill raised what it may not verb=%s", entry.verb.id, exc_info=error)
        logger.error("action failed request=%s key=%s error=%s", *names(entry), safe(detail))
        ended = self.end(entry, "failed", detail)
        if isinstance(error, TargetGone | Refusal | JournalError):
            raise error
        return ended

    def end(self, entry: Entry, why: str, detail: str = "") -> Entry:
        """Undo it; where that fails the entry stays `undoing` and `wait_ns` says when to try again.

        The undo itself is done even where the journal cannot be written: when the effect ends stood there at its start.
        """
        entry = self._settle(entry, "undoing", why=why, detail=detail)
        try:
            skill = self._skill(entry)
            skill.undo(self.effect(entry))
        except Exception as error:  # the border of a skill
            return self._later(entry, error)
        self._retry.pop(entry.request_id, None)
        self._verified.pop(entry.request_id, None)
        return self._settle(entry, "failed" if why == "failed" else "undone", why=why, detail=detail)

    def lose(self, entry: Entry, why: str) -> Entry:
        """It ended without us."""
        self._retry.pop(entry.request_id, None)
        self._verified.pop(entry.request_id, None)
        return self._settle(entry, "lost", why=why)

    def _later(self, entry: Entry, error: Exception) -> Entry:
        _due, pause_s = self._retry.get(entry.request_id, (0, FIRST_PAUSE_S))
        self._retry[entry.request_id] = (self._at.boot() + pause_s * NS, min(2 * pause_s, LAST_PAUSE_S))
        logger.error(
            "undo failed and is tried again request=%s key=%s in_s=%d error=%s",
            *names(entry),
            pause_s,
            safe(said(error)),
        )
        entry = msgspec.structs.replace(entry, detail=said(error)[:MAX_DETAIL])
        self.journal.remember(entry)
        return entry

    def remove(self, found: Found, request_id: str) -> None:
        """Undo what carries our mark and is in no entry. Raises what the skill raises."""
        effect: Effect[Any] = Effect(request_id=request_id, verb=found.verb, ttl_s=1, handle=found.handle)
        self.skills[found.verb.id].undo(effect)

    def rebase(self, entry: Entry) -> Entry:
        """After a reboot: what is left counts from now, by a clock that nobody can set back."""
        left_s = -(-entry.since.left_ns(entry.ttl_s, self._at) // NS)
        entry = msgspec.structs.replace(entry, since=Begin.now(self._at), ttl_s=left_s)
        self._write(entry)
        return entry

    def look(self, entry: Entry) -> str | None:
        """What is wrong with an active effect, None when it is there."""
        try:
            problem = self._skill(entry).check(self.effect(entry))
        except Exception as error:  # the border of a skill
            return said(error)
        if problem is None:
            self.seen(entry)
        return problem

    def seen(self, entry: Entry) -> None:
        self._verified[entry.request_id] = self._at.wall()

    def verified_ns(self, entry: Entry) -> int | None:
        """Wall time at which it was last seen in effect, by this process."""
        return self._verified.get(entry.request_id)

    def wait_ns(self, entry: Entry) -> int:
        """Until something must be done about a live entry: its end, or the next attempt to undo it. At most 0: now."""
        if entry.state == "undoing":
            return self._retry.get(entry.request_id, (0, 0))[0] - self._at.boot()
        return entry.since.left_ns(entry.ttl_s, self._at)

    def effect(self, entry: Entry) -> Effect[Any]:
        left_s = -(-entry.since.left_ns(entry.ttl_s, self._at) // NS)
        return Effect(request_id=entry.request_id, verb=entry.verb, ttl_s=max(1, left_s), handle=entry.handle)

    def _skill(self, entry: Entry) -> Skill[Any]:
        skill = self.skills.get(entry.verb.id)
        if skill is None:
            raise SkillError(f"no skill for {entry.verb.id} in this version", "Install the one that did it")
        return skill

    def _settle(self, entry: Entry, state: EntryState, *, why: str = "", detail: str = "") -> Entry:
        """Journal what has happened. A journal that cannot be written does not unhappen it: it is remembered here, and
        what stands on the disk (`doing`, `active`) leads to the same end after a restart."""
        live = state in ("active", "undoing")
        entry = msgspec.structs.replace(
            entry,
            state=state,
            why=why,
            detail=detail[:MAX_DETAIL],
            ended=None if live else Begin.now(self._at),
        )
        self._write(entry)
        return entry

    def _write(self, entry: Entry) -> None:
        try:
            self.journal.write(entry)
        except JournalError as error:
            logger.error("journal is behind request=%s error=%s", entry.request_id, error.problem)
            self.journal.remember(entry)


def said(error: Exception) -> str:
    return str(error) if isinstance(error, InnerWardenError) else f"{type(error).__name__}: {error}"


def names(entry: Entry) -> tuple[str, str]:
    """Request and effect, for a log line."""
    return entry.request_id, safe(entry.verb.key())

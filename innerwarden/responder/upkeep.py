# SPDX-License-Identifier: Apache-2.0
"""What the responder does without being asked: end what is over, repair what vanished, remove what nobody owns."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from innerwarden.clock import NS
from innerwarden.log import safe
from innerwarden.responder.effects import Effects, names, said
from innerwarden.responder.executor import NO_FACTS, Executor, Refused
from innerwarden.responder.journal import Entry
from innerwarden.responder.moments import Clock
from innerwarden.responder.skill import Found, Skill

logger = logging.getLogger(__name__)

#: How long something that others removed (`nft flush ruleset`) may stay away.
SWEEP_S = 15
#: The same where nothing is in effect, and only orphans could be found.
ORPHANS_S = 300


class Upkeep:
    """Call `start` once before the first request, then `step` whenever `wait_s` is over."""

    def __init__(self, executor: Executor, effects: Effects, at: Clock) -> None:
        self._executor = executor
        self._effects = effects
        self._at = at
        self._sweep_ns = self._orphans_ns = 0

    def start(self) -> None:
        """After a crash, a restart or a reboot: what the journal says becomes true, or is ended."""
        self._take_up(self._effects.journal.live())
        self._expire()
        self._sweep()

    def step(self) -> None:
        self._expire()
        if self._at.boot() >= self._sweep_ns:
            self._sweep()

    def wait_s(self) -> float:
        """Until `step` has something to do."""
        waits = [self._effects.wait_ns(entry) for entry in self._effects.journal.live()]
        return max(0.0, min([self._sweep_ns - self._at.boot(), *waits]) / NS)

    def _expire(self) -> None:
        for entry in self._effects.journal.live():
            if self._effects.wait_ns(entry) <= 0:
                why = entry.why if entry.state == "undoing" else "expired"
                ended = self._effects.end(entry, why, entry.detail if why == "failed" else "")
                logger.info("ended request=%s key=%s why=%s state=%s", *names(ended), why, ended.state)

    def _take_up(self, entries: list[Entry]) -> None:
        """Entries as the last process left them: judged again, and what was interrupted is finished."""
        kept = [after for entry in entries if (after := self._carried_over(entry)) is not None]
        for entry in self._allowed(kept):
            if entry.state == "doing":
                after = self._effects.finish(entry)
                logger.warning(
                    "finished what was interrupted request=%s key=%s state=%s", *names(after), after.state
                )

    def _carried_over(self, entry: Entry) -> Entry | None:
        """As it counts from now; None for what is over, is being undone (`_expire` goes on with these), or cannot be
        taken up."""
        skill = self._effects.skills.get(entry.verb.id)
        if skill is None or entry.state == "undoing" or entry.since.left_ns(entry.ttl_s, self._at) == 0:
            return None
        if entry.since.boot_id != self._at.boot_id:
            if skill.one_boot:
                self._effects.lose(entry, "restarted")
                return None
            entry = self._effects.rebase(entry)
        if entry.state == "doing" and not self._executor.armed:
            self._effects.end(entry, "interrupted")
            return None
        return entry

    def _no_longer(self, entry: Entry, refused: Refused) -> None:
        """A target that is protected by now is let go. Without facts nothing new is done, and nothing let go."""
        logger.warning("not allowed now request=%s key=%s rule=%s", *names(entry), refused.rule)
        if refused.rule != NO_FACTS:
            self._effects.end(entry, f"refused:{refused.rule}", str(refused))

    def _sweep(self) -> None:
        """Compare what should be there with what is. Without both switches nothing is brought back."""
        self._sweep_ns = self._at.boot() + SWEEP_S * NS
        self._take_up([entry for entry in self._effects.journal.live() if entry.state == "doing"])
        active = [entry for entry in self._effects.journal.live() if entry.state == "active"]
        idle = self._at.boot() < self._orphans_ns
        if not idle:
            self._orphans_ns = self._at.boot() + ORPHANS_S * NS
        for name, skill in self._effects.skills.items():
            mine = [entry for entry in active if entry.verb.id == name]
            if not mine and (idle or not self._executor.enabled):
                continue
            try:
                found = skill.present()
            except Exception as error:  # the border of a skill
                logger.error("cannot look what is in effect verb=%s error=%s", name, safe(said(error)))
                continue
            if found is not None:
                self._orphans(found)
            self._compare(skill, mine, found)

    def _compare(self, skill: Skill[Any], mine: list[Entry], found: Sequence[Found] | None) -> None:
        """`found` is what the system shows, None where one has to look at each."""
        shown = None if found is None else {one.verb.key(): one.problem for one in found}
        missing: list[tuple[Entry, str]] = []
        for entry in mine:
            key = entry.verb.key()
            if shown is not None and shown.get(key) == "":
                self._effects.seen(entry)
            elif self._effects.wait_ns(entry) > 0:
                problem = self._effects.look(entry) if shown is None else shown.get(key, "it is not there")
                missing += [(entry, problem)] if problem else []
        if missing:
            self._gone(skill, missing)

    def _orphans(self, found: Sequence[Found]) -> None:
        """Ours by its mark and in no entry: from before a journal that was lost."""
        owned = {entry.verb.key() for entry in self._effects.journal.live()}
        for one in found:
            if (
                one.verb.key() in owned or not self._executor.enabled
            ):  # switched off, it leaves alone what it finds
                continue
            try:
                self._effects.remove(one, "orphan")
            except Exception as error:  # the border of a skill
                logger.error("orphan stays key=%s error=%s", safe(one.verb.key()), safe(said(error)))
            else:
                logger.warning("orphan removed key=%s", safe(one.verb.key()))

    def _gone(self, skill: Skill[Any], missing: list[tuple[Entry, str]]) -> None:
        """Bring back what may still be done, all at once where the skill can, else one by one."""
        for entry, problem in missing:
            logger.warning("not in effect request=%s key=%s problem=%s", *names(entry), safe(problem))
        entries = [entry for entry, _problem in missing]
        if not self._executor.armed:
            for entry in entries:
                self._effects.lose(entry, "removed")
            return
        allowed = self._allowed(entries)
        if len(allowed) > 1:
            try:
                skill.restore([self._effects.effect(entry) for entry in allowed])
            except Exception as error:  # the border of a skill
                logger.error("cannot bring back %d at once error=%s", len(allowed), safe(said(error)))
        shown = skill.present() or () if len(allowed) > 1 else ()
        back = {one.verb.key() for one in shown if not one.problem}
        for entry in allowed:
            if entry.verb.key() in back:
                self._effects.seen(entry)
                continue
            after = self._effects.again(entry)
            logger.warning("brought back request=%s key=%s state=%s", *names(after), after.state)

    def _allowed(self, entries: list[Entry]) -> list[Entry]:
        """Those whose targets may still be acted on, by one look at the host; the others are let go."""
        found: list[Entry] = []
        if not entries:
            return found
        try:
            judge = self._executor.judge()
        except Refused as refused:
            logger.warning(
                "nothing is brought back for now rule=%s reason=%s", refused.rule, safe(str(refused))
            )
            return []
        for entry in entries:
            try:
                self._executor.permit(entry.verb, judge)
                found.append(entry)
            except Refused as refused:
                self._no_longer(entry, refused)
        return found

# SPDX-License-Identifier: Apache-2.0
"""What the responder does without being asked: end what is over, repair what vanished, remove what nobody owns."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from innerwarden.clock import NS
from innerwarden.log import safe
from innerwarden.responder.effects import Effects, names, said
from innerwarden.responder.executor import NO_FACTS, Executor, Refused
from innerwarden.responder.journal import Entry
from innerwarden.responder.moments import Clock
from innerwarden.responder.skill import Found

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
        for entry in self._effects.journal.live():
            self._take_up(entry)
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

    def _take_up(self, entry: Entry) -> None:
        """An entry as the last process left it. One that is over, or being undone, is left to `_expire`."""
        skill = self._effects.skills.get(entry.verb.id)
        if skill is None or entry.state == "undoing" or entry.since.left_ns(entry.ttl_s, self._at) == 0:
            return
        if entry.since.boot_id != self._at.boot_id:
            if skill.one_boot:
                self._effects.lose(entry, "restarted")
                return
            entry = self._effects.rebase(entry)
        try:
            self._executor.permit(entry.verb)
        except Refused as refused:
            self._no_longer(entry, refused)
            return
        if entry.state == "doing":
            if self._executor.armed:
                after = self._effects.finish(entry)
                logger.warning(
                    "finished what was interrupted request=%s key=%s state=%s", *names(after), after.state
                )
            else:
                self._effects.end(entry, "interrupted")

    def _no_longer(self, entry: Entry, refused: Refused) -> None:
        """A target that is protected by now is let go. Without facts nothing new is done, and nothing let go."""
        logger.warning("not allowed now request=%s key=%s rule=%s", *names(entry), refused.rule)
        if refused.rule != NO_FACTS:
            self._effects.end(entry, f"refused:{refused.rule}", str(refused))

    def _sweep(self) -> None:
        """Compare what should be there with what is. Without both switches nothing is brought back."""
        self._sweep_ns = self._at.boot() + SWEEP_S * NS
        for entry in self._effects.journal.live():
            if entry.state == "doing":
                self._take_up(entry)
        active = [entry for entry in self._effects.journal.live() if entry.state == "active"]
        idle = self._at.boot() < self._orphans_ns
        if not idle:
            self._orphans_ns = self._at.boot() + ORPHANS_S * NS
        for name, skill in self._effects.skills.items():
            mine = [entry for entry in active if entry.verb.id == name]
            if idle and not mine:
                continue
            try:
                found = skill.present()
            except Exception as error:  # the border of a skill
                logger.error("cannot look what is in effect verb=%s error=%s", name, safe(said(error)))
                continue
            if found is not None:
                self._orphans(found)
            keys = None if found is None else {one.verb.key() for one in found}
            for entry in mine:
                if keys is not None and entry.verb.key() in keys:
                    self._effects.seen(entry)
                elif self._effects.wait_ns(entry) > 0 and (problem := self._effects.look(entry)):
                    self._gone(entry, problem)

    def _orphans(self, found: Sequence[Found]) -> None:
        """Ours by its mark and in no entry: from before a journal that was lost."""
        owned = {entry.verb.key() for entry in self._effects.journal.live()}
        for one in found:
            if one.verb.key() in owned or not self._executor.enabled:
                continue
            try:
                self._effects.remove(one, "orphan")
            except Exception as error:  # the border of a skill
                logger.error("orphan stays key=%s error=%s", safe(one.verb.key()), safe(said(error)))
            else:
                logger.warning("orphan removed key=%s", safe(one.verb.key()))

    def _gone(self, entry: Entry, problem: str) -> None:
        logger.warning("not in effect request=%s key=%s problem=%s", *names(entry), safe(problem))
        if not self._executor.armed:
            self._effects.lose(entry, "removed")
            return
        try:
            self._executor.permit(entry.verb)
        except Refused as refused:
            self._no_longer(entry, refused)
            return
        after = self._effects.again(entry)
        logger.warning("brought back request=%s key=%s state=%s", *names(after), after.state)

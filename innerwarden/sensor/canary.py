# SPDX-License-Identifier: Apache-2.0
"""The sensor's proof of its own sight: a harmless action per hook, every period, counted all the way.

A hook that does not answer is asked once more, attached anew, and asked again. Where it is silent still, those that
stand in for it take over until the next start and are asked at once. Then there is a finding, within seconds of the
round that missed it. What the child does is judged by no rule: the engine leaves out its process, held unreaped so that
its pid is no other's, and those born of it, from its start until its last record is drained.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from innerwarden_core import Engine

from innerwarden.canary.runner import (
    FAILED,
    UNCONFIRMED,
    WORKING,
    Counts,
    Outcome,
    Verdict,
    judge,
    numbers_for,
)
from innerwarden.clock import realtime_ns, rfc3339
from innerwarden.config import CanaryConfig
from innerwarden.model.finding import Finding
from innerwarden.model.health import HookHealth
from innerwarden.sensor import blind
from innerwarden.sensor.canary_child import CanaryChild
from innerwarden.sensor.loader import KernelSource

logger = logging.getLogger(__name__)

FIRST_AFTER_S = 2.0
RETRY_AFTER_S = 5.0
#: Rounds in a row that told nothing, after which that itself is a finding.
MAX_FAILURES = 3
DEAD = "dead"
NO_ACTION = Verdict(UNCONFIRMED, "no harmless action causes it")

ROUTINE, CONFIRM, REPAIRED, FALLBACK = "routine", "confirm", "repaired", "fallback"


class Round(msgspec.Struct, frozen=True):
    """One child at work for these hooks, and what was counted before it; `unseen`: hook -> see KernelSource."""

    stage: str
    hooks: tuple[str, ...]
    child: CanaryChild
    counts: Counts
    unseen: dict[str, int]


class Failing(msgspec.Struct, frozen=True):
    """A hook under repair, as it was: what was wrong, why attaching anew failed ("" when it did not), how it answered
    afterwards, and which hooks stand in for it since."""

    hook: HookHealth
    reason: str
    refused: str
    verdict: Verdict = NO_ACTION
    stand_ins: tuple[str, ...] = ()


class Canary:
    """One round at a time; the sensor's loop calls `step` after every drain."""

    def __init__(
        self, config: CanaryConfig, kernel: KernelSource, engine: Engine, directory: Path, host: str
    ) -> None:
        """`directory` is the child's own: made and removed by it."""
        self._config = config
        self._kernel = kernel
        self._engine = engine
        self._directory = directory
        self._host = host
        self._round: Round | None = None
        self._next_s: float | None = None
        self._failures = 0
        self.rounds: int | None = 0 if config.enabled else None
        self._hooks = {hook.name: _unasked(hook) for hook in kernel.hooks}
        self._proven: set[str] = set()
        self._failing: dict[str, Failing] = {}

    def step(self, now_s: float) -> list[Finding]:
        """Start a round that is due, or conclude one whose records are all drained. Never waits."""
        if self._next_s is None:
            self._next_s = now_s + FIRST_AFTER_S
        if self._round is None:
            if self._kernel.disturbed:
                self._kernel.disturbed = False
                self._next_s = now_s
            if not self._config.enabled or now_s < self._next_s:
                return []
            self._next_s = now_s + self._config.period_s
            watched = [hook.name for hook in self._hooks.values() if hook.state in ("attached", DEAD)]
            return self._begin(ROUTINE, watched, now_s)
        if not self._round.child.ended:
            self._round.child.watch(now_s)
            return []
        if self._engine.behind:
            return []
        return self._conclude(self._round, now_s)

    @property
    def is_at_work(self) -> bool:
        """Is a round under way, whose end is waited for?"""
        return self._round is not None

    def hasten(self) -> None:
        """The next round is due now."""
        self._next_s = 0.0

    def health(self) -> list[HookHealth]:
        """Every hook with what it delivered so far and what the last round said of it."""
        fired = self._kernel.fired()
        return [msgspec.structs.replace(hook, fires=fired[hook.name]) for hook in self._hooks.values()]

    def close(self) -> None:
        """End a child that is still at work; its round is forgotten."""
        if self._round is not None:
            self._round.child.close()
            self._engine.exempt(0)
            self._round = None

    def _counts(self) -> Counts:
        return Counts(self._kernel.fired(), self._engine.stats()["records"])

    def _begin(self, stage: str, hooks: list[str], now_s: float) -> list[Finding]:
        counts, unseen = self._counts(), self._kernel.unseen()
        self._kernel.show_canary(True)
        try:
            child = CanaryChild(self._directory, numbers_for(hooks), now_s)
        except OSError as error:
            self._kernel.show_canary(False)
            return self._failed(f"it could not be started: {error.strerror or error}", now_s)
        self._engine.exempt(child.pid, child.start_ns)
        self._round = Round(stage, tuple(hooks), child, counts, unseen)
        return []

    def _conclude(self, done: Round, now_s: float) -> list[Finding]:
        self._round = None
        self._engine.exempt(0)
        self._kernel.show_canary(False)
        outcomes, problem = done.child.reap()
        if outcomes is None:
            return self._failed(problem, now_s)
        self._failures = 0
        verdicts = self._verdicts(done, outcomes)
        missed = [name for name, verdict in verdicts.items() if verdict.state == FAILED]
        self._note(verdicts)
        if done.stage == ROUTINE:
            self.rounds = (self.rounds or 0) + 1
            fresh = [name for name in missed if self._hooks[name].state != DEAD]
            return self._begin(CONFIRM, fresh, now_s) if fresh else []
        if done.stage == CONFIRM:
            self._failing = {
                name: Failing(self._hooks[name], verdicts[name].reason, self._kernel.reattach(name))
                for name in missed
            }
            return self._begin(REPAIRED, missed, now_s) if missed else []
        if done.stage == REPAIRED:
            stand_ins = self._fall_back(verdicts)
            return self._begin(FALLBACK, stand_ins, now_s) if stand_ins else self._report()
        return self._report()

    def _verdicts(self, done: Round, outcomes: Iterable[Outcome]) -> dict[str, Verdict]:
        """What the actions showed; and of every hook, those too that no action reaches, whether it was undone."""
        found = judge(outcomes, done.counts, self._counts())
        undone = self._kernel.broken(done.hooks)
        unseen = self._kernel.unseen()
        verdicts = {}
        for name in done.hooks:
            shown = found.get(name, NO_ACTION)
            if name in undone:
                shown = Verdict(FAILED, undone[name])
            elif shown.state == FAILED and unseen[name] > done.unseen[name]:
                shown = Verdict(UNCONFIRMED, "records of this kind were lost meanwhile")
            verdicts[name] = shown
        return verdicts

    def _note(self, verdicts: Mapping[str, Verdict]) -> None:
        """Keep what the round said; a dead hook that answers again lives."""
        ts = rfc3339(realtime_ns())
        for name, verdict in verdicts.items():
            changes: dict[str, Any] = {"canary": verdict.state, "canary_reason": verdict.reason}
            if verdict.state in (WORKING, FAILED):
                changes["canary_ts"] = ts
            if verdict.state == WORKING:
                self._proven.add(name)
            if verdict.state == WORKING or verdict is NO_ACTION:
                changes["state"] = "attached"
            self._hooks[name] = msgspec.structs.replace(self._hooks[name], **changes)

    def _fall_back(self, verdicts: Mapping[str, Verdict]) -> list[str]:
        """Let others stand in for the hooks that stay silent, all at once; returns whom to ask about it."""
        for name, verdict in verdicts.items():
            failing = self._failing[name]
            changed = self._kernel.fall_back(name, failing.reason) if verdict.state == FAILED else ()
            if verdict.state == FAILED and not changed:
                self._hooks[name] = msgspec.structs.replace(self._hooks[name], state=DEAD)
            for hook in changed:
                known = self._hooks.get(hook.name)
                if known is None or (known.state, hook.state) != ("attached", "attached"):
                    self._hooks[hook.name] = _unasked(hook)
            stand_ins = tuple(hook.name for hook in changed if hook.state == "attached")
            self._failing[name] = msgspec.structs.replace(failing, verdict=verdict, stand_ins=stand_ins)
        return list(dict.fromkeys(one for failing in self._failing.values() for one in failing.stand_ins))

    def _report(self) -> list[Finding]:
        """The hooks that did not answer twice, each with what attaching it anew did, and who stands in for it."""
        failing, self._failing = self._failing, {}
        deaths = [self._death(one) for one in failing.values()]
        for name in {name for death in deaths for name in death.silent}:
            self._hooks[name] = msgspec.structs.replace(self._hooks[name], state=DEAD)
        return [blind.finding(self._host, deaths, realtime_ns())]

    def _death(self, failing: Failing) -> blind.Death:
        name, verdict, now = failing.hook.name, failing.verdict, self._hooks
        repair = f"could not be attached anew: {failing.refused}" if failing.refused else _after(verdict)
        logger.error("hook did not answer hook=%s reason=%s repair=%s", name, failing.reason, repair)
        return blind.Death(
            hook=failing.hook,
            reason=failing.reason,
            repair=repair,
            is_back=verdict.state == WORKING or verdict is NO_ACTION,
            was_proven=name in self._proven,
            stand_ins=failing.stand_ins,
            silent=tuple(one for one in failing.stand_ins if now[one].canary == FAILED),
            unproven=tuple(one for one in failing.stand_ins if now[one].canary == UNCONFIRMED),
        )

    def _failed(self, problem: str, now_s: float) -> list[Finding]:
        """A round that told nothing: nothing is claimed; the third in a row is told, once."""
        logger.warning("canary did not run problem=%s", problem)
        self._failures += 1
        self._next_s = now_s + RETRY_AFTER_S
        unconfirmed = Verdict(UNCONFIRMED, f"the canary did not run: {problem}")
        self._note({name: unconfirmed for name, hook in self._hooks.items() if hook.state == "attached"})
        # What was taken out is not asked again, so this is the one time to tell of it.
        told = self._report() if any(one.stand_ins for one in self._failing.values()) else []
        if self._failures == MAX_FAILURES:
            told.append(blind.unproven(self._host, problem, realtime_ns()))
        return told


def _unasked(hook: HookHealth) -> HookHealth:
    return hook if hook.state == "attached" else msgspec.structs.replace(hook, canary="absent")


def _after(verdict: Verdict) -> str:
    if verdict.state == WORKING:
        return "attached anew, answers again"
    return f"attached anew: {verdict.reason}"

# SPDX-License-Identifier: Apache-2.0
"""Doing the harmless actions, and what the counters say about the hooks afterwards."""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from innerwarden.canary.triggers import TRIGGERS, Trigger

WORKING, FAILED, UNCONFIRMED, ABSENT = "working", "failed", "unconfirmed", "absent"
NEEDS_ROOT = "only root can cause it"
NO_CALL = "this kernel was built without the call, so nobody can make it"


class Outcome(NamedTuple):
    """One trigger after it was pulled; `reason` says why its action was not done, empty when it was."""

    hooks: tuple[str, ...]
    kind: str
    reason: str = ""


class Counts(NamedTuple):
    """Hook -> records that it delivered; dotted kind -> records that the engine took. Totals since some start."""

    fired: Mapping[str, int]
    received: Mapping[str, int]


class Verdict(NamedTuple):
    state: str
    reason: str = ""


def numbers_for(hooks: Collection[str]) -> list[int]:
    """Places in TRIGGERS of those that concern any of the hooks."""
    return [number for number, trigger in enumerate(TRIGGERS) if set(trigger.hooks) & set(hooks)]


def pull(triggers: Sequence[Trigger], directory: Path, *, root: bool) -> list[Outcome]:
    """Do each action once, in a directory of its own below `directory`."""
    outcomes = []
    for number, trigger in enumerate(triggers):
        reason = NEEDS_ROOT if trigger.root and not root else ""
        if not reason:
            place = directory / str(number)
            try:
                place.mkdir()
                trigger.action(place)
            except OSError as error:
                failed = f"our own action failed: {error.strerror or error}"
                reason = NO_CALL if error.errno == errno.ENOSYS else failed
        outcomes.append(Outcome(trigger.hooks, trigger.kind, reason))
    return outcomes


def judge(outcomes: Iterable[Outcome], before: Counts, after: Counts) -> dict[str, Verdict]:
    """A hook works when it delivered a record after its action and the engine took one of each kind.

    Records of other programs count as well, and prove the same: that the hook delivers.
    """
    of_hook: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        for hook in outcome.hooks:
            of_hook.setdefault(hook, []).append(outcome)
    return {hook: _judge(hook, mine, before, after) for hook, mine in of_hook.items()}


def _judge(hook: str, outcomes: list[Outcome], before: Counts, after: Counts) -> Verdict:
    done = [one for one in outcomes if not one.reason]
    if not done:
        return Verdict(ABSENT if outcomes[0].reason == NO_CALL else UNCONFIRMED, outcomes[0].reason)
    kinds = ", ".join(dict.fromkeys(one.kind for one in done))
    if after.fired.get(hook, 0) <= before.fired.get(hook, 0):
        return Verdict(FAILED, f"our own action caused no {kinds} record")
    missing = [
        one.kind for one in done if after.received.get(one.kind, 0) <= before.received.get(one.kind, 0)
    ]
    if missing:
        return Verdict(FAILED, f"our own action's {', '.join(missing)} record did not reach the engine")
    if len(done) < len(outcomes):
        undone = next(one for one in outcomes if one.reason)
        return Verdict(
            WORKING, f"our own action arrived ({kinds}; not tried: {undone.kind}, {undone.reason})"
        )
    return Verdict(WORKING, f"our own action arrived ({kinds})")

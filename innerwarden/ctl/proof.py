# SPDX-License-Identifier: Apache-2.0
"""Telling the hooks of one kind apart, when all that can be read is how many records of the kind arrived.

Hook number i of a kind gets its action done `base * 2**i` times. The rise of the kind's counter, divided by
`base`, is then a binary number whose bits say which hooks work. Fewer than `base` records of other programs
cannot change it; what they caused is the remainder, and when that comes near `base`, nothing is claimed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from innerwarden.canary.triggers import TRIGGERS, Trigger

#: Seconds between the two reports that are compared, at most.
WINDOW_S = 7.0
MARGIN = 3.0
MAX_ACTIONS = 6000
#: Least `base`: strays of other programs that are tolerated, twice. Actions that fork cost more.
LEAST = 16
LEAST_FORKING = 4
FORKING = frozenset({"credential.change", "process.fd_redirect"})

SEEN, MISSED, UNTOLD = "seen", "missed", "untold"


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One trigger and how often it is to be done; 0 times with the reason why not."""

    trigger: Trigger
    times: int
    reason: str = ""


def plan(hooks: Sequence[str], rates: Mapping[str, float], *, root: bool) -> list[Step]:
    """Steps for the triggers whose hooks are all attached; `rates` are what other programs cause a second."""
    attached = set(hooks)
    steps: list[Step] = []
    kinds: dict[str, list[Trigger]] = {}
    for trigger in TRIGGERS:
        if not set(trigger.hooks) <= attached:
            continue
        if trigger.root and not root:
            steps.append(
                Step(trigger=trigger, times=0, reason="only root can cause it; run doctor with sudo")
            )
            continue
        kinds.setdefault(trigger.kind, []).append(trigger)
    for kind, triggers in kinds.items():
        if len(triggers) == 1:
            steps.append(Step(trigger=triggers[0], times=1))
            continue
        least = LEAST_FORKING if kind in FORKING else LEAST
        base = least + math.ceil(MARGIN * WINDOW_S * rates.get(kind, 0.0))
        if base * (2 ** len(triggers) - 1) > MAX_ACTIONS:
            reason = f"other programs cause so many {kind} events that ours cannot be told apart"
            steps += [Step(trigger=trigger, times=0, reason=reason) for trigger in triggers]
            continue
        steps += [Step(trigger=trigger, times=base << n) for n, trigger in enumerate(triggers)]
    return steps


def pull(steps: Sequence[Step], directory: Path) -> list[Step]:
    """Do the actions; a step whose action fails comes back with 0 times and the reason."""
    done = []
    for number, step in enumerate(steps):
        place = directory / str(number)
        place.mkdir()
        times = 0
        reason = step.reason
        try:
            for _ in range(step.times):
                step.trigger.action(place)
                times += 1
        except OSError as error:
            reason = f"our own action failed: {error.strerror or error}"
        done.append(Step(trigger=step.trigger, times=times, reason=reason))
    return done


def expected(steps: Sequence[Step]) -> dict[str, int]:
    """Records per kind that a sensor with every hook working counts, at least."""
    sums: dict[str, int] = {}
    for step in steps:
        sums[step.trigger.kind] = sums.get(step.trigger.kind, 0) + step.times
    return {kind: n for kind, n in sums.items() if n}


def judge(steps: Sequence[Step], risen: Mapping[str, int]) -> list[tuple[Step, str]]:
    """Each step with seen, missed, or untold (not done, or drowned in the records of others)."""
    verdicts: list[tuple[Step, str]] = []
    for kind in dict.fromkeys(step.trigger.kind for step in steps):
        mine = [step for step in steps if step.trigger.kind == kind]
        done = [step for step in mine if step.times]
        rest = risen.get(kind, 0)
        base = min((step.times for step in done), default=1)
        found: dict[int, str] = {}
        for step in sorted(done, key=lambda one: -one.times):
            seen = rest >= step.times
            rest -= step.times if seen else 0
            found[id(step)] = SEEN if seen else MISSED
        if len(done) > 1 and rest * 2 >= base:  # the remainder is what others caused
            found = dict.fromkeys(found, UNTOLD)
        verdicts += [(step, found.get(id(step), UNTOLD)) for step in mine]
    return verdicts

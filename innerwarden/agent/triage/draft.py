# SPDX-License-Identifier: Apache-2.0
"""What the gates hand to each other, and what comes out."""

from __future__ import annotations

import msgspec

from innerwarden.agent.triage.confidence import Contribution
from innerwarden.model.record import Outcome
from innerwarden.model.verb import AnyVerb


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """Something that could be done. `auto`: the operator's rule says that nobody need be asked."""

    by: str
    verb: AnyVerb
    ttl_s: int
    reason: str
    auto: bool = False


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a decision. Once `settled`, no later gate is asked; the guard always is."""

    outcome: Outcome | None = None
    by: str = ""
    reasons: tuple[str, ...] = ()
    contributions: tuple[Contribution, ...] = ()
    actions: tuple[Action, ...] = ()
    playbooks: tuple[str, ...] = ()
    """Playbooks that apply; their first steps are among the actions."""
    shadowed: tuple[Action, ...] = ()
    """What playbooks in shadow mode would do; it is only written down."""
    folded_into: str | None = None
    held: bool = False
    """A gate found a reason why nothing may be done without asking."""
    settled: bool = False

    def because(self, *reasons: str) -> Draft:
        return msgspec.structs.replace(self, reasons=(*self.reasons, *reasons))

    def settle(self, outcome: Outcome, by: str, reason: str) -> Draft:
        return msgspec.structs.replace(
            self, outcome=outcome, by=by, reasons=(*self.reasons, reason), settled=True
        )

    def count(self, *contributions: Contribution) -> Draft:
        return msgspec.structs.replace(self, contributions=(*self.contributions, *contributions))


class Passage(msgspec.Struct, frozen=True):
    """One gate as one incident met it. `changed`: it said something; `settled`: no later gate was asked."""

    gate: str
    changed: bool
    settled: bool


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    outcome: Outcome
    by: str
    reason: str
    confidence: float
    actions: tuple[Action, ...] = ()
    """With `auto` they are ordered, without they are proposed."""
    playbooks: tuple[str, ...] = ()
    shadowed: tuple[Action, ...] = ()
    folded_into: str | None = None
    passages: tuple[Passage, ...] = ()

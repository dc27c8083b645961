# SPDX-License-Identifier: Apache-2.0
"""A correlation rule: findings that belong together, in an order, about the same thing."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from innerwarden.model.severity import Severity


class Join(StrEnum):
    """What two findings may have in common. The host is none of them."""

    IP = "ip"
    USER = "user"
    """The login that a process goes back to, a user that a finding names, or a running account that is not root."""
    ACCOUNT = "account"
    """As USER, and of a process that no login made whoever it runs as; for steps after a login only."""
    PATH = "path"
    PROCESS = "process"
    """The acting process or one of its near ancestors, by pid and start time."""
    CONTAINER = "container"
    SERVICE = "service"
    PART = "part"
    """A part of the machine that there is once, see parts.toml."""


class Order(StrEnum):
    STRICT = "strict"
    ANY = "any"


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """`detectors` are alternatives; or `max_severity` takes every detector that is no worse than that.

    `join`: kinds of key that tie a finding of this step to one of an earlier step, or to another one of this step.
    `distinct`: so many different detectors are needed. `optional`: may be missing; what it shares still ties others
    together. `absent`: must not follow for `within_s` after the step before.
    """

    name: str
    detectors: frozenset[str] = frozenset()
    join: tuple[Join, ...]
    max_severity: Severity | None = None
    distinct: int = 1
    within_s: int | None = None
    optional: bool = False
    absent: bool = False


class ChainRule(msgspec.Struct, frozen=True, kw_only=True):
    """All steps lie in one window. `reference` is the rule's permanent number."""

    id: str
    reference: str
    title: str
    severity: Severity
    window_s: int
    steps: tuple[Step, ...]
    order: Order = Order.STRICT
    attack: tuple[str, ...] = ()
    checks: tuple[str, ...]
    blind_spots: tuple[str, ...]
    false_positives: tuple[str, ...]

    def step_of(self, detector: str, rank: int) -> int | None:
        """The step that a finding can be; a rule has at most one for it. `rank` is the finding's severity."""
        for number, step in enumerate(self.steps):
            if detector in step.detectors or _takes(step.max_severity, rank):
                return number
        return None

    @property
    def horizon_s(self) -> int:
        """How long a finding of this rule may matter."""
        return self.window_s + sum(step.within_s or 0 for step in self.steps if step.absent)


def _takes(limit: Severity | None, rank: int) -> bool:
    """Debug is what trust lowered, or no incident at all."""
    return limit is not None and Severity.DEBUG.rank < rank <= limit.rank

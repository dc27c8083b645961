# SPDX-License-Identifier: Apache-2.0
"""A rule: which incidents lead to which action. The first that applies decides; the operator's come first."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from innerwarden.agent.triage import tables
from innerwarden.agent.triage.detectors import matches, unmatched
from innerwarden.agent.triage.targets import ENTITIES_OF
from innerwarden.model.entity import EntityType
from innerwarden.model.severity import Severity

SHIPPED = Path(__file__).with_name("rules.toml")
MAX_TTL_S = 30 * 86_400


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Either `verb` (with `entity`, whose type it acts on, and `ttl_s`) or `outcome`.

    `detectors` are ids, `*` allowed. `min_confidence` counts without reputation and model where nobody is asked.
    """

    id: str
    why: str
    detectors: tuple[str, ...]
    min_severity: Severity = Severity.MEDIUM
    max_severity: Severity = Severity.CRITICAL
    min_confidence: float = 0.0
    verb: str | None = None
    entity: EntityType | None = None
    ttl_s: int = 3600
    auto_execute: bool = False
    outcome: Literal["watch", "needs_review", "dismiss"] | None = None
    disabled: bool = False

    def __post_init__(self) -> None:
        if not self.id.replace("-", "").replace("_", "").isalnum():
            raise ValueError(f"`id` {self.id!r} is not made of letters, digits, - and _")
        if not self.detectors:
            raise ValueError("`detectors` is empty")
        if (self.verb is None) == (self.outcome is None):
            raise ValueError("give either `verb` or `outcome`")
        if self.verb is not None and self.entity not in ENTITIES_OF.get(self.verb, ()):
            raise ValueError(f"`verb` {self.verb!r} does not act on a {self.entity or 'missing entity'}")
        if self.auto_execute and self.verb is None:
            raise ValueError("`auto_execute` goes with a `verb`")
        if not 60 <= self.ttl_s <= MAX_TTL_S:
            raise ValueError(f"`ttl_s` is {self.ttl_s}; it must lie in 60..{MAX_TTL_S}")
        if not 0.0 <= self.min_confidence <= 1.0:
            raise ValueError(f"`min_confidence` is {self.min_confidence}; it must lie in 0..1")

    def applies(self, detector: str, severity: Severity) -> bool:
        return (
            severity.at_least(self.min_severity)
            and self.max_severity.at_least(severity)
            and matches(self.detectors, detector)
        )


def load_rules(directory: Path, known: frozenset[str]) -> tuple[Rule, ...]:
    """The operator's and then the shipped ones, disabled ones left out. Raises RuleError with every problem."""
    rows, problems = tables.gather([SHIPPED], directory, "rule", Rule)
    first: dict[str, tables.Row[Rule]] = {}
    for row in rows:
        rule, place = row.value, f"{row.file}:{row.line}"
        problems += [
            f"{place}: rule {rule.id}: no detector is called {glob!r}"
            for glob in unmatched(rule.detectors, known)
        ]
        other = first.setdefault(rule.id, row)
        if other is not row and other.file == row.file:
            problems.append(f"{place}: the id {rule.id!r} is taken at line {other.line}")
    tables.refuse("the triage rules", problems)
    return tuple(row.value for row in first.values() if not row.value.disabled)

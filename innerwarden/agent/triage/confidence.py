# SPDX-License-Identifier: Apache-2.0
"""Confidence: one number from 0 to 1, a sum of named contributions that stand in the reason.

It says how sure it is that the incident is what its detector says and worth an action. The severity gives the base,
everything else is added or taken away. The numbers are judgements, not measurements; docs/triage.md lists them.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from innerwarden.model.severity import Severity

BASE = {
    Severity.CRITICAL: 0.80,
    Severity.HIGH: 0.65,
    Severity.MEDIUM: 0.45,
    Severity.LOW: 0.25,
    Severity.INFO: 0.10,
    Severity.DEBUG: 0.05,
}


class Contribution(msgspec.Struct, frozen=True):
    """`soft`: from reputation or a model, so it may raise concern and never counts towards acting unasked."""

    value: float
    text: str
    soft: bool = False


def total(severity: Severity, contributions: Sequence[Contribution], *, hard_only: bool = False) -> float:
    """The sum, held between 0 and 1, with two decimals."""
    counted = [c.value for c in contributions if not (hard_only and c.soft)]
    return round(min(1.0, max(0.0, BASE[severity] + sum(counted))), 2)


def spelled(severity: Severity, contributions: Sequence[Contribution]) -> str:
    """The sum as a person reads it."""
    parts = [f"{BASE[severity]:.2f} {severity}", *(f"{c.value:+.2f} {c.text}" for c in contributions)]
    return f"confidence {total(severity, contributions):.2f} = " + " ".join(parts)

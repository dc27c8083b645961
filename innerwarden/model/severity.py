# SPDX-License-Identifier: Apache-2.0
"""Severity: one ordered scale."""

from __future__ import annotations

from enum import StrEnum


class Severity(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 (debug) to 5 (critical)."""
        return _ORDER[self]

    def at_least(self, other: Severity) -> bool:
        return self.rank >= other.rank


_ORDER = {severity: rank for rank, severity in enumerate(Severity)}

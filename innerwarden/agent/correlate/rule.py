# SPDX-License-Identifier: Apache-2.0
"""A correlation rule: detectors that follow one another about the same thing."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from innerwarden.model.severity import Severity


class Join(StrEnum):
    """What two findings may have in common. The host is none of them."""

    IP = "ip"
    USER = "user"
    PATH = "path"
    PROCESS = "process"
    """The acting process or one of its near ancestors, by pid and start time."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """`detectors` are alternatives. `join` says which keys tie this step to any earlier one; on a first
    step it says which repetitions belong to the chain that is already open."""

    name: str
    detectors: frozenset[str]
    join: tuple[Join, ...]


class ChainRule(msgspec.Struct, frozen=True, kw_only=True):
    """Steps in order of event time. The window counts from the latest first step."""

    id: str
    title: str
    severity: Severity
    window_s: int
    steps: tuple[Step, ...]
    checks: tuple[str, ...]
    blind_spots: tuple[str, ...]
    false_positives: tuple[str, ...]

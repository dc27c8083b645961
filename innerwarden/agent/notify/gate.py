# SPDX-License-Identifier: Apache-2.0
"""The gate: the one place that decides whether an incident is told at once, held back, or not told."""

from __future__ import annotations

from enum import StrEnum
from fnmatch import fnmatchcase

import msgspec

from innerwarden.config import ChannelConfig
from innerwarden.model.record import Outcome
from innerwarden.model.severity import Severity


class Verdict(StrEnum):
    """`GROUP`: counted, and told by the summary of its group. `DEFER`: told by the digest."""

    SEND = "send"
    GROUP = "group"
    DEFER = "defer"
    SKIP = "skip"


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate knows of an incident."""

    severity: Severity
    outcome: Outcome
    detector: str
    tags: tuple[str, ...] = ()


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate knows of the channel at that moment. `group_is_open`: the same was told within the window;
    `since_told_s`: since the last message about the same; `passed`: told one by one in the last hour; `repeated`:
    triage folded it into one that was told."""

    repeated: bool = False
    group_is_open: bool = False
    since_told_s: float | None = None
    passed: int = 0
    quiet: bool = False


def gate(policy: ChannelConfig, about: About, standing: Standing) -> Verdict:
    """A Critical always passes; only a filter that the operator set for Criticals too keeps it from a channel. What
    repeats one is counted, and the number is told."""
    critical = about.severity is Severity.CRITICAL
    if not _wanted(policy, about) and not (critical and not policy.filter_criticals):
        return Verdict.SKIP
    if critical:
        return Verdict.GROUP if standing.repeated else Verdict.SEND
    # A proposal is useless to an operator who does not hear of it.
    urgent = about.outcome is Outcome.PROPOSE or about.severity.at_least(policy.min_severity)
    if about.outcome is Outcome.DISMISS or not (urgent or about.severity.at_least(policy.digest_severity)):
        return Verdict.SKIP
    cooling = standing.since_told_s is not None and standing.since_told_s < policy.cooldown_s
    if urgent and (standing.group_is_open or cooling):
        return Verdict.GROUP
    capped = policy.hourly_cap > 0 and standing.passed >= policy.hourly_cap
    return Verdict.SEND if urgent and not standing.quiet and not capped else Verdict.DEFER


def _wanted(policy: ChannelConfig, about: About) -> bool:
    if policy.detectors and not any(fnmatchcase(about.detector, one) for one in policy.detectors):
        return False
    return not policy.tags or not set(policy.tags).isdisjoint(about.tags)

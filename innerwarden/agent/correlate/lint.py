# SPDX-License-Identifier: Apache-2.0
"""Prove that correlation rules can fire: every detector exists, every join can hold."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from innerwarden.agent.correlate.derived import AGENT_MADE, SENSOR_MADE, Derived
from innerwarden.agent.correlate.parts import Parts
from innerwarden.agent.correlate.registry import find_parts, find_rules
from innerwarden.agent.correlate.rule import ChainRule, Join, Order, Step
from innerwarden.config import Config
from innerwarden.model.severity import Severity

#: Kinds that come from a log line or from looking at the host: they name no acting process.
_LOG_KINDS = (
    "ssh.",
    "sudo.",
    "auth.",
    "audit.",
    "cloud.",
    "container.",
    "firewall.",
    "host.",
    "kernel.log",
    "log.",
    "tool.",
    "user.",
    "web.",
)
#: Of those, the ones whose finding shows the process that wrote.
_HOST_KINDS_WITH_PROCESS = ("host.file_write", "host.file_match")
_REFERENCE = re.compile(r"(CL|IW)-\d{3}")


class Spec(Protocol):
    """What the lint reads of a DetectorSpec."""

    @property
    def kinds(self) -> tuple[str, ...]: ...
    @property
    def entities(self) -> tuple[str, ...]: ...


def lint(rules: Sequence[ChainRule], specs: Mapping[str, Spec], parts: Parts | None = None) -> list[str]:
    """Every problem found, as `rule: text`; [] when each rule can fire.

    `specs` are the loaded detectors by id, without those that never report on their own (`emit: false`).
    """
    table = parts if parts is not None else find_parts()
    problems: list[str] = []
    seen: set[str] = set()
    for rule in rules:
        found = [*_shape(rule), *_detectors(rule, specs)]
        if not found:
            found = _joins(rule, specs, table)
        for name in (rule.id, rule.reference):
            if name in seen:
                found.append(f"{name} is used twice")
        if rule.id in specs:
            found.append("the id is also a detector's")
        seen |= {rule.id, rule.reference}
        problems += [f"{rule.id}: {text}" for text in found]
    return problems


def lint_installation(directories: Sequence[Path], config: Config) -> list[str]:
    """lint() over the shipped rules and the modules of these directories under this configuration."""
    # Compiling modules needs pySigma and the native core, which the running agent never loads.
    from innerwarden.modules.loader import load_modules

    return lint(find_rules(), load_modules(directories, config).specs)


def joins_of(detector: str, spec: Spec | Derived, parts: Parts) -> set[Join]:
    """Kinds of join key that findings of this detector can carry."""
    joins = {Join.PART} if any(detector in part.detectors for part in parts.table.values()) else set()
    if isinstance(spec, Derived):
        below = {Join.CONTAINER, Join.PART} if Join.PROCESS in spec.joins else set()
        return joins | spec.joins | below
    joins |= {Join(kind) for pair in spec.entities if (kind := pair.partition(":")[0]) in set(Join)}
    if Join.USER in joins:
        joins.add(Join.ACCOUNT)
    if any(not kind.startswith(_LOG_KINDS) or kind in _HOST_KINDS_WITH_PROCESS for kind in spec.kinds):
        # A kernel record brings the process with its ancestors, and with them user, container and web server.
        joins |= {Join.PROCESS, Join.USER, Join.ACCOUNT, Join.CONTAINER, Join.PART}
    return joins


def _shape(rule: ChainRule) -> list[str]:
    problems = []
    needed = [step for step in rule.steps if not step.optional]
    if len(needed) < 2 and not (needed and needed[0].distinct > 1):
        problems.append("a chain needs at least two steps, or one with several detectors")
    if not _REFERENCE.fullmatch(rule.reference):
        problems.append(f"reference {rule.reference!r} is no number such as CL-001")
    if rule.window_s <= 0:
        problems.append(f"window_s is {rule.window_s}; it must be positive")
    if not rule.severity.at_least(Severity.MEDIUM):
        problems.append(f"severity {rule.severity} is too low for a chain")
    for name in ("checks", "blind_spots", "false_positives", "attack"):
        if not getattr(rule, name):
            problems.append(f"{name} is empty")
    for number, step in enumerate(rule.steps):
        problems += [f"step {step.name!r} {text}" for text in _step(rule, number, step)]
        for other in rule.steps[number + 1 :]:
            for detector in sorted(step.detectors & other.detectors):
                problems.append(f"{detector} stands in two steps, {step.name!r} and {other.name!r}")
    return problems


def _step(rule: ChainRule, number: int, step: Step) -> list[str]:
    problems = []
    if not (step.detectors or step.max_severity) or not step.join:
        problems.append("names no detector or no join")
    if step.detectors and step.max_severity is not None:
        problems.append("names detectors and a severity; one of them decides")
    if step.detectors and step.distinct > len(step.detectors):
        problems.append(f"wants {step.distinct} different ones of {len(step.detectors)} detectors")
    if step.within_s is not None and not step.absent:
        problems.append("says within_s, which only a step that must be absent may")
    if step.absent and (number != len(rule.steps) - 1 or rule.order is Order.ANY or not step.within_s):
        problems.append("is absent: it must be the last one of a strict order and say within_s")
    if step.optional and number in (0, len(rule.steps) - 1):
        problems.append("is optional: it must stand between two others")
    if "telemetry" in step.detectors and not step.absent:
        problems.append("waits for telemetry, which is no finding; it can only be absent")
    return problems


def _detectors(rule: ChainRule, specs: Mapping[str, Spec]) -> list[str]:
    return [
        f"step {step.name!r} names {detector}, which no loaded module reports"
        for step in rule.steps
        for detector in sorted(step.detectors)
        if detector not in specs and detector not in AGENT_MADE and detector not in SENSOR_MADE
    ]


def _joins(rule: ChainRule, specs: Mapping[str, Spec], parts: Parts) -> list[str]:
    """Each detector must carry a key of its step's join, and one that another step can carry too."""
    known: dict[str, Spec | Derived] = {**SENSOR_MADE, **AGENT_MADE, **specs}
    able = [
        {detector: joins_of(detector, known[detector], parts) for detector in step.detectors}
        for step in rule.steps
    ]
    return [
        f"step {step.name!r}: {detector} carries no key by which another step could know it"
        for number, step in enumerate(rule.steps)
        for detector, joins in sorted(able[number].items())
        if not joins & _ties(rule, number, able)
    ]


def _ties(rule: ChainRule, number: int, able: Sequence[Mapping[str, set[Join]]]) -> set[Join]:
    """Kinds of key that would tie a finding of this step to another step: the later of two steps decides."""
    ties: set[Join] = set()
    for other, found in enumerate(able):
        if other != number:
            ties |= set(rule.steps[max(number, other)].join) & set().union(*found.values())
    return ties or (set(rule.steps[number].join) if len(able) == 1 else set())

# SPDX-License-Identifier: Apache-2.0
"""Prove that correlation rules can fire: every detector exists, every join can hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from innerwarden.agent.correlate.registry import find_rules
from innerwarden.agent.correlate.rule import ChainRule, Join
from innerwarden.config import Config
from innerwarden.model.severity import Severity

#: Kinds that come from a log line or from looking at the host: they name no acting process.
_LOG_KINDS = ("ssh.", "sudo.", "auth.", "user.", "log.", "web.", "firewall.", "kernel.log", "host.")


class Spec(Protocol):
    """What the lint reads of a DetectorSpec."""

    @property
    def kinds(self) -> tuple[str, ...]: ...
    @property
    def entities(self) -> tuple[str, ...]: ...


def lint(rules: Sequence[ChainRule], specs: Mapping[str, Spec]) -> list[str]:
    """Every problem found, as `rule: text`; [] when each rule can fire.

    `specs` are the loaded detectors by id, without those that never report on their own (`emit: false`).
    """
    problems: list[str] = []
    seen: set[str] = set()
    for rule in rules:
        found = [*_shape(rule), *_detectors(rule, specs)]
        if not found:
            found = _joins(rule, specs)
        if rule.id in seen:
            found.append("the id is used twice")
        if rule.id in specs:
            found.append("the id is also a detector's")
        seen.add(rule.id)
        problems += [f"{rule.id}: {text}" for text in found]
    return problems


def lint_installation(directories: Sequence[Path], config: Config) -> list[str]:
    """lint() over the shipped rules and the modules of these directories under this configuration."""
    # Compiling modules needs pySigma and the native core, which the running agent never loads.
    from innerwarden.modules.loader import load_modules

    return lint(find_rules(), load_modules(directories, config).specs)


def joins_of(spec: Spec) -> set[Join]:
    """Kinds of join key that findings of this detector can carry."""
    joins = {Join(kind) for pair in spec.entities if (kind := pair.partition(":")[0]) in set(Join)}
    if any(not kind.startswith(_LOG_KINDS) for kind in spec.kinds):
        # A kernel record brings the process with its ancestors, and with them the user.
        joins |= {Join.PROCESS, Join.USER}
    return joins


def _shape(rule: ChainRule) -> list[str]:
    problems = []
    if len(rule.steps) < 2:
        problems.append("a chain needs at least two steps")
    if rule.window_s <= 0:
        problems.append(f"window_s is {rule.window_s}; it must be positive")
    if not rule.severity.at_least(Severity.MEDIUM):
        problems.append(f"severity {rule.severity} is too low for a chain")
    for step in rule.steps:
        if not step.detectors or not step.join:
            problems.append(f"step {step.name!r} names no detector or no join")
    for number, step in enumerate(rule.steps):
        for other in rule.steps[number + 1 :]:
            for detector in sorted(step.detectors & other.detectors):
                problems.append(f"{detector} stands in two steps, {step.name!r} and {other.name!r}")
    return problems


def _detectors(rule: ChainRule, specs: Mapping[str, Spec]) -> list[str]:
    return [
        f"step {step.name!r} names {detector}, which no loaded module reports"
        for step in rule.steps
        for detector in sorted(step.detectors)
        if detector not in specs
    ]


def _joins(rule: ChainRule, specs: Mapping[str, Spec]) -> list[str]:
    """Each detector must carry a key of its step's join, and one that an earlier step can carry too."""
    problems = []
    carried: set[Join] = set()
    for number, step in enumerate(rule.steps):
        able = {detector: joins_of(specs[detector]) & set(step.join) for detector in step.detectors}
        for detector, joins in sorted(able.items()):
            if not joins or (number and not joins & carried):
                wanted = ", ".join(step.join)
                problems.append(
                    f"step {step.name!r}: {detector} carries no key of {wanted} that an earlier step has"
                )
        carried |= {join for detector in step.detectors for join in joins_of(specs[detector])}
    return problems

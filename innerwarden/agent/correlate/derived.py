# SPDX-License-Identifier: Apache-2.0
"""Findings that no module reports and that rules may name all the same."""

from __future__ import annotations

import msgspec

from innerwarden.agent.correlate.rule import Join
from innerwarden.agent.derived import DERIVED
from innerwarden.model.severity import Severity


class Derived(msgspec.Struct, frozen=True, kw_only=True):
    """`joins`: kinds of key that its findings carry."""

    title: str
    joins: frozenset[Join]
    severity: Severity


def _joins(carried: tuple[str, ...]) -> frozenset[Join]:
    """A user stands for an account as well, and a service may belong to a part of the machine."""
    joins = {Join(name) for name in carried}
    if Join.USER in joins:
        joins.add(Join.ACCOUNT)
    if Join.SERVICE in joins:
        joins.add(Join.PART)
    return frozenset(joins)


#: What other rooms of the agent store; ingest hands it to the observers like a finding of the sensor.
AGENT_MADE: dict[str, Derived] = {
    one.id: Derived(title=one.title, joins=_joins(one.joins), severity=one.severity) for one in DERIVED
}

#: What the sensor writes of itself, without a module.
SENSOR_MADE: dict[str, Derived] = {
    "sensor_gap": Derived(
        title="The sensor was not watching for a while",
        joins=frozenset({Join.SERVICE, Join.PART}),
        severity=Severity.MEDIUM,
    ),
    "sensor_blind": Derived(
        title="A hook of the sensor is dead", joins=frozenset({Join.PART}), severity=Severity.HIGH
    ),
    "telemetry": Derived(
        title="The sensor's numbers, once a minute; a rule may only miss them",
        joins=frozenset({Join.PART}),
        severity=Severity.DEBUG,
    ),
}

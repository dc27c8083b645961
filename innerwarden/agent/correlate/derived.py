# SPDX-License-Identifier: Apache-2.0
"""Findings that no module reports and that rules may name all the same.

Whatever makes one of AGENT_MADE stores it with Tx.insert_incident(source="agent") and hands the result to
Correlator.observe in the same transaction.
"""

from __future__ import annotations

import msgspec

from innerwarden.agent.correlate.rule import Join
from innerwarden.model.severity import Severity


class Derived(msgspec.Struct, frozen=True, kw_only=True):
    """`joins`: kinds of key that every one of its findings carries."""

    title: str
    joins: frozenset[Join]
    severity: Severity


#: The acting process with its user, as findings of the kernel carry them.
_ACTING = frozenset({Join.PROCESS, Join.USER, Join.ACCOUNT})
_ADDRESS = frozenset({Join.IP})
#: The log source as a service entity; parts.toml says which part of the machine it belongs to.
_SOURCE = frozenset({Join.SERVICE, Join.PART})


def _acting(title: str, severity: Severity, more: frozenset[Join] = frozenset()) -> Derived:
    return Derived(title=title, joins=_ACTING | more, severity=severity)


AGENT_MADE: dict[str, Derived] = {
    "killchain_reverse_shell": _acting("Kill chain of a reverse shell", Severity.CRITICAL),
    "killchain_bind_shell": _acting("Kill chain of a shell that waits for connections", Severity.CRITICAL),
    "killchain_code_inject": _acting("Kill chain of code put into another process", Severity.CRITICAL),
    "killchain_exploit_shell": _acting("Kill chain of an exploit that gives a shell", Severity.CRITICAL),
    "killchain_inject_shell": _acting("Kill chain of an injection that gives a shell", Severity.CRITICAL),
    "killchain_exploit_c2": _acting("Kill chain of an exploit that calls out", Severity.CRITICAL),
    "killchain_full_exploit": _acting("Kill chain of a whole exploit", Severity.CRITICAL),
    "killchain_data_exfil": _acting("Kill chain of secrets that are read and sent", Severity.CRITICAL),
    "dna_ip_rotation": Derived(
        title="A known attacker goes on from another address", joins=_ADDRESS, severity=Severity.HIGH
    ),
    "dna_same_attacker": Derived(
        title="Two addresses behave as one attacker", joins=_ADDRESS, severity=Severity.MEDIUM
    ),
    "baseline_new_lineage": _acting("A program started by one that never did", Severity.MEDIUM),
    "baseline_login_hour": Derived(
        title="Login at an hour at which this user never comes",
        joins=frozenset({Join.IP, Join.USER, Join.ACCOUNT, Join.PART}),
        severity=Severity.MEDIUM,
    ),
    "baseline_new_destination": _acting("A program connects to where it never did", Severity.LOW, _ADDRESS),
    "baseline_silence": Derived(
        title="A log says much less than usual", joins=_SOURCE, severity=Severity.HIGH
    ),
    "baseline_rate_spike": Derived(
        title="A log says much more than usual", joins=_SOURCE, severity=Severity.MEDIUM
    ),
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

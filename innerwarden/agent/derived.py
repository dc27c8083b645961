# SPDX-License-Identifier: Apache-2.0
"""Incidents that the agent makes of findings: their ids, which are no detector's of the sensor."""

from __future__ import annotations

import msgspec

from innerwarden.model.severity import Severity


class Derived(msgspec.Struct, frozen=True, kw_only=True):
    """`severity` is the least that it has; `joins`: what it carries of ip, user, path, process, service."""

    id: str
    title: str
    severity: Severity
    joins: tuple[str, ...]


def _killchain(name: str, title: str, severity: Severity) -> Derived:
    return Derived(
        id=f"killchain_{name}", title=title, severity=severity, joins=("process", "ip", "user", "path")
    )


DERIVED: tuple[Derived, ...] = (
    _killchain("reverse_shell", "Connection out, then a shell on the network", Severity.CRITICAL),
    _killchain("bind_shell", "A program waited for connections and got a shell", Severity.CRITICAL),
    _killchain("code_inject", "A process was taken over and runs code that no file explains", Severity.HIGH),
    _killchain("exploit_shell", "Code without a file, then a shell", Severity.HIGH),
    _killchain("inject_shell", "A process was taken over and started a shell", Severity.HIGH),
    _killchain("exploit_c2", "Code without a file, then a connection out", Severity.HIGH),
    _killchain(
        "full_exploit", "Code without a file, a process taken over, and a connection out", Severity.CRITICAL
    ),
    _killchain("data_exfil", "Secrets gathered, then a way out used", Severity.MEDIUM),
    _killchain("progress", "One process tree went through several tactics", Severity.MEDIUM),
    Derived(
        id="dna_ip_rotation",
        title="An attacker goes on from another address",
        severity=Severity.MEDIUM,
        joins=("ip",),
    ),
    Derived(
        id="dna_same_attacker",
        title="An attacker that is known from another address",
        severity=Severity.MEDIUM,
        joins=("ip",),
    ),
    Derived(
        id="baseline_new_lineage",
        title="A program was started by one that never did so before",
        severity=Severity.LOW,
        joins=("process", "user"),
    ),
    Derived(
        id="baseline_new_destination",
        title="A program connected where it never did before",
        severity=Severity.LOW,
        joins=("process", "user"),
    ),
    Derived(
        id="baseline_login_hour",
        title="An account logged in at an hour at which it never did before",
        severity=Severity.MEDIUM,
        joins=("ip", "user"),
    ),
    Derived(
        id="baseline_silence",
        title="Far fewer events than ever at this hour",
        severity=Severity.MEDIUM,
        joins=("service",),
    ),
    Derived(
        id="baseline_rate_spike",
        title="Far more events than ever at this hour",
        severity=Severity.LOW,
        joins=("service",),
    ),
)

_BY_ID = {one.id: one for one in DERIVED}


def of(name: str) -> Derived:
    """Raises KeyError for an id that the table does not have."""
    return _BY_ID[name]


def ids() -> list[str]:
    """What the agent itself reports, besides correlation rules."""
    return [one.id for one in DERIVED]

# SPDX-License-Identifier: Apache-2.0
"""A playbook: several steps for one kind of incident, in order. Steps are typed verbs on its own entities."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Literal

import msgspec

from innerwarden.agent.state.rows import IncidentRow
from innerwarden.agent.triage import tables
from innerwarden.agent.triage.detectors import matches, unmatched
from innerwarden.agent.triage.rule import MAX_TTL_S
from innerwarden.agent.triage.targets import ENTITIES_OF
from innerwarden.clock import NS
from innerwarden.model.entity import EntityType
from innerwarden.model.severity import Severity
from innerwarden.trust.networks import address_of, network_of

SHIPPED = Path(__file__).with_name("playbooks")
_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
MAX_STEPS = 16


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Trigger(_Strict, frozen=True, kw_only=True):
    """All that is given must hold. `detector` is an id, `*` allowed; `chain` a correlation rule that the incident
    is, or is part of; `severity` the least."""

    detector: str | None = None
    chain: str | None = None
    severity: Severity | None = None
    entity: EntityType | None = None

    def __post_init__(self) -> None:
        if self.detector is None and self.chain is None and self.severity is None and self.entity is None:
            raise ValueError("a trigger says nothing; give `detector`, `chain`, `severity` or `entity`")

    def holds(self, incident: IncidentRow, severity: Severity, chains: tuple[str, ...]) -> bool:
        told = (*chains, incident.detector) if incident.source == "correlation" else chains
        return (
            (self.detector is None or matches((self.detector,), incident.detector))
            and (self.chain is None or any(matches((self.chain,), one) for one in told))
            and (self.severity is None or severity.at_least(self.severity))
            and (self.entity is None or any(e.type is self.entity for e in incident.fields.entities))
        )


class Conditions(_Strict, frozen=True, kw_only=True):
    """All that is given must hold. `*_in`: one of the incident's is in; `*_not_in`: none is. Times are UTC;
    business hours are Monday to Friday, 09:00 to 17:00."""

    ip_in: tuple[str, ...] = ()
    ip_not_in: tuple[str, ...] = ()
    user_in: tuple[str, ...] = ()
    user_not_in: tuple[str, ...] = ()
    hours: Literal["any", "business", "after"] = "any"
    between: str | None = None

    def __post_init__(self) -> None:
        for text in (*self.ip_in, *self.ip_not_in):
            network_of(text)
        if self.between is not None and not _SPAN.fullmatch(self.between):
            raise ValueError(f"`between` is {self.between!r}; write for example 22:00-06:00")

    def objection(self, incident: IncidentRow) -> str | None:
        """The first that does not hold, or None."""
        entities = incident.fields.entities
        addresses = [address_of(e.value) for e in entities if e.type is EntityType.IP]
        users = {e.value for e in entities if e.type is EntityType.USER}
        moment = datetime.fromtimestamp(incident.ts_ns // NS, UTC)

        def within(networks: tuple[str, ...]) -> bool:
            return any(
                a is not None and a.version == n.version and a in n
                for a in addresses
                for n in map(network_of, networks)
            )

        checks = (
            ("ip_in", not self.ip_in or within(self.ip_in)),
            ("ip_not_in", not within(self.ip_not_in)),
            ("user_in", not self.user_in or bool(users & set(self.user_in))),
            ("user_not_in", not users & set(self.user_not_in)),
            ("hours", self.hours == "any" or _is_business(moment) == (self.hours == "business")),
            ("between", self.between is None or _is_between(self.between, moment)),
        )
        return next((f"condition {name} does not hold" for name, held in checks if not held), None)


def _is_business(moment: datetime) -> bool:
    return moment.weekday() < 5 and 9 <= moment.hour < 17


def _is_between(span: str, moment: datetime) -> bool:
    """A span over midnight is one too."""
    first, last = (time.fromisoformat(part) for part in span.split("-"))
    now = moment.time().replace(second=0, microsecond=0)
    return first <= now < last if first <= last else now >= first or now < last


class PlaybookStep(_Strict, frozen=True, kw_only=True):
    """The verb is done to each of the incident's entities of its type. After a step that failed, was refused or denied,
    or had no target, `on_error` says whether the next one is done."""

    id: str
    verb: str
    ttl_s: int = 3600
    on_error: Literal["abort", "continue"] = "abort"

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise ValueError(f"`id` of a step is {self.id!r}; use a-z 0-9 _ -")
        if self.verb not in ENTITIES_OF:
            raise ValueError(f"`verb` {self.verb!r} is none; there are: {', '.join(ENTITIES_OF)}")
        if not 60 <= self.ttl_s <= MAX_TTL_S:
            raise ValueError(f"`ttl_s` is {self.ttl_s}; it must lie in 60..{MAX_TTL_S}")


class Playbook(_Strict, frozen=True, kw_only=True):
    """`shadow`: it is written down when it would have run, and nothing else happens. Without `auto_execute` each
    step is proposed."""

    id: str
    title: str
    triggers: tuple[Trigger, ...]
    steps: tuple[PlaybookStep, ...]
    conditions: Conditions = Conditions()
    auto_execute: bool = False
    shadow: bool = False
    disabled: bool = False

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise ValueError(f"`id` is {self.id!r}; use a-z 0-9 _ -")
        if not self.triggers:
            raise ValueError("`triggers` is empty")
        if not 1 <= len(self.steps) <= MAX_STEPS:
            raise ValueError(f"`steps` has {len(self.steps)}; a playbook has 1 to {MAX_STEPS}")
        if len({step.id for step in self.steps}) < len(self.steps):
            raise ValueError("`steps`: two of them have one id")

    def objection(self, incident: IncidentRow, severity: Severity, chains: tuple[str, ...]) -> str | None:
        """Why it does not apply, or None."""
        if not any(trigger.holds(incident, severity, chains) for trigger in self.triggers):
            return "no trigger holds"
        return self.conditions.objection(incident)


def load_playbooks(directory: Path, known: frozenset[str], chains: frozenset[str]) -> tuple[Playbook, ...]:
    """The operator's first, which replace shipped ones of their id. Raises RuleError with every problem: also for a
    trigger that matches no detector (`known`) or no correlation rule (`chains`), since it could never fire."""
    shipped = sorted(SHIPPED.glob("*.toml"))
    rows, problems = tables.gather(shipped, directory, "playbook", Playbook)
    first: dict[str, tables.Row[Playbook]] = {}
    for row in rows:
        playbook, place = row.value, f"{row.file}:{row.line}: playbook {row.value.id}"
        for trigger in playbook.triggers:
            for kind, glob, there in (
                ("detector", trigger.detector, known),
                ("correlation rule", trigger.chain, chains),
            ):
                if glob is not None and unmatched((glob,), there):
                    problems.append(f"{place}: no {kind} is called {glob!r}, so it could never fire")
        other = first.setdefault(playbook.id, row)
        if other is not row and other.file == row.file:
            problems.append(f"{place}: the id is taken at line {other.line}")
    tables.refuse("the playbooks", problems)
    return tuple(row.value for row in first.values() if not row.value.disabled)

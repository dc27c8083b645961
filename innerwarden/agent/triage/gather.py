# SPDX-License-Identifier: Apache-2.0
"""The facts about one incident, from state.db, the host and what providers said before. Nothing is decided here."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence

import msgspec

from innerwarden.agent.state.rows import IncidentRow
from innerwarden.agent.state.triage import EarlierRow, TriageReader
from innerwarden.agent.triage.facts import Earlier, Facts, Listing, Load, Related, Role, SshLogin
from innerwarden.agent.triage.roles import roles_of
from innerwarden.agent.triage.targets import ENTITIES_OF
from innerwarden.clock import NS, realtime_ns
from innerwarden.model.entity import EntityRef, EntityType
from innerwarden.model.finding import Evidence
from innerwarden.model.record import Outcome
from innerwarden.model.severity import Severity
from innerwarden.trust.judge import Subject, TrustSet

#: They say that somebody who guessed is in.
LANDING = frozenset({"login_after_failures", "threat_intel_login", "system_user_interactive"})
#: Of these types two incidents with one value are about the same; a path or a service is everybody's.
_TELLING = (EntityType.IP, EntityType.PROCESS, EntityType.CONTAINER, EntityType.USER)
#: Everything on a host has to do with them.
_EVERYBODY = frozenset({"root"})
#: Entities of one incident that are looked up.
MAX_ENTITIES = 8
POSTURE_S = 60.0
INBOUND_LOOK_BACK = 20

#: What reputation providers say of addresses; what is missing is not known.
Reputation = Callable[[Sequence[str]], dict[str, tuple[Listing, ...]]]
#: Where an address is, as a sentence.
Place = Callable[[str], str | None]


def nobody(_: Sequence[str]) -> dict[str, tuple[Listing, ...]]:
    return {}


def nowhere(_: str) -> str | None:
    return None


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """Where facts come from besides state.db."""

    ssh: Callable[[], SshLogin] = SshLogin
    trust: Callable[[], TrustSet] = TrustSet
    reputation: Reputation = nobody
    place: Place = nowhere
    related_ns: int = 3600 * NS


def key_of(incident: IncidentRow) -> bytes:
    """The same for two incidents of one detector about the same entities."""
    digest = hashlib.sha256(incident.detector.encode())
    process = incident.fields.process
    names = sorted(f"{e.type}:{e.value}" for e in incident.fields.entities)
    if not names and process is not None:
        names = [f"process:{process.pid}:{process.start_ns}"]
    for name in names:
        digest.update(b"\0" + name.encode("utf-8", "surrogateescape"))
    return digest.digest()


class Batch:
    """What the decisions of this batch, not stored yet, mean for the next ones of it."""

    def __init__(self, reader: TriageReader, now_ns: int | None = None) -> None:
        self._earlier: dict[bytes, Earlier] = {}
        self._live: set[str] = set()
        self._proposed: set[str] = set()
        self._proposals = reader.proposals()
        self._orders = reader.orders_since((now_ns or realtime_ns()) - 3600 * NS)

    def earlier(self, key: bytes, stored: EarlierRow | None) -> Earlier | None:
        mine = self._earlier.get(key)
        if mine is not None or stored is None:
            return mine
        return Earlier(
            incident_id=stored.incident_id,
            severity=stored.severity,
            outcome=stored.outcome,
            ts_ns=stored.ts_ns,
        )

    def load(self, live: frozenset[str], proposed: frozenset[str]) -> Load:
        return Load(
            proposals=self._proposals,
            orders_in_hour=self._orders,
            live=live | self._live,
            proposed=proposed | self._proposed,
        )

    def decided(
        self, key: bytes, facts: Facts, outcome: Outcome, asked: Sequence[str], ordered: Sequence[str]
    ) -> None:
        """`asked` and `ordered` are keys of verbs."""
        incident = facts.incident
        self._earlier[key] = Earlier(
            incident_id=incident.incident_id, severity=facts.severity, outcome=outcome, ts_ns=incident.ts_ns
        )
        self._live |= {*ordered}
        self._proposed |= {*asked}
        self._proposals += len(asked)
        self._orders += len(ordered)


class Gatherer:
    """Belongs to one thread, like its reader."""

    def __init__(self, reader: TriageReader, sources: Sources) -> None:
        self._reader = reader
        self._sources = sources
        self._ssh = SshLogin()
        self._ssh_at: float | None = None

    def listings(self, rows: Sequence[IncidentRow]) -> dict[str, tuple[Listing, ...]]:
        """Of the addresses of all these incidents, asked for together."""
        wanted = {
            e.value: None
            for row in rows
            if row.severity.at_least(Severity.MEDIUM)
            for e in row.fields.entities[:MAX_ENTITIES]
            if e.type is EntityType.IP
        }
        return self._sources.reputation(tuple(wanted)) if wanted else {}

    def folding(self, row: IncidentRow, earlier: Earlier) -> Facts:
        """Enough for an incident that folds."""
        return Facts(incident=row, earlier=earlier)

    def facts(
        self,
        row: IncidentRow,
        *,
        earlier: Earlier | None,
        batch: Batch,
        listings: dict[str, tuple[Listing, ...]],
    ) -> Facts:
        entities = row.fields.entities
        addresses = [e.value for e in entities if e.type is EntityType.IP]
        chains = self._reader.chains_of(row.id)
        members = self._reader.members_of(row.id) if row.source == "correlation" else []
        evidence = [*row.fields.evidence, *(e for m in members for e in m.fields.evidence)]
        since_ns = row.ts_ns - self._sources.related_ns
        telling = [
            e
            for e in entities
            if e.type in _TELLING and not (e.type is EntityType.USER and e.value in _EVERYBODY)
        ][:MAX_ENTITIES]
        detectors = self._reader.detectors_about(
            telling, row.id, since_ns, row.ts_ns + self._sources.related_ns
        )
        detectors -= {row.detector}
        keys = [
            f"{verb}:{e.type}:{e.value}"
            for e in entities
            for verb, kinds in ENTITIES_OF.items()
            if e.type in kinds
        ]
        return Facts(
            incident=row,
            roles=self._roles(row, addresses, evidence, since_ns),
            earlier=earlier,
            trusted_by=self._trusted(row, addresses),
            ssh=self._login(evidence),
            landing=_landing(row, chains, detectors, evidence),
            related=Related(
                detectors=tuple(sorted(detectors)),
                chains=chains,
                offences=self._reader.offences(keys) if keys else 0,
            ),
            listings=tuple(one for a in addresses for one in listings.get(a, ())),
            places=tuple(text for a in addresses[:4] if (text := self._sources.place(a)) is not None),
            repeat_ttl_s=self._reader.repeat_ttls(addresses[:MAX_ENTITIES]) if addresses else {},
            load=batch.load(*self._reader.live(keys)) if keys else batch.load(frozenset(), frozenset()),
        )

    def _roles(
        self, row: IncidentRow, addresses: list[str], evidence: list[Evidence], since_ns: int
    ) -> dict[str, Role]:
        roles = roles_of(addresses, evidence)
        if row.severity.at_least(Severity.MEDIUM):
            for address in [a for a in addresses if roles.get(a) is Role.OTHER][:MAX_ENTITIES]:
                more = self._reader.evidence_about(
                    EntityRef(EntityType.IP, address), row.id, since_ns, INBOUND_LOOK_BACK
                )
                roles |= roles_of([address], more)
        return roles

    def _trusted(self, row: IncidentRow, addresses: list[str]) -> str | None:
        if not addresses:
            return None
        subject = Subject(
            detector=row.detector, tags=row.fields.tags, severity=row.severity, addresses=tuple(addresses)
        )
        by = self._sources.trust().judge(subject, realtime_ns()).by
        return None if by is None else by.entry.id

    def _login(self, evidence: list[Evidence]) -> SshLogin:
        """What the configuration says, unless the evidence shows sshd weighing a password."""
        if any(e.kind.startswith("ssh.") and _by_password(e.details.get("method")) for e in evidence):
            return SshLogin(password=True)
        now = time.monotonic()
        if self._ssh_at is None or now - self._ssh_at >= POSTURE_S:
            self._ssh, self._ssh_at = self._sources.ssh(), now
        return self._ssh


def _effects(entities: Sequence[EntityRef]) -> list[str]:
    """Keys of all that could be done to these entities."""
    return [
        f"{verb}:{e.type}:{e.value}"
        for e in entities
        for verb, kinds in ENTITIES_OF.items()
        if e.type in kinds
    ]


def _by_password(method: object) -> bool:
    return isinstance(method, str) and method.startswith(("password", "keyboard-interactive"))


def _landing(
    row: IncidentRow, chains: tuple[str, ...], detectors: frozenset[str], evidence: list[Evidence]
) -> str | None:
    if row.source == "correlation":
        return "it is a chain of several findings"
    if chains:
        return f"it is part of {chains[0]}"
    if found := sorted(({row.detector} | detectors) & LANDING):
        return f"{found[0]} spoke about the same"
    if any(e.kind == "ssh.login_success" for e in evidence):
        return "a login succeeded"
    return None

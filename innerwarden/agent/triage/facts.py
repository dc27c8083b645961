# SPDX-License-Identifier: Apache-2.0
"""All that a decision rests on: gathered once, then only read. decide() looks at nothing else."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from innerwarden.agent.state.rows import IncidentRow
from innerwarden.model.entity import EntityRef
from innerwarden.model.record import Outcome
from innerwarden.model.severity import Severity


class Role(StrEnum):
    """What the evidence says of an address."""

    INBOUND = "inbound"
    """It came to this machine over a connection that was completed."""
    CLAIMED = "claimed"
    """A packet or a log line names it as its source, which anybody can forge."""
    OTHER = "other"
    """Nothing says that it came here: it may be where this machine connected to."""


class Earlier(msgspec.Struct, frozen=True, kw_only=True):
    """The last decision about the same detector and the same entities."""

    incident_id: str
    severity: Severity
    outcome: Outcome
    ts_ns: int


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """What one reputation provider says of one address."""

    provider: str
    address: str
    listed: bool
    text: str


class Related(msgspec.Struct, frozen=True, kw_only=True):
    """What else is known about the incident's entities. `detectors`: other ones that spoke about them in the window;
    `chains`: correlation rules whose story the incident is part of; `offences`: earlier actions against one of
    its entities that really took effect."""

    detectors: tuple[str, ...] = ()
    chains: tuple[str, ...] = ()
    offences: int = 0


class SshLogin(msgspec.Struct, frozen=True, kw_only=True):
    """How this machine's SSH server lets people in; None: not known."""

    password: bool | None = None


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What is already under way."""

    proposals: int = 0
    """Proposals that wait for an answer."""
    orders_in_hour: int = 0
    live: frozenset[str] = frozenset()
    """Keys of effects that are ordered or in force and that this incident could ask for."""
    proposed: frozenset[str] = frozenset()
    """The same of effects that wait for the operator's word."""


class Opinion(msgspec.Struct, frozen=True, kw_only=True):
    """What a model said, already held against the schema and the incident's own entities."""

    model: str
    concern: bool
    """It would have a person look at it, or have something done."""
    verb: str | None = None
    target: EntityRef | None = None
    explanation: str = ""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    incident: IncidentRow
    roles: dict[str, Role] = msgspec.field(default_factory=dict)
    """By address, of the incident's own addresses."""
    earlier: Earlier | None = None
    trusted_by: str | None = None
    """Id of the trust entry whose networks hold every address of it."""
    ssh: SshLogin = SshLogin()
    landing: str | None = None
    """Why somebody is in, or None."""
    related: Related = Related()
    listings: tuple[Listing, ...] = ()
    places: tuple[str, ...] = ()
    """Where its addresses are, one sentence each."""
    load: Load = Load()
    repeat_ttl_s: dict[str, int] = msgspec.field(default_factory=dict)
    """By address that was blocked before: how long a block of it should last at least."""
    opinion: Opinion | None = None

    @property
    def severity(self) -> Severity:
        """What the detector said, whatever a trust entry made of it."""
        mark = self.incident.fields.trusted
        own = self.incident.severity
        return mark.severity if mark is not None and mark.severity.at_least(own) else own

    @property
    def is_grave(self) -> bool:
        return self.severity.at_least(Severity.HIGH)

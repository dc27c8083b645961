# SPDX-License-Identifier: Apache-2.0
"""Keep a profile of each attacking address, and recognise an attacker that comes from another one."""

from __future__ import annotations

import logging

import msgspec

from innerwarden.agent.dna.likeness import bands, exact, grams, likeness, rarity
from innerwarden.agent.dna.story import Recognised, tell
from innerwarden.agent.dna.tokens import Act, act_of, detector_of, tactic_of
from innerwarden.agent.state.attackers import AttackerStore, Event, Fingerprint, Session
from innerwarden.agent.state.tx import DatabaseError, Stored, Tx
from innerwarden.clock import NS

logger = logging.getLogger(__name__)

#: A pause this long ends what belongs together.
IDLE_NS = 1800 * NS
MAX_TOKENS = 64
MAX_MEMBERS = 64
#: What a sequence must have before it says who somebody is: no ordinary password guessing does.
MIN_TOKENS = 5
MIN_DETECTORS = 3
MIN_TACTICS = 2
MIN_LIKENESS = 0.75
MIN_BITS = 10.0
#: Addresses of a campaign that are told one by one; more are counted.
TOLD_OF_CAMPAIGN = 50
#: Sessions that one run of the task closes.
CLOSED_A_RUN = 200
IP = "ip:"


class Dna:
    """Holds nothing: a crash at any point loses and doubles nothing."""

    def observe(self, tx: Tx, incident: Stored) -> int:
        """Feed one new incident; returns how many incidents it made."""
        act = act_of(incident.finding)
        if act is None:
            return 0
        try:
            with tx.savepoint():
                return _Run(tx).feed(incident, act)
        except DatabaseError:
            raise
        except Exception:
            logger.exception("dna failed incident_row=%d", incident.id)
            tx.count("dna_failures")
            return 0


class CloseSessions(msgspec.Struct, frozen=True):
    """Operation: end sessions that paused for IDLE_NS of event time; returns whether there are more."""

    durable: bool = False

    def apply(self, tx: Tx) -> bool:
        store = AttackerStore(tx)
        newest = store.newest_ns()
        if newest is None:
            return False
        idle = store.idle_sessions(newest - IDLE_NS, CLOSED_A_RUN)
        for entity in idle:
            session = store.session(entity)
            if session is not None:
                _close(store, session)
        return len(idle) == CLOSED_A_RUN


def _close(store: AttackerStore, session: Session) -> None:
    threes = grams(session.tokens)
    if threes:
        store.keep_fingerprint(session, exact(session.tokens), threes, bands(threes))
    store.end_session(session.entity)


class _Run:
    """One finding inside one transaction."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self._store = AttackerStore(tx)

    def feed(self, incident: Stored, act: Act) -> int:
        fields = incident.finding.fields
        event = Event(
            detector=incident.finding.detector,
            severity=incident.finding.severity.rank,
            techniques=fields.attack,
            users=act.users,
            ts_ns=incident.ts_ns,
        )
        made = 0
        for address in act.addresses:
            self._store.note(address, event)
            self._indicators(address, act, incident.ts_ns)
            session = self._go_on(f"{IP}{address}", act.token, incident)
            made += self._recognise(address, session, incident)
        if act.local is not None:
            self._go_on(act.local, act.token, incident)
        return made

    def _indicators(self, address: str, act: Act, at_ns: int) -> None:
        for value in act.indicators:
            for other in self._store.share(value, address, at_ns)[:1]:
                self._store.unite(address, other, value, at_ns)

    def _go_on(self, entity: str, token: str, incident: Stored) -> Session:
        """The entity's session with this token; one after a long pause begins anew."""
        old = self._store.session(entity)
        if old is not None and incident.ts_ns - old.last_ns > IDLE_NS:
            _close(self._store, old)
            old = None
        if old is None:
            new = Session(
                entity=entity,
                first_ns=incident.ts_ns,
                last_ns=incident.ts_ns,
                tokens=(token,),
                members=(incident.id,),
            )
        else:
            again = old.tokens[-1] == token or len(old.tokens) >= MAX_TOKENS
            new = msgspec.structs.replace(
                old,
                first_ns=min(old.first_ns, incident.ts_ns),
                last_ns=max(old.last_ns, incident.ts_ns),
                tokens=old.tokens if again else (*old.tokens, token),
                members=old.members if len(old.members) >= MAX_MEMBERS else (*old.members, incident.id),
            )
        self._store.save_session(new, new=old is None)
        return new

    def _recognise(self, address: str, session: Session, incident: Stored) -> int:
        if session.matched or not is_telling(session.tokens):
            return 0
        found = self._most_alike(session)
        if found is None:
            return 0
        earlier, alike = found
        self._store.save_session(msgspec.structs.replace(session, matched=True), new=False)
        self._store.recognise(address)
        before = earlier.entity.removeprefix(IP)
        campaign = self._store.unite(
            address, before, f"fingerprint:{exact(session.tokens)[:16]}", incident.ts_ns
        )
        if campaign is None or self._store.campaign_size(campaign) > TOLD_OF_CAMPAIGN:
            self._tx.count("dna_untold")
            return 0
        parts = self._store.existing((*earlier.members, *session.members))
        one = Recognised(address=address, earlier=earlier, session=session, likeness=alike, campaign=campaign)
        stored = self._tx.insert_incident(tell(one, incident, [self._tx.load(part) for part in parts]))
        if stored is None:
            return 0
        old = set(earlier.members)
        self._tx.add_members(stored.id, [(0 if part in old else 1, part) for part in parts])
        self._tx.count("dna_recognised")
        return 1

    def _most_alike(self, session: Session) -> tuple[Fingerprint, float] | None:
        threes = grams(session.tokens)
        candidates = [
            one
            for one in self._store.alike(session.entity, bands(threes))
            if one.entity.startswith(IP) and is_telling(one.tokens)
        ]
        if not candidates:
            return None
        ended = self._store.sessions_ended()
        worth: dict[int, float] = {}

        def worth_of(three: int) -> float:
            if three not in worth:
                worth[three] = rarity(self._store.sessions_with(three), ended)
            return worth[three]

        best: tuple[Fingerprint, float] | None = None
        for one in candidates:
            alike, bits = likeness(threes, grams(one.tokens), worth_of)
            if alike >= MIN_LIKENESS and bits >= MIN_BITS and (best is None or alike > best[1]):
                best = (one, alike)
        return best


def is_telling(tokens: tuple[str, ...]) -> bool:
    """Long and various enough to say who somebody is."""
    return (
        len(tokens) >= MIN_TOKENS
        and len({detector_of(token) for token in tokens}) >= MIN_DETECTORS
        and len({tactic_of(token) for token in tokens}) >= MIN_TACTICS
    )

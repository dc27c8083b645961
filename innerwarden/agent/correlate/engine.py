# SPDX-License-Identifier: Apache-2.0
"""Advance correlation chains with each stored incident; all progress lives in the same transaction."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import msgspec

from innerwarden.agent.correlate.keys import UserOf, keys_of, of_kinds
from innerwarden.agent.correlate.rule import ChainRule
from innerwarden.agent.correlate.story import tell
from innerwarden.agent.state.chains import Chain, ChainStore
from innerwarden.agent.state.tx import DatabaseError, Stored, Tx
from innerwarden.clock import NS

logger = logging.getLogger(__name__)

#: Two sources (kernel, log file) may report in the wrong order by this much event time.
SKEW_NS = 5 * NS


class Correlator:
    """Holds the rules and nothing else: a crash at any point loses and doubles nothing."""

    def __init__(self, rules: Sequence[ChainRule], user_of: UserOf) -> None:
        self._user_of = user_of
        self._places: dict[str, list[tuple[ChainRule, int]]] = {}
        for rule in rules:
            for index, step in enumerate(rule.steps):
                for detector in sorted(step.detectors):
                    self._places.setdefault(detector, []).append((rule, index))

    def observe(self, tx: Tx, incident: Stored) -> int:
        """Feed one new incident; returns how many correlation incidents it completed."""
        completed = 0
        for rule, index in self._places.get(incident.finding.detector, ()):
            try:
                with tx.savepoint():  # a failing rule leaves no half progress
                    completed += _Run(tx, rule, self._user_of).feed(index, incident)
            except DatabaseError:
                raise
            except Exception:
                logger.exception("correlation rule failed rule=%s incident_row=%d", rule.id, incident.id)
                tx.count("correlation_failures")
        return completed


class _Run:
    """One rule inside one transaction."""

    def __init__(self, tx: Tx, rule: ChainRule, user_of: UserOf) -> None:
        self._tx = tx
        self._store = ChainStore(tx)
        self._rule = rule
        self._user_of = user_of

    def feed(self, index: int, incident: Stored) -> int:
        keys = keys_of(incident.finding, self._user_of)
        joining = of_kinds(keys, self._rule.steps[index].join)
        if not joining:
            return 0
        chains = self._store.joined(self._rule.id, joining, incident.ts_ns)
        return (
            self._first(incident, keys, chains) if index == 0 else self._later(index, incident, keys, chains)
        )

    def _first(self, incident: Stored, keys: frozenset[str], chains: list[Chain]) -> int:
        """Open a chain; a repetition goes to the open one and restarts its window."""
        expires = incident.ts_ns + self._rule.window_s * NS
        if not chains:
            chain = self._store.start(self._rule.id, incident.ts_ns, expires)
            return self._take(chain, 0, incident, keys)
        for chain in chains:
            self._repeat(chain, 0, incident, keys)
            if chain.incident is None:
                self._store.update(msgspec.structs.replace(chain, expires_ns=max(chain.expires_ns, expires)))
        return 0

    def _later(self, index: int, incident: Stored, keys: frozenset[str], chains: list[Chain]) -> int:
        completed = 0
        used = False
        for chain in chains:
            if chain.done_steps > index:
                self._repeat(chain, index, incident, keys)
                used = True
            elif chain.done_steps == index and incident.ts_ns >= chain.last_ns - SKEW_NS:
                completed += self._take(chain, index, incident, keys)
                used = True
        if not used:
            joining = of_kinds(keys, self._rule.steps[index].join)
            self._store.wait(self._rule.id, index, incident.id, joining, incident.ts_ns)
        return completed

    def _repeat(self, chain: Chain, index: int, incident: Stored, keys: frozenset[str]) -> None:
        self._store.add_member(
            self._rule.id, chain.id, index, incident.id, keys if chain.incident is None else ()
        )
        self._store.add_late_member(chain, index, incident.id)

    def _take(self, chain: Chain, index: int, incident: Stored, keys: frozenset[str]) -> int:
        """Do step `index`, then every later step that is already waiting."""
        rule = self._rule
        while True:
            self._store.add_member(rule.id, chain.id, index, incident.id, keys)
            chain = msgspec.structs.replace(
                chain, done_steps=index + 1, last_ns=max(chain.last_ns, incident.ts_ns)
            )
            self._store.update(chain)
            index += 1
            if index == len(rule.steps):
                self._complete(chain)
                return 1
            joining = of_kinds(frozenset(self._store.keys(chain.id)), rule.steps[index].join)
            waiting = (
                self._store.take_waiting(rule.id, index, joining, chain.last_ns - SKEW_NS, chain.expires_ns)
                if joining
                else None
            )
            if waiting is None:
                return 0
            incident, keys = waiting, keys_of(waiting.finding, self._user_of)

    def _complete(self, chain: Chain) -> None:
        members = self._store.members(chain.id)
        stored = self._tx.insert_incident(tell(self._rule, members, self._user_of))
        if stored is None:
            # The same story was told before its chain was pruned; it stays told once.
            return
        self._tx.count("correlations")
        self._tx.add_members(stored.id, [(step, member.id) for step, member in members])
        self._store.update(msgspec.structs.replace(chain, incident=stored.id))

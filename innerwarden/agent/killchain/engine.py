# SPDX-License-Identifier: Apache-2.0
"""Follow each process tree through its findings; all progress lives in the transaction of the finding."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from innerwarden import lineage
from innerwarden.agent.killchain.patterns import PATTERNS, Pattern
from innerwarden.agent.killchain.story import PROGRESS, progress_id, tell_pattern, tell_progress
from innerwarden.agent.state.progress import TREE_NS, Seen, Tree, TreeStore, grow
from innerwarden.agent.state.tx import DatabaseError, Stored, Tx
from innerwarden.agent.tactics import BEFORE, stages, tactics_of
from innerwarden.clock import NS
from innerwarden.model.entity import EntityType
from innerwarden.model.finding import Finding
from innerwarden.model.severity import Severity

logger = logging.getLogger(__name__)

#: What has a process comes from the kernel, with exact times; the audit log's have milliseconds.
SKEW_NS = NS // 100
#: What is below says that something happened, not that it is wrong: curl, chmod and cron are no intrusion.
LEAST = Severity.LOW
#: Tactics -> severity of the tree's incident.
PROGRESS_SEVERITY = {3: Severity.MEDIUM, 4: Severity.HIGH}
PROGRESS_FROM = 3
#: Processes that one finding can tie together.
MAX_PROCESSES = 12


class KillChain:
    """Holds the patterns and nothing else: a crash at any point loses and doubles nothing."""

    def __init__(self, patterns: Sequence[Pattern] = PATTERNS) -> None:
        self._patterns = patterns

    def observe(self, tx: Tx, incident: Stored) -> int:
        """Feed one new incident; returns how many incidents it completed."""
        if incident.source != "sensor" or not incident.finding.severity.at_least(LEAST):
            return 0
        processes = processes_of(incident.finding)
        if not processes:
            return 0
        try:
            with tx.savepoint():
                return self._feed(tx, incident, processes)
        except DatabaseError:
            raise
        except Exception:
            logger.exception("kill chain failed incident_row=%d", incident.id)
            tx.count("killchain_failures")
            return 0

    def _feed(self, tx: Tx, incident: Stored, processes: list[str]) -> int:
        store = TreeStore(tx)
        tree = _tree(store, incident, processes)
        store.join(tree, processes)
        store.add(tree, incident)
        seen = store.findings(tree)
        return self._tell_patterns(tx, store, tree, incident, seen) + _tell_progress(
            tx, store, tree, incident, seen
        )

    def _tell_patterns(self, tx: Tx, store: TreeStore, tree: Tree, incident: Stored, seen: list[Seen]) -> int:
        detector = incident.finding.detector
        fitting = [p for p in self._patterns if any(detector in names for _, names in p.steps)]
        if not fitting:
            return 0
        told = store.patterns(tree)
        complete = {p.id: (p, parts) for p in fitting if p.id not in told and (parts := match(p, seen))}
        covered = {name for pattern, _ in complete.values() for name in pattern.covers}
        new = 0
        for pattern, parts in complete.values():
            if pattern.id in covered:
                continue
            stored = tx.insert_incident(
                tell_pattern(pattern, tree.root, [(name, tx.load(one.incident)) for name, one in parts])
            )
            if stored is None:
                continue
            tx.add_members(stored.id, [(step, one.incident) for step, (_, one) in enumerate(parts)])
            store.tell_pattern(tree, pattern.id, stored.id)
            tx.count("killchain_patterns")
            new += 1
        return new


def processes_of(finding: Finding) -> list[str]:
    """Identities of what the finding ties together, nearest first: the process, its near ancestors, what it names."""
    found: dict[str, None] = {}
    process = finding.fields.process
    if process is not None:
        for one in lineage.near(process):
            found[lineage.identity(one.pid, one.start_ns)] = None
    for entity in finding.fields.entities:
        if entity.type is EntityType.PROCESS:
            pid, colon, start = entity.value.partition(":")
            if colon and pid.isdecimal() and start.isdecimal() and int(start):
                found[lineage.identity(int(pid), int(start))] = None
    for evidence in finding.fields.evidence:
        target, start_ns = evidence.details.get("target_pid"), evidence.details.get("target_start_ns")
        if isinstance(target, int) and isinstance(start_ns, int) and target > 2 and start_ns:
            # What an injected process does from now on is the injector's doing.
            found[lineage.identity(target, start_ns)] = None
    return list(found)[:MAX_PROCESSES]


def _tree(store: TreeStore, incident: Stored, processes: list[str]) -> Tree:
    """The tree of the nearest process that has one; trees that this finding shows to be one become one."""
    trees = store.of(processes, incident.ts_ns)
    if not trees:
        process = incident.finding.fields.process
        near = lineage.near(process) if process is not None else []
        root = lineage.identity(near[-1].pid, near[-1].start_ns) if near else processes[0]
        return store.start(root, incident.ts_ns)
    kept = next((one for one in trees if one.incident is not None), trees[0])
    for other in trees:
        if other.id != kept.id and other.incident is None:
            store.merge(kept, other)
    return kept


def match(pattern: Pattern, seen: Sequence[Seen]) -> list[tuple[str, Seen]]:
    """The latest way through the steps within the window, or nothing. `seen` is ordered by time."""
    for last in reversed(seen):
        parts: list[tuple[str, Seen]] = []
        bound = last.ts_ns
        for name, detectors in reversed(pattern.steps):
            used = {one.incident for _, one in parts}
            found = next(
                (
                    one
                    for one in reversed(seen)
                    if one.detector in detectors
                    and one.incident not in used
                    and one.ts_ns <= bound + (SKEW_NS if parts else 0)
                    and one.ts_ns >= last.ts_ns - pattern.window_s * NS
                ),
                None,
            )
            if found is None:
                break
            parts.append((name, found))
            bound = found.ts_ns
        if len(parts) == len(pattern.steps):
            return parts[::-1]
    return []


def _tell_progress(tx: Tx, store: TreeStore, tree: Tree, incident: Stored, seen: Sequence[Seen]) -> int:
    """One incident for a tree, which grows with it."""
    if tree.incident is not None:
        tx.add_members(tree.incident, [(0, incident.id)])
    recent = [one for one in seen if one.ts_ns >= seen[-1].ts_ns - TREE_NS]
    by_detector = {one.detector: one for one in reversed(recent)}
    tactics = {}
    for name, one in by_detector.items():
        techniques = tuple(t for t in one.attack if t.partition(".")[0] not in BEFORE)
        tactics[name] = tactics_of(techniques)
    steps = stages(tactics)
    if len(steps) < PROGRESS_FROM or len(steps) <= tree.told:
        return 0
    severity = PROGRESS_SEVERITY.get(len(steps), Severity.CRITICAL)
    chosen = sorted(
        ((tactic, by_detector[name]) for tactic, name in steps.items()), key=lambda part: part[1].ts_ns
    )
    parts = [(tactic, tx.load(one.incident)) for tactic, one in chosen]
    if tree.incident is not None:
        known = tx.load(tree.incident).finding.fields.incident_id
        grow(tx, tree.incident, tell_progress(known, parts, severity))
        store.tell(tree, len(steps), tree.incident)
        tx.count("killchain_grown")
        return 0
    stored = tx.insert_incident(tell_progress(progress_id(tree.root, tree.first_ns), parts, severity))
    if stored is None:
        return 0
    tx.add_members(stored.id, [(0, one.incident) for one in seen])
    store.tell(tree, len(steps), stored.id)
    tx.count(PROGRESS)
    return 1

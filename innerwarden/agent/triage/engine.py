# SPDX-License-Identifier: Apache-2.0
"""Triage: takes what is not decided, gathers, decides, stores. Nothing is kept in memory between two steps.

A kill at any moment leaves an incident undecided, which the next start decides, or decided with all that follows.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from innerwarden.agent.state.rows import IncidentRow
from innerwarden.agent.state.triage import Decisions, Judged, TriageReader
from innerwarden.agent.state.writer import Writer
from innerwarden.agent.triage.draft import Action, Decision
from innerwarden.agent.triage.facts import Facts
from innerwarden.agent.triage.gather import Batch, Gatherer, Sources, key_of
from innerwarden.agent.triage.orders import order_of
from innerwarden.agent.triage.pipeline import decide
from innerwarden.agent.triage.runs import Runs
from innerwarden.agent.triage.settings import Settings
from innerwarden.clock import realtime_ns
from innerwarden.model.record import Decided, Outcome

logger = logging.getLogger(__name__)

BATCH_ROWS = 100
#: Whether a model is to be asked about a decision.
Asked = Callable[[Facts, Decision], bool]


class Triage:
    """`settings` is called once a step; `now_ns` says which orders are of the last hour; `at_once`: whether the
    responder is asked at once for what is ordered now."""

    def __init__(
        self,
        state_db: Path,
        writer: Writer,
        settings: Callable[[], Settings],
        *,
        sources: Sources | None = None,
        asked: Asked | None = None,
        now_ns: Callable[[], int] = realtime_ns,
        at_once: Callable[[], bool] = lambda: False,
    ) -> None:
        self._at_once = at_once
        self._reader = TriageReader(state_db)
        self._writer = writer
        self._settings = settings
        self._gatherer = Gatherer(self._reader, sources or Sources())
        self._runs = Runs(self._reader, self._gatherer, writer)
        self._asked = asked
        self._now_ns = now_ns
        self._stack = ExitStack()

    def also_close(self, stack: ExitStack) -> None:
        """What its sources hold open."""
        self._stack = stack

    def close(self) -> None:
        self._stack.close()
        self._reader.close()

    def step(self) -> bool:
        """Decide up to BATCH_ROWS incidents, or let playbooks go on; False when there was nothing to do.

        Raises StorageError when the disk refuses: nothing was decided, and the same step may be called again.
        """
        rows = self._reader.undecided(BATCH_ROWS)
        settings = self._settings()
        if not rows:
            return self._runs.advance(settings)
        batch = Batch(self._reader, self._now_ns())
        keys = {row.id: key_of(row) for row in rows}
        stored = {row.id: self._reader.earlier(keys[row.id]) for row in rows}
        listings = self._gatherer.listings([row for row in rows if stored[row.id] is None])
        counted: Counter[str] = Counter({"triage.in": len(rows)})
        judged = []
        for row in rows:
            earlier = batch.earlier(keys[row.id], stored[row.id])
            facts = Facts(incident=row, earlier=earlier)
            decision = self._judge(facts, settings) if earlier is not None else None
            if decision is None or decision.folded_into is None:
                facts = self._gatherer.facts(row, earlier=earlier, batch=batch, listings=listings)
                decision = self._judge(facts, settings)
                asked, ordered = _split(decision)
                batch.decided(keys[row.id], facts, decision.outcome, asked, ordered)
            tally(counted, decision)
            judged.append(self._judged(keys[row.id], facts, decision))
        self._writer.run(
            Decisions(
                judged=tuple(judged),
                counted=dict(counted),
                dry_run=settings.dry_run,
                at_once=self._at_once(),
            )
        )
        return True

    def _judge(self, facts: Facts, settings: Settings) -> Decision:
        """A gate that raises leaves the incident to a person; it stops neither the others nor the loop."""
        try:
            return decide(facts, settings)
        except Exception as error:
            logger.exception("triage failed incident=%s", facts.incident.incident_id)
            outcome = Outcome.NEEDS_REVIEW if facts.is_grave else Outcome.WATCH
            reason = f"triage failed: {type(error).__name__}"
            return Decision(outcome=outcome, by="gate:failure", reason=reason, confidence=0.0)

    def _judged(self, key: bytes, facts: Facts, decision: Decision) -> Judged:
        return Judged(
            incident=facts.incident,
            key=key,
            severity=facts.severity,
            outcome=decision.outcome,
            by=decision.by,
            reason=decision.reason,
            confidence=decision.confidence,
            recorded=decision.folded_into is None
            and (decision.outcome is not Outcome.WATCH or facts.is_grave),
            orders=tuple(
                order_of(facts.incident, action, decision.reason, decision.confidence)
                for action in decision.actions
            ),
            playbooks=decision.playbooks,
            shadowed=tuple(_shadow(facts.incident, action) for action in decision.shadowed),
            folded_into=decision.folded_into,
            asked=decision.folded_into is None and self._asked is not None and self._asked(facts, decision),
        )


def _shadow(incident: IncidentRow, action: Action) -> Decided:
    return Decided(
        incident_id=incident.incident_id,
        outcome=Outcome.WATCH,
        by=action.by,
        reason=f"shadow: {action.reason}",
        verb=action.verb,
        ttl_s=action.ttl_s,
    )


def tally(counted: Counter[str], decision: Decision) -> None:
    """The funnel: per gate how many came in and how many it settled, then what came out."""
    for passage in decision.passages:
        counted[f"triage.gate.{passage.gate}.in"] += 1
        counted[f"triage.gate.{passage.gate}.spoke"] += passage.changed
        counted[f"triage.gate.{passage.gate}.settled"] += passage.settled
    if decision.by == "gate:failure":
        counted["triage.failed"] += 1
    counted["triage.folded" if decision.folded_into else f"triage.outcome.{decision.outcome}"] += 1


def _split(decision: Decision) -> tuple[list[str], list[str]]:
    asked = [a.verb.key() for a in decision.actions if not a.auto]
    ordered = [a.verb.key() for a in decision.actions if a.auto]
    return asked, ordered

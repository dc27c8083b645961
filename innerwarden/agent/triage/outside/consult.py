# SPDX-License-Identifier: Apache-2.0
"""Ask a model about what is decided already. Its answer explains, and may make more of an incident, never less.

It runs beside triage: a model that is slow or gone delays no decision.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import msgspec

from innerwarden.agent.state.consult import Consulted, QuestionReader
from innerwarden.agent.state.lookups import ClaimBudget, Count
from innerwarden.agent.state.rows import IncidentRow, TriageRow
from innerwarden.agent.state.triage import STATUS, TriageReader
from innerwarden.agent.state.writer import Writer
from innerwarden.agent.triage.draft import Draft
from innerwarden.agent.triage.facts import Facts, Opinion
from innerwarden.agent.triage.gates import opinion
from innerwarden.agent.triage.gather import Batch, Gatherer, Sources
from innerwarden.agent.triage.guard import guard
from innerwarden.agent.triage.orders import order_of
from innerwarden.agent.triage.outside.breaker import Breaker
from innerwarden.agent.triage.outside.http import OutsideError
from innerwarden.agent.triage.outside.model import Model
from innerwarden.agent.triage.outside.prompt import opinion_of, told
from innerwarden.agent.triage.settings import Settings
from innerwarden.clock import realtime_ns, rfc3339
from innerwarden.config import ModelConfig
from innerwarden.model.record import Decided, Outcome

logger = logging.getLogger(__name__)

_RANK = (Outcome.DISMISS, Outcome.WATCH, Outcome.NEEDS_REVIEW, Outcome.PROPOSE, Outcome.ACT)


class Consultation:
    """step() belongs to one thread."""

    def __init__(
        self,
        state_db: Path,
        writer: Writer,
        model: Model,
        config: ModelConfig,
        settings: Callable[[], Settings],
    ) -> None:
        self._stack = ExitStack()
        self._questions = QuestionReader(state_db)
        self._stack.callback(self._questions.close)
        self._reader = TriageReader(state_db)
        self._stack.callback(self._reader.close)
        self._gatherer = Gatherer(self._reader, Sources())
        self._writer = writer
        self._model = model
        self._config = config
        self._settings = settings
        self._breaker = Breaker()

    def close(self) -> None:
        self._stack.close()

    def step(self) -> bool:
        """Ask one question; False when there is none. A question is asked once, whatever comes of it."""
        question = self._questions.next()
        if question is None:
            return False
        incident, decided = question
        settings = self._settings()
        facts = self._gatherer.facts(incident, earlier=None, batch=Batch(self._reader), listings={})
        found = self._ask(facts, decided, settings)
        self._writer.run(self._consulted(facts, decided, found, settings))
        return True

    def _ask(self, facts: Facts, decided: TriageRow, settings: Settings) -> Opinion | None:
        if not self._breaker.may_ask():
            self._count("paused")
            return None
        if not self._afford():
            self._count("over_budget")
            return None
        self._count("asked")
        try:
            text = self._model.complete(*told(facts, decided, settings.verbs))
        except OutsideError as error:
            self._breaker.note(False)
            self._count("failed")
            logger.warning("the model gives no answer model=%s reason=%s", self._model.name, error)
            return None
        self._breaker.note(True)
        try:
            return opinion_of(self._model.name, text, facts.incident)
        except OutsideError as error:
            self._count("refused")
            logger.warning("the model's answer is not used model=%s reason=%s", self._model.name, error)
            return None

    def _afford(self) -> bool:
        """Within the hour's and the day's budget, both in UTC."""
        now = rfc3339(realtime_ns())
        for period, limit in ((now[:10], self._config.daily_budget), (now[:13], self._config.hourly_budget)):
            if not self._writer.run(ClaimBudget(name="model", period=period, limit=limit)):
                return False
        return True

    def _count(self, what: str) -> None:
        self._writer.submit(Count({f"triage.lookup.model.{what}": 1}))

    def _consulted(
        self, facts: Facts, decided: TriageRow, found: Opinion | None, settings: Settings
    ) -> Consulted:
        incident, before = facts.incident, Outcome(decided.outcome)
        if found is None:
            return Consulted(incident=incident.id)
        explained = Consulted(incident=incident.id, explanation=found.explanation)
        if before in (Outcome.ACT, Outcome.PROPOSE):
            return explained
        draft = opinion.gate(_with(facts, found), settings, Draft(outcome=before, by=decided.by))
        after = guard(facts, settings, draft)
        if _RANK.index(after.outcome) <= _RANK.index(before):
            return explained
        return Consulted(
            incident=incident.id,
            explanation=found.explanation,
            before=incident.status,
            status=STATUS[after.outcome],
            entry=_entry(incident, after.outcome, after.by, after.reason),
            orders=tuple(
                order_of(incident, action, after.reason, after.confidence) for action in after.actions
            ),
            severity=facts.severity,
            dry_run=settings.dry_run,
        )


def _with(facts: Facts, found: Opinion) -> Facts:
    return msgspec.structs.replace(facts, opinion=found)


def _entry(incident: IncidentRow, outcome: Outcome, by: str, reason: str) -> Decided:
    return Decided(incident_id=incident.incident_id, outcome=outcome, by=by, reason=reason)

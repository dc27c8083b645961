# SPDX-License-Identifier: Apache-2.0
"""Playbooks go on: the next step is asked for when the one before has ended. All progress is in state.db."""

from __future__ import annotations

from innerwarden.agent.state.rows import IncidentRow
from innerwarden.agent.state.triage import AdvanceRun, Run, TriageReader
from innerwarden.agent.state.writer import Writer
from innerwarden.agent.triage.draft import Draft
from innerwarden.agent.triage.gates import trust
from innerwarden.agent.triage.gates.playbooks import step_actions
from innerwarden.agent.triage.gather import Batch, Gatherer
from innerwarden.agent.triage.guard import allowed_actions
from innerwarden.agent.triage.orders import order_of
from innerwarden.agent.triage.playbook import Playbook
from innerwarden.agent.triage.settings import Settings
from innerwarden.agent.triage.targets import verbs_for
from innerwarden.model.record import Decided, Outcome

BATCH = 50
_DONE = frozenset({"active", "undoing", "undone", "done", "dry_run"})


class Runs:
    """Belongs to the thread of its reader."""

    def __init__(self, reader: TriageReader, gatherer: Gatherer, writer: Writer) -> None:
        self._reader = reader
        self._gatherer = gatherer
        self._writer = writer

    def advance(self, settings: Settings) -> bool:
        """Let up to BATCH playbooks go on by a step; False when none could."""
        playbooks = {playbook.id: playbook for playbook in settings.playbooks}
        runs = self._reader.runs_to_advance(BATCH)
        for run in runs:
            incident = self._reader.by_number(run.incident)
            playbook = playbooks.get(run.playbook)
            if incident is None or playbook is None or run.step >= len(playbook.steps):
                self._writer.run(_end(run, "aborted"))
            else:
                self._writer.run(self._next(settings, run, playbook, incident))
        return bool(runs)

    def _next(self, settings: Settings, run: Run, playbook: Playbook, incident: IncidentRow) -> AdvanceRun:
        step = playbook.steps[run.step]
        by = f"playbook:{playbook.id}/{step.id}"
        if not self._succeeded(by, step.verb, incident) and step.on_error == "abort":
            reason = "the step failed, was refused or denied, or had no target; the rest is not asked for"
            entry = Decided(
                incident_id=incident.incident_id, outcome=Outcome.NEEDS_REVIEW, by=by, reason=reason
            )
            return _end(run, "aborted", entry)
        number = run.step + 1
        if number == len(playbook.steps):
            return _end(run, "done")
        facts = self._gatherer.facts(incident, earlier=None, batch=Batch(self._reader), listings={})
        held = trust.gate(facts, settings, Draft()).held
        actions, missing = step_actions(playbook, number, facts, held=held)
        kept, refusals = allowed_actions(facts, settings, actions)
        reason = "; ".join([playbook.title, *missing, *refusals])
        return AdvanceRun(
            incident=run.incident,
            playbook=run.playbook,
            step=run.step,
            next_step=number,
            state="running",
            orders=tuple(order_of(incident, action, reason, None) for action in kept),
        )

    def _succeeded(self, by: str, verb: str, incident: IncidentRow) -> bool:
        """Done by this step, or in effect by something else."""
        states = self._reader.states_of(incident.id, by)
        keys = [one.key() for one in verbs_for(verb, incident)[0]]
        live, proposed = self._reader.live(keys) if keys else (frozenset(), frozenset())
        return bool(states & _DONE or live or (proposed and not states))


def _end(run: Run, state: str, entry: Decided | None = None) -> AdvanceRun:
    return AdvanceRun(
        incident=run.incident,
        playbook=run.playbook,
        step=run.step,
        next_step=run.step,
        state=state,
        entry=entry,
    )

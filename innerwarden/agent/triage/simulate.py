# SPDX-License-Identifier: Apache-2.0
"""What playbooks would do about a stored incident, by the same functions that decide; nothing is written."""

from __future__ import annotations

from pathlib import Path

import msgspec

from innerwarden.agent.state.rows import IncidentRow
from innerwarden.agent.state.triage import TriageReader
from innerwarden.agent.triage.draft import Draft
from innerwarden.agent.triage.facts import Facts
from innerwarden.agent.triage.gates import trust
from innerwarden.agent.triage.gates.playbooks import step_actions
from innerwarden.agent.triage.gather import Batch, Gatherer, Sources
from innerwarden.agent.triage.guard import allowed_actions
from innerwarden.agent.triage.playbook import Playbook
from innerwarden.agent.triage.settings import Settings
from innerwarden.clock import NS
from innerwarden.config import Config


class StepTried(msgspec.Struct, frozen=True, kw_only=True):
    """`answer`: act, propose, or why not."""

    step: str
    verb: str
    target: str
    answer: str


class PlaybookTried(msgspec.Struct, frozen=True, kw_only=True):
    """`objection` None: it applies."""

    playbook: str
    objection: str | None
    steps: tuple[StepTried, ...] = ()


def simulate(state_db: Path, row: IncidentRow, settings: Settings, config: Config) -> list[PlaybookTried]:
    """One answer a playbook, as if the incident came now."""
    reader = TriageReader(state_db)
    try:
        gatherer = Gatherer(reader, Sources(related_ns=config.triage.related_s * NS))
        facts = gatherer.facts(row, earlier=None, batch=Batch(reader), listings={})
        return [_try(playbook, facts, settings) for playbook in settings.playbooks]
    finally:
        reader.close()


def _try(playbook: Playbook, facts: Facts, settings: Settings) -> PlaybookTried:
    objection = playbook.objection(facts.incident, facts.severity, facts.related.chains)
    if objection is not None:
        return PlaybookTried(playbook=playbook.id, objection=objection)
    held = trust.gate(facts, settings, Draft()).held
    steps = []
    for number, step in enumerate(playbook.steps):
        actions, missing = step_actions(playbook, number, facts, held=held)
        steps += [StepTried(step=step.id, verb=step.verb, target="-", answer=text) for text in missing]
        for action in actions:
            kept, refusals = allowed_actions(facts, settings, (action,))
            answer = "; ".join(refusals) if not kept else "act" if kept[0].auto else "propose"
            if kept and refusals:
                answer += f" ({'; '.join(refusals)})"
            if playbook.shadow:
                answer = f"shadow: {answer}"
            target = action.verb.target().value
            steps.append(StepTried(step=step.id, verb=step.verb, target=target, answer=answer))
    return PlaybookTried(playbook=playbook.id, objection=None, steps=tuple(steps))

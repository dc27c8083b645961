# SPDX-License-Identifier: Apache-2.0
"""Playbooks that apply. Whatever they say, the gates after them are asked."""

from __future__ import annotations

import msgspec

from innerwarden.agent.triage.draft import Action, Draft
from innerwarden.agent.triage.facts import Facts
from innerwarden.agent.triage.playbook import Playbook
from innerwarden.agent.triage.settings import Settings
from innerwarden.agent.triage.targets import verbs_for


def gate(facts: Facts, settings: Settings, draft: Draft) -> Draft:
    """The first step of each joins the actions; the later ones follow as the earlier ones end."""
    for playbook in settings.playbooks:
        if playbook.objection(facts.incident, facts.severity, facts.related.chains) is not None:
            continue
        if playbook.shadow:
            would = [a for n in range(len(playbook.steps)) for a in step_actions(playbook, n, facts)[0]]
            draft = msgspec.structs.replace(draft, shadowed=(*draft.shadowed, *would))
            draft = draft.because(f"playbook {playbook.id} would apply (shadow)")
            continue
        actions, missing = step_actions(playbook, 0, facts, held=draft.held)
        draft = msgspec.structs.replace(
            draft,
            by=draft.by or f"playbook:{playbook.id}",
            actions=(*draft.actions, *actions),
            playbooks=(*draft.playbooks, playbook.id),
        ).because(f"playbook {playbook.id}: {playbook.title}", *missing)
    return draft


def step_actions(
    playbook: Playbook, number: int, facts: Facts, *, held: bool = False
) -> tuple[tuple[Action, ...], list[str]]:
    """What one step asks for, and why some of it cannot be."""
    step = playbook.steps[number]
    verbs, missing = verbs_for(step.verb, facts.incident)
    actions = tuple(
        Action(
            by=f"playbook:{playbook.id}/{step.id}",
            verb=verb,
            ttl_s=step.ttl_s,
            reason=f"step {number + 1} of {len(playbook.steps)} of playbook {playbook.id}",
            auto=playbook.auto_execute and not held,
        )
        for verb in verbs
    )
    return actions, missing

# SPDX-License-Identifier: Apache-2.0
"""What a model said of it. It may ask a person to look, or propose; it settles nothing and lowers nothing."""

from __future__ import annotations

import msgspec

from innerwarden.agent.triage.draft import Action, Draft
from innerwarden.agent.triage.facts import Facts
from innerwarden.agent.triage.settings import Settings
from innerwarden.agent.triage.targets import verb_for
from innerwarden.model.record import Outcome

TTL_S = 3600


def gate(facts: Facts, settings: Settings, draft: Draft) -> Draft:
    opinion = facts.opinion
    if opinion is None or not opinion.concern:
        return draft
    by = f"model:{opinion.model}"
    draft = draft.because(f"{opinion.model} would have it looked at")
    if draft.outcome in (None, Outcome.WATCH, Outcome.DISMISS) and not draft.actions:
        draft = msgspec.structs.replace(draft, outcome=Outcome.NEEDS_REVIEW, by=by)
    if opinion.verb is None or opinion.target is None or draft.actions:
        return draft
    built = verb_for(opinion.verb, opinion.target, facts.incident)
    if isinstance(built, str):
        return draft.because(f"{opinion.verb}: {built}")
    action = Action(by=by, verb=built, ttl_s=TTL_S, reason="a model proposes it")
    return msgspec.structs.replace(draft, actions=(action,), by=by)

# SPDX-License-Identifier: Apache-2.0
"""The table of rules: the first one that applies says what to do."""

from __future__ import annotations

import msgspec

from innerwarden.agent.triage.confidence import total
from innerwarden.agent.triage.draft import Action, Draft
from innerwarden.agent.triage.facts import Facts
from innerwarden.agent.triage.rule import Rule
from innerwarden.agent.triage.settings import Settings
from innerwarden.agent.triage.targets import verbs_for
from innerwarden.model.record import Outcome


def gate(facts: Facts, settings: Settings, draft: Draft) -> Draft:
    confidence = total(facts.severity, draft.contributions)
    for rule in settings.rules:
        if rule.applies(facts.incident.detector, facts.severity) and confidence >= rule.min_confidence:
            return _apply(rule, facts, draft)
    return draft


def _apply(rule: Rule, facts: Facts, draft: Draft) -> Draft:
    by = f"rule:{rule.id}"
    if rule.outcome is not None:
        return msgspec.structs.replace(draft, outcome=Outcome(rule.outcome), by=by).because(rule.why)
    verbs, missing = verbs_for(rule.verb or "", facts.incident)
    sure = total(facts.severity, draft.contributions, hard_only=True) >= rule.min_confidence
    auto = rule.auto_execute and sure and not draft.held
    actions = tuple(Action(by=by, verb=verb, ttl_s=rule.ttl_s, reason=rule.why, auto=auto) for verb in verbs)
    if rule.auto_execute and not sure:
        draft = draft.because("without reputation and model it is not sure enough to act unasked")
    draft = msgspec.structs.replace(draft, by=by, actions=(*draft.actions, *actions))
    return draft.because(rule.why, *missing)

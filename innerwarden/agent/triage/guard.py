# SPDX-License-Identifier: Apache-2.0
"""What no gate, rule, playbook or model can get around: every decision leaves the pipeline through `guard`."""

from __future__ import annotations

import logging

import msgspec

from innerwarden.agent.triage.confidence import spelled, total
from innerwarden.agent.triage.draft import Action, Decision, Draft, Passage
from innerwarden.agent.triage.facts import Facts, Role
from innerwarden.agent.triage.settings import Settings
from innerwarden.agent.triage.targets import ENTITIES_OF, PASSIVE
from innerwarden.log import safe
from innerwarden.model.entity import EntityType
from innerwarden.model.finding import OBSERVE_ONLY
from innerwarden.model.record import Outcome
from innerwarden.model.severity import Severity
from innerwarden.model.verb import AnyVerb, BlockAddress
from innerwarden.trust.networks import address_of

logger = logging.getLogger(__name__)

#: From here on an incident that nothing else decided is a person's.
REVIEW_CONFIDENCE = 0.60


def guard(facts: Facts, settings: Settings, draft: Draft, passages: tuple[Passage, ...] = ()) -> Decision:
    """The decision that may be made of a draft."""
    actions, refusals = allowed_actions(facts, settings, () if draft.folded_into else draft.actions)
    reasons = [*draft.reasons, *dict.fromkeys(refusals)]
    confidence = total(facts.severity, draft.contributions)
    outcome, by = _outcome(facts, draft, actions, confidence)
    if facts.is_grave and outcome is Outcome.DISMISS:
        outcome, by = Outcome.NEEDS_REVIEW, "gate:guard"
        reasons.append(f"{facts.severity} is never dismissed")
    if draft.folded_into is None:
        reasons.append(spelled(facts.severity, draft.contributions))
    return Decision(
        outcome=outcome,
        by=by,
        reason="; ".join(reasons),
        confidence=confidence,
        actions=actions if outcome in (Outcome.ACT, Outcome.PROPOSE) else (),
        playbooks=draft.playbooks,
        shadowed=draft.shadowed,
        folded_into=draft.folded_into,
        passages=passages,
    )


def _outcome(
    facts: Facts, draft: Draft, actions: tuple[Action, ...], confidence: float
) -> tuple[Outcome, str]:
    if actions and not draft.settled:
        first = next((a for a in actions if a.auto), actions[0])
        return (Outcome.ACT if first.auto else Outcome.PROPOSE), first.by
    if draft.outcome not in (None, Outcome.ACT, Outcome.PROPOSE):  # without an action these two say nothing
        return draft.outcome, draft.by
    if facts.is_grave:
        return Outcome.NEEDS_REVIEW, "gate:severity"
    if facts.severity is Severity.MEDIUM and confidence >= REVIEW_CONFIDENCE:
        return Outcome.NEEDS_REVIEW, "gate:confidence"
    return Outcome.WATCH, "gate:severity"


def allowed_actions(
    facts: Facts, settings: Settings, actions: tuple[Action, ...]
) -> tuple[tuple[Action, ...], list[str]]:
    """Those that may be done or proposed, one an effect; why the others may not, and what was changed."""
    kept: dict[str, Action] = {}
    refusals: list[str] = []
    for action in actions:
        refusal = objection(facts, settings, action)
        if refusal is not None:
            refusals.append(f"not {action.verb.id} {_target_text(action.verb)}: {refusal}")
            continue
        allowed, note = _without_asking(facts, settings, _longer(facts, action))
        if not allowed.auto and allowed.verb.key() in facts.load.proposed:
            refusals.append(f"not {action.verb.id} {_target_text(action.verb)}: it is proposed already")
            continue
        if note:
            refusals.append(f"would {action.verb.id} {_target_text(action.verb)}, but {note}")
        if allowed.ttl_s != action.ttl_s:
            hours = allowed.ttl_s // 3600
            refusals.append(f"{_target_text(action.verb)} was blocked before, so this time for {hours} h")
        key = allowed.verb.key()
        if key not in kept or (allowed.auto and not kept[key].auto):
            kept[key] = allowed
    room = settings.max_proposals - facts.load.proposals
    proposed = [key for key, action in kept.items() if not action.auto]
    for key in proposed[max(0, room) :]:
        del kept[key]
        refusals.append(f"not proposed: {key}, because {settings.max_proposals} proposals wait already")
    return tuple(kept.values()), refusals


def _longer(facts: Facts, action: Action) -> Action:
    """A block of an address that was blocked before lasts longer; what a rule says is not shortened."""
    if not isinstance(action.verb, BlockAddress):
        return action
    least_s = facts.repeat_ttl_s.get(action.verb.target().value, 0)
    return msgspec.structs.replace(action, ttl_s=max(action.ttl_s, least_s))


def _target_text(verb: AnyVerb) -> str:
    return safe(verb.target().value, 100)


def objection(facts: Facts, settings: Settings, action: Action) -> str | None:
    """Why this must not even be proposed, or None."""
    verb = action.verb
    if (wrong := _wrong_incident(facts, verb) or _wrong_target(facts, verb)) is not None:
        return wrong
    if verb.key() in facts.load.live:
        return "it is ordered or in effect already"
    if verb.id not in settings.verbs:
        return "responder.verbs does not name it"
    try:
        ruling = settings.may(verb)
    except Exception:  # the last check before something is done: no answer is no
        logger.exception("the safety check failed verb=%s", verb.id)
        return "the safety check failed"
    return None if ruling.allowed else f"{ruling.reason} ({ruling.rule})"


def _wrong_incident(facts: Facts, verb: AnyVerb) -> str | None:
    if verb.id not in ENTITIES_OF:
        return "no such verb"
    return f"it is tagged {OBSERVE_ONLY}" if OBSERVE_ONLY in facts.incident.fields.tags else None


def _wrong_target(facts: Facts, verb: AnyVerb) -> str | None:
    target = verb.target()
    if target not in facts.incident.fields.entities:
        return "it is no entity of the incident"
    if target.type is not EntityType.IP:
        return None
    if address_of(target.value) is None:
        return "it is no single address"
    role = facts.roles.get(target.value, Role.OTHER)
    if role is Role.OTHER and verb.id not in PASSIVE:
        return "nothing shows that it came to this machine; where a program connected to is no attacker"
    return None


def _without_asking(facts: Facts, settings: Settings, action: Action) -> tuple[Action, str]:
    """The action, asked for where it may not be done unasked; and the reason for that."""
    if not action.auto:
        return action, ""
    asked = msgspec.structs.replace(action, auto=False)
    if action.by.startswith("model:"):
        return asked, "a model never acts by itself"
    target = action.verb.target()
    if target.type is EntityType.IP and facts.roles.get(target.value) is Role.CLAIMED:
        return asked, "its address could be forged"
    if not settings.enabled:
        return asked, "responder.enabled is false"
    if facts.load.orders_in_hour >= settings.hourly_cap:
        return asked, f"{settings.hourly_cap} actions began within the hour"
    return action, ""

# SPDX-License-Identifier: Apache-2.0
"""The one ordered pipeline. Every gate is here, in order, and nowhere else; behind them stands the guard."""

from __future__ import annotations

from collections.abc import Callable

from innerwarden.agent.triage.draft import Decision, Draft, Passage
from innerwarden.agent.triage.facts import Facts
from innerwarden.agent.triage.gates import (
    correlation,
    dedupe,
    enrichment,
    opinion,
    playbooks,
    posture,
    rules,
    trust,
)
from innerwarden.agent.triage.guard import guard
from innerwarden.agent.triage.settings import Settings

Gate = Callable[[Facts, Settings, Draft], Draft]

GATES: tuple[tuple[str, Gate], ...] = (
    ("dedupe", dedupe.gate),
    ("trust", trust.gate),
    ("posture", posture.gate),
    ("enrichment", enrichment.gate),
    ("correlation", correlation.gate),
    ("rules", rules.gate),
    ("playbooks", playbooks.gate),
    ("opinion", opinion.gate),
)


def decide(facts: Facts, settings: Settings) -> Decision:
    """What is made of an incident. It depends on its arguments alone."""
    draft = Draft()
    passages = []
    for name, gate in GATES:
        after = gate(facts, settings, draft)
        passages.append(Passage(name, after != draft, after.settled))
        draft = after
        if draft.settled:
            break
    return guard(facts, settings, draft, tuple(passages))

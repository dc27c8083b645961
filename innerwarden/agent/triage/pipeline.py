# SPDX-License-Identifier: Apache-2.0
"""The one ordered pipeline: the gates that model.record.GATES names, and behind them the guard."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from innerwarden.agent.triage import gates
from innerwarden.agent.triage.draft import Decision, Draft, Passage
from innerwarden.agent.triage.facts import Facts
from innerwarden.agent.triage.guard import guard
from innerwarden.agent.triage.settings import Settings
from innerwarden.model import record

Gate = Callable[[Facts, Settings, Draft], Draft]

GATES: tuple[tuple[str, Gate], ...] = tuple(
    (name, importlib.import_module(f"{gates.__name__}.{name}").gate) for name in record.GATES
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

# SPDX-License-Identifier: Apache-2.0
"""What else is known about the same entities."""

from __future__ import annotations

from innerwarden.agent.triage.confidence import Contribution
from innerwarden.agent.triage.draft import Draft
from innerwarden.agent.triage.facts import Facts
from innerwarden.agent.triage.settings import Settings

#: By number of different detectors, this one included; the last stands for more.
DETECTORS = {2: 0.05, 3: 0.10, 4: 0.15}
CHAIN = 0.15
OFFENDER = 0.10
BLIND = -0.05


def gate(facts: Facts, settings: Settings, draft: Draft) -> Draft:
    related = facts.related
    different = len({*related.detectors, facts.incident.detector})
    if value := DETECTORS.get(min(different, max(DETECTORS))):
        names = ", ".join(sorted(related.detectors)[:5])
        draft = draft.count(Contribution(value, f"{different} detectors about the same ({names})"))
    if related.chains:
        draft = draft.count(Contribution(CHAIN, f"part of {', '.join(related.chains)}"))
    elif facts.incident.source == "correlation":
        draft = draft.count(Contribution(CHAIN, "a chain of several findings"))
    if related.offences:
        draft = draft.count(
            Contribution(OFFENDER, f"actions against it that took effect before: {related.offences}")
        )
    if facts.incident.fields.blind:
        draft = draft.count(Contribution(BLIND, "something was lost or unseen meanwhile"))
    return draft

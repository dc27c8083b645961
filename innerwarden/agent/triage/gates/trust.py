# SPDX-License-Identifier: Apache-2.0
"""Who the operator trusts. It lowers; it never makes High or Critical go away."""

from __future__ import annotations

import msgspec

from innerwarden.agent.triage.confidence import Contribution
from innerwarden.agent.triage.draft import Draft
from innerwarden.agent.triage.facts import Facts
from innerwarden.agent.triage.settings import Settings
from innerwarden.model.record import Outcome


def gate(facts: Facts, settings: Settings, draft: Draft) -> Draft:
    """What the sensor lowered is settled; what an entry covers without lowering it is never acted on unasked."""
    mark = facts.incident.fields.trusted
    if mark is not None and mark.lowered:
        text = f"trust entry {mark.entry} of {mark.owner}: {mark.reason}"
        outcome = Outcome.WATCH if facts.is_grave else Outcome.DISMISS
        return draft.settle(outcome, "gate:trust", f"{text}; the detector said {mark.severity}")
    entry = mark.entry if mark is not None else facts.trusted_by
    if entry is None:
        return draft
    held = msgspec.structs.replace(draft, held=True).count(
        Contribution(-0.20, f"trust entry {entry} covers it")
    )
    return held.because(f"trust entry {entry} covers it, so nothing is done unasked")

# SPDX-License-Identifier: Apache-2.0
"""What others know of an address. It raises concern or does nothing; no answer is no fact."""

from __future__ import annotations

from innerwarden.agent.triage.confidence import Contribution
from innerwarden.agent.triage.draft import Draft
from innerwarden.agent.triage.facts import Facts
from innerwarden.agent.triage.settings import Settings

ONE, SEVERAL = 0.10, 0.15


def gate(facts: Facts, settings: Settings, draft: Draft) -> Draft:
    draft = draft.because(*facts.places)
    listed = [one for one in facts.listings if one.listed]
    if not listed:
        return draft
    names = sorted({one.provider for one in listed})
    value = ONE if len(names) == 1 else SEVERAL
    draft = draft.count(Contribution(value, f"listed by {', '.join(names)}", soft=True))
    return draft.because(*(f"{one.provider} on {one.address}: {one.text}" for one in listed[:4]))

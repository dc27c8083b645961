# SPDX-License-Identifier: Apache-2.0
"""What was decided a moment ago about the same detector and the same entities stands for this one too."""

from __future__ import annotations

import msgspec

from innerwarden.agent.triage.draft import Draft
from innerwarden.agent.triage.facts import Facts
from innerwarden.agent.triage.settings import Settings
from innerwarden.model.record import Outcome


def gate(facts: Facts, settings: Settings, draft: Draft) -> Draft:
    """Fold, unless this one is graver than what was decided. The incident stays, and says into which it folds."""
    earlier = facts.earlier
    if (
        earlier is None
        or not earlier.severity.at_least(facts.severity)
        or abs(facts.incident.ts_ns - earlier.ts_ns) > settings.dedupe_ns
    ):
        return draft
    reason = f"the same as {earlier.incident_id}, for which the decision was {earlier.outcome}"
    folded = draft.settle(Outcome.WATCH, "gate:dedupe", reason)
    return msgspec.structs.replace(folded, folded_into=earlier.incident_id)

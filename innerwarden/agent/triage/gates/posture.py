# SPDX-License-Identifier: Apache-2.0
"""What this host does not offer cannot be taken: guesses at passwords where SSH takes none."""

from __future__ import annotations

from innerwarden.agent.triage.draft import Draft
from innerwarden.agent.triage.facts import Facts
from innerwarden.agent.triage.settings import Settings
from innerwarden.model.record import Outcome
from innerwarden.model.severity import Severity

#: They report guesses at SSH passwords and nothing else.
SSH_GUESSING = frozenset(
    {
        "ssh_bruteforce",
        "ssh_network_guessing",
        "ssh_patient_guessing",
        "distributed_ssh",
        "credential_stuffing",
    }
)


def gate(facts: Facts, settings: Settings, draft: Draft) -> Draft:
    """Only a known answer counts, never for Critical, and never when somebody is in."""
    if (
        facts.incident.detector not in SSH_GUESSING
        or facts.ssh.password is not False
        or facts.landing is not None
        or facts.severity is Severity.CRITICAL
    ):
        return draft
    return draft.settle(
        Outcome.WATCH, "gate:posture", "sshd takes no passwords on this host, so guesses lead nowhere"
    )

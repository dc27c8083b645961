# SPDX-License-Identifier: Apache-2.0
"""What the operator decided beforehand: rules, playbooks, switches and bounds. Read once, at the start."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from innerwarden.agent.triage.playbook import Playbook
from innerwarden.agent.triage.rule import Rule
from innerwarden.clock import NS
from innerwarden.model.verb import AnyVerb
from innerwarden.safety import Verdict

#: innerwarden.safety.may_act with the host's facts and the policy already given.
May = Callable[[AnyVerb], Verdict]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    rules: tuple[Rule, ...]
    may: May
    playbooks: tuple[Playbook, ...] = ()
    enabled: bool = False
    """responder.enabled."""
    dry_run: bool = True
    """responder.dry_run; the responder judges by its own."""
    verbs: tuple[str, ...] = ()
    """responder.verbs."""
    hourly_cap: int = 100
    max_proposals: int = 200
    dedupe_ns: int = 600 * NS

# SPDX-License-Identifier: Apache-2.0
"""Which mode each rule really gets."""

from __future__ import annotations

from innerwarden.config import EnforcementConfig, ResponderConfig, RuleMode
from innerwarden.model._wire import EnforcementRule
from innerwarden.switches import MODES, effective_mode


def asked_modes(enforcement: EnforcementConfig) -> dict[EnforcementRule, RuleMode]:
    """Rule -> mode as configured. A rule without a list to judge by is off: its programs stay out of the kernel."""
    groups = [listed.mode for listed in enforcement.exec_allow.values()]
    allow: RuleMode = max(groups, key=MODES.__getitem__, default="off")
    return {
        EnforcementRule.EXEC_DENY: enforcement.exec_mode if enforcement.exec_deny else "off",
        EnforcementRule.EXEC_ALLOW: allow,
        EnforcementRule.FILE_PROTECT: enforcement.file_mode if enforcement.protected_files else "off",
        EnforcementRule.BPF: enforcement.bpf_mode,
        EnforcementRule.SELF_SIGNAL: enforcement.self_mode,
        EnforcementRule.SELF_PTRACE: enforcement.self_mode,
    }


def effective_modes(responder: ResponderConfig) -> dict[EnforcementRule, int]:
    """Rule -> mode for the kernel."""
    asked = asked_modes(responder.enforcement)
    return {rule: effective_mode(responder, mode) for rule, mode in asked.items()}

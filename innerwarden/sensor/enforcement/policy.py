# SPDX-License-Identifier: Apache-2.0
"""The switches: which mode a rule really gets. Every path to a refusal goes through `effective_mode`."""

from __future__ import annotations

from innerwarden.config import EnforcementConfig, ResponderConfig, RuleMode
from innerwarden.errors import UsageError
from innerwarden.model._wire import EnforcementMode, EnforcementRule

OFF = 0

#: Name in the configuration -> what the kernel programs read.
MODES: dict[str, int] = {
    "off": OFF,
    "observe": EnforcementMode.OBSERVE,
    "rehearse": EnforcementMode.REHEARSE,
    "enforce": EnforcementMode.ENFORCE,
}


def switches_on(responder: ResponderConfig) -> bool:
    """Both of them, and nothing that merely counts as true."""
    return responder.enabled is True and responder.dry_run is False


def effective_mode(responder: ResponderConfig, asked: str) -> int:
    """The mode to write into the kernel for a rule that is asked to be in mode `asked`.

    Never above observe unless both switches are on. Raises UsageError for a mode that there is not.
    """
    if asked not in MODES:
        raise UsageError(f"there is no enforcement mode {asked!r}", f"Use one of {', '.join(MODES)}")
    mode = MODES[asked]
    return mode if switches_on(responder) else min(mode, EnforcementMode.OBSERVE)


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

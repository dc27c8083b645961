# SPDX-License-Identifier: Apache-2.0
"""From the configuration to lists and modes. A file that does not exist yet is listed as soon as it does."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

from innerwarden.config import AllowListConfig, EnforcementConfig, ResponderConfig
from innerwarden.errors import UsageError
from innerwarden.model._wire import EnforcementRule
from innerwarden.sensor.enforcement.lists import Exempt
from innerwarden.sensor.enforcement.policy import asked_modes
from innerwarden.sensor.enforcement.rules import OPERATOR, Enforcement

#: Rule -> programs that carry it out.
PROGRAMS: dict[EnforcementRule, tuple[str, ...]] = {
    EnforcementRule.EXEC_DENY: ("iw_lsm_exec",),
    EnforcementRule.EXEC_ALLOW: ("iw_lsm_exec",),
    EnforcementRule.FILE_PROTECT: (
        "iw_lsm_file_open",
        "iw_lsm_inode_rename",
        "iw_lsm_inode_unlink",
        "iw_lsm_path_truncate",
    ),
    EnforcementRule.BPF: ("iw_lsm_bpf", "iw_lsm_bpf_map"),
    EnforcementRule.SELF_SIGNAL: ("iw_lsm_task_kill",),
    EnforcementRule.SELF_PTRACE: ("iw_lsm_ptrace",),
}


def wanted_programs(config: EnforcementConfig) -> frozenset[str]:
    """LSM programs that have something to judge by; the others stay out of the kernel and cost nothing."""
    asked = asked_modes(config)
    return frozenset(program for rule, mode in asked.items() if mode != "off" for program in PROGRAMS[rule])


def apply(enforcement: Enforcement, responder: ResponderConfig) -> tuple[str, ...]:
    """Fill the lists, then set the modes. Returns what could not be listed, one sentence each."""
    config, problems = responder.enforcement, []
    steps: list[Callable[[], object]] = [
        *(partial(enforcement.exemptions.add, p, Exempt.WRITE, awaited=True) for p in config.file_writers),
        *(partial(enforcement.exemptions.add, p, Exempt.BPF, awaited=True) for p in config.bpf_programs),
        *(partial(enforcement.exemptions.add, p, Exempt.SELF, awaited=True) for p in config.self_programs),
        *(partial(enforcement.deny.add, p, awaited=True) for p in config.exec_deny),
        *(partial(enforcement.files.add, p, awaited=True) for p in config.protected_files),
        *(partial(_allow, enforcement, group, listed) for group, listed in config.exec_allow.items()),
    ]
    for step in steps:
        try:
            step()
        except UsageError as error:
            problems.append(str(error))
    parent = os.getppid()
    if parent > 1:
        # Whoever started this process by hand may end it by hand; process 1 may anyway.
        enforcement.protect_process(parent, OPERATOR)
    for rule, mode in asked_modes(config).items():
        enforcement.set_mode(rule, mode)
    return tuple(problems)


def _allow(enforcement: Enforcement, group: str, listed: AllowListConfig) -> None:
    enforcement.allow_only(group, listed.mode, awaited=True)
    for path in listed.programs:
        enforcement.allow.add(group, path, awaited=True)

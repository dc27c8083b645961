# SPDX-License-Identifier: Apache-2.0
"""The two switches: everything here tries to get a mode above observe without both of them."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from innerwarden import config
from innerwarden.config import AllowListConfig, Config, EnforcementConfig, ResponderConfig, RuleMode
from innerwarden.errors import ConfigError, UsageError
from innerwarden.model._wire import EnforcementMode, EnforcementRule
from innerwarden.sensor.enforcement.apply import PROGRAMS, wanted_programs
from innerwarden.sensor.enforcement.policy import asked_modes, effective_modes
from innerwarden.sensor.kernel_hooks import HOOKS, LSM
from innerwarden.switches import MODES, OFF, effective_mode, switches_on

ALL_ASKED = EnforcementConfig(
    exec_mode="enforce",
    exec_deny=("/bin/x",),
    exec_allow={"/a": AllowListConfig(mode="enforce"), "/b": AllowListConfig(mode="observe")},
    file_mode="enforce",
    protected_files=("/etc/x",),
    bpf_mode="enforce",
    self_mode="enforce",
)
#: What a careless writer might put where a switch is read.
VALUES: tuple[Any, ...] = (False, True, 0, 1, "", "false", "true", None, [], [False], 0.0, 1.0)


def test_the_modes_are_those_of_the_configuration() -> None:
    assert set(MODES) == set(get_args(RuleMode))
    assert {"off": OFF, **{m.name.lower(): m for m in EnforcementMode}} == MODES


@pytest.mark.parametrize(("enabled", "dry_run"), list(itertools.product(VALUES, VALUES)))
def test_nothing_but_both_switches_is_both_switches(enabled: Any, dry_run: Any) -> None:
    responder = ResponderConfig(enabled=enabled, dry_run=dry_run, enforcement=ALL_ASKED)
    both = (type(enabled), enabled, type(dry_run), dry_run) == (bool, True, bool, False)
    assert switches_on(responder) is both
    highest = EnforcementMode.ENFORCE if both else EnforcementMode.OBSERVE
    assert set(effective_modes(responder).values()) == {highest}
    for asked in get_args(RuleMode):
        assert effective_mode(responder, asked) == min(MODES[asked], highest)


def test_the_defaults_ask_for_nothing() -> None:
    assert set(effective_modes(Config().responder).values()) == {OFF}
    assert wanted_programs(Config().responder.enforcement) == frozenset()


@pytest.mark.parametrize("asked", ["", "Enforce", "deny", "3", "enforce "])
def test_an_unknown_mode_is_refused(asked: str) -> None:
    with pytest.raises(UsageError, match="there is no enforcement mode"):
        effective_mode(ResponderConfig(enabled=True, dry_run=False), asked)


@pytest.mark.parametrize(
    "text",
    [
        'enabled = "true"',
        "enabled = 1",
        "dry_run = 0",
        'dry_run = "false"',
        '[responder.enforcement]\nexec_mode = "deny"',
        "[responder.enforcement]\nexec_mode = 3",
        "[responder.enforcement]\nenabled = true",
        '[responder.enforcement]\nexec_deny = ["nc"]',
        '[responder.enforcement]\nprotected_files = ["/etc/../etc/passwd"]',
        '[responder.enforcement.exec_allow."system.slice"]\nmode = "observe"',
        '[responder.enforcement.exec_allow."/x"]\nprograms = ["sh"]',
    ],
)
def test_the_file_is_not_interpreted_kindly(text: str) -> None:
    with pytest.raises(ConfigError):
        config.parse(f"[responder]\n{text}\n", "test.toml")


def test_a_whole_configuration_of_enforcement_without_the_switches() -> None:
    text = """
[responder.enforcement]
exec_mode = "enforce"
exec_deny = ["/usr/bin/nc"]
self_mode = "enforce"
[responder.enforcement.exec_allow."/system.slice/web.service"]
mode = "enforce"
programs = ["/usr/sbin/nginx"]
"""
    for switches, highest in (
        ("", EnforcementMode.OBSERVE),
        ("enabled = true", EnforcementMode.OBSERVE),
        ("dry_run = false", EnforcementMode.OBSERVE),
        ("enabled = true\ndry_run = false", EnforcementMode.ENFORCE),
    ):
        parsed = config.parse(f"[responder]\n{switches}\n{text}", "test.toml")
        modes = effective_modes(parsed.responder)
        assert max(modes.values()) == highest
        assert modes[EnforcementRule.FILE_PROTECT] == OFF


def test_a_rule_without_a_list_is_off() -> None:
    listless = EnforcementConfig(exec_mode="enforce", file_mode="enforce")
    assert set(asked_modes(listless).values()) == {"off"}


def test_each_rule_wants_its_programs_only() -> None:
    one_by_one = {
        EnforcementRule.EXEC_DENY: EnforcementConfig(exec_deny=("/bin/x",)),
        EnforcementRule.EXEC_ALLOW: EnforcementConfig(exec_allow={"/a": AllowListConfig()}),
        EnforcementRule.FILE_PROTECT: EnforcementConfig(protected_files=("/etc/x",)),
        EnforcementRule.BPF: EnforcementConfig(bpf_mode="observe"),
    }
    for rule, asked in one_by_one.items():
        assert wanted_programs(asked) == set(PROGRAMS[rule])
    ours = {*PROGRAMS[EnforcementRule.SELF_SIGNAL], *PROGRAMS[EnforcementRule.SELF_PTRACE]}
    assert wanted_programs(EnforcementConfig(self_mode="observe")) == ours
    hooks = {hook.program for hook in HOOKS if hook.attach == LSM}
    assert {program for programs in PROGRAMS.values() for program in programs} == hooks


def test_modes_reach_the_kernel_by_one_door() -> None:
    """The maps that hold modes are named in one file each, and those get modes from effective_mode only."""
    package = Path(config.__file__).parent
    naming = {
        name: {str(path.relative_to(package)) for path in package.rglob("*.py") if name in path.read_text()}
        for name in ("iw_enforce_policy", "iw_exec_allow_cgroup", "iw_xdp_policy", '"iw_xdp"')
    }
    rules, xdp = "sensor/enforcement/rules.py", "xdp/__init__.py"
    # These name the program, to load it.
    naming['"iw_xdp"'] -= {"sensor/kernel_hooks.py", "responder/backends/xdp.py"}
    assert naming == {
        "iw_enforce_policy": {rules},
        "iw_exec_allow_cgroup": {rules},
        "iw_xdp_policy": {xdp},
        '"iw_xdp"': {xdp},
    }
    assert len(re.findall(r"self\._modes\[rule\] = (.+)", (package / rules).read_text())) == 1
    assert "self._modes[rule] = effective_mode(self._responder, asked)" in (package / rules).read_text()
    assert 'granted = effective_mode(responder, "enforce")' in (package / xdp).read_text()

# SPDX-License-Identifier: Apache-2.0
"""The gate: a Critical passes in every state; each reason to hold something back works."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerwarden.agent.notify.gate import About, Standing, Verdict, gate
from innerwarden.config import ChannelConfig
from innerwarden.model.record import Outcome
from innerwarden.model.severity import Severity

policies = st.builds(
    ChannelConfig,
    min_severity=st.sampled_from(Severity),
    digest_severity=st.sampled_from(Severity),
    detectors=st.lists(st.sampled_from(["ssh_*", "web_shell", "*"])).map(tuple),
    tags=st.lists(st.sampled_from(["ssh", "web"])).map(tuple),
    group_window_s=st.integers(0, 86400),
    group_count=st.integers(2, 100),
    cooldown_s=st.integers(0, 86400),
    hourly_cap=st.integers(0, 100),
    quiet_hours=st.sampled_from(["", "22-7", "0-23"]),
    burst_count=st.integers(2, 100),
)
standings = st.builds(
    Standing,
    group_is_open=st.booleans(),
    since_told_s=st.none() | st.floats(0, 1e6),
    passed=st.integers(0, 1000),
    quiet=st.booleans(),
)
abouts = st.builds(
    About,
    severity=st.sampled_from(Severity),
    outcome=st.sampled_from(Outcome),
    detector=st.sampled_from(["ssh_brute_force", "web_shell", "reverse_shell"]),
    tags=st.lists(st.sampled_from(["ssh", "web", "rootkit"])).map(tuple),
)


@given(policies, abouts, standings)
def test_a_critical_passes_in_every_state(policy: ChannelConfig, about: About, standing: Standing) -> None:
    critical = msgspec.structs.replace(about, severity=Severity.CRITICAL)
    assert gate(policy, critical, standing) is Verdict.SEND


@given(policies, abouts, standings)
def test_only_what_is_urgent_is_told_at_once(policy: ChannelConfig, about: About, standing: Standing) -> None:
    urgent = about.severity.at_least(policy.min_severity) or about.outcome is Outcome.PROPOSE
    if gate(policy, about, standing) is Verdict.SEND:
        assert urgent or about.severity is Severity.CRITICAL


HIGH = About(severity=Severity.HIGH, outcome=Outcome.WATCH, detector="ssh_brute_force", tags=("ssh",))


@pytest.mark.parametrize(
    ("policy", "change", "standing", "verdict"),
    [
        ({}, {}, {}, "send"),
        ({}, {"severity": Severity.MEDIUM}, {}, "defer"),
        ({}, {"severity": Severity.LOW}, {}, "skip"),
        ({}, {"severity": Severity.LOW, "outcome": Outcome.PROPOSE}, {}, "send"),
        ({}, {"outcome": Outcome.DISMISS}, {}, "skip"),
        ({}, {}, {"group_is_open": True}, "group"),
        ({}, {}, {"since_told_s": 599.0}, "group"),
        ({}, {}, {"since_told_s": 600.0}, "send"),
        ({}, {}, {"quiet": True}, "defer"),
        ({}, {}, {"passed": 19}, "send"),
        ({}, {}, {"passed": 20}, "defer"),
        ({"hourly_cap": 0}, {}, {"passed": 1000}, "send"),
        ({"detectors": ("web_*",)}, {}, {}, "skip"),
        ({"detectors": ("web_*", "ssh_*")}, {}, {}, "send"),
        ({"tags": ("web",)}, {}, {}, "skip"),
        ({"tags": ("ssh",)}, {}, {}, "send"),
        ({"tags": ("web",), "filter_criticals": True}, {"severity": Severity.CRITICAL}, {}, "skip"),
    ],
)
def test_reasons(
    policy: dict[str, object], change: dict[str, object], standing: dict[str, object], verdict: str
) -> None:
    about = msgspec.structs.replace(HIGH, **change)
    made = ChannelConfig(**policy)  # type: ignore[arg-type]
    assert gate(made, about, Standing(**standing)) == verdict  # type: ignore[arg-type]

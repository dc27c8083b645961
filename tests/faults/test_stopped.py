# SPDX-License-Identifier: Apache-2.0
"""SIGSTOP: a daemon that stands still is named, and goes on without a loss that is not counted."""

from __future__ import annotations

import signal
import time

import pytest

from tests.faults.daemons import Host, until

MINUTE_S = 60.0


@pytest.mark.fault(
    fault="agent stopped (SIGSTOP) until its findings are overdue",
    expect="findings wait in their file; each is stored once when it goes on",
    levels=("agent_stopped", "ingest_behind"),
)
def test_the_agent(host: Host) -> None:
    host.start("sensor")
    agent = host.start("agent")
    before = host.attack()
    host.until_told(before)
    agent.send_signal(signal.SIGSTOP)
    during = [host.attack() for _ in range(5)]
    found = host.until_levels("agent_stopped", "ingest_behind")
    assert found["exit_code"] == 1
    agent.send_signal(signal.SIGCONT)
    host.until_told(before, *during)
    host.until_levels()


@pytest.mark.fault(
    fault="sensor stopped (SIGSTOP) until it is overdue",
    expect="the log waits; each attack is told once when it goes on",
    levels=("sensor_silent",),
)
def test_the_sensor(host: Host) -> None:
    _stop_sensor(host, 0)


@pytest.mark.long
@pytest.mark.fault(
    fault="sensor and agent stopped (SIGSTOP) for a minute",
    expect="the same",
    levels=("sensor_silent", "agent_stopped"),
)
def test_both_for_a_minute(host: Host) -> None:
    _stop_sensor(host, MINUTE_S, and_agent=True)


def _stop_sensor(host: Host, seconds: float, *, and_agent: bool = False) -> None:
    stopped = [host.start("sensor")]
    agent = host.start("agent")
    stopped += [agent] if and_agent else []
    before = host.attack()
    host.until_told(before)
    for child in stopped:
        child.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    during = [host.attack() for _ in range(5)]
    found = host.until_levels("sensor_silent", *(["agent_stopped"] if and_agent else []))
    assert found["exit_code"] == 1
    assert "is stopped" in found["sensor"]["detail"]
    until(lambda: time.monotonic() - began >= seconds, seconds + 1, "time")
    for child in stopped:
        child.send_signal(signal.SIGCONT)
    host.until_told(before, *during)
    host.until_levels()

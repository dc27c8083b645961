# SPDX-License-Identifier: Apache-2.0
"""What ends a pause: the findings, the stop, the time; and nothing else."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from innerwarden import paths
from innerwarden.agent.main import run
from innerwarden.agent.sleep import Changes, Sleep
from innerwarden.config import AgentConfig, Config
from innerwarden.libbpf import inotify
from innerwarden.stopping import Stop
from tests.unit.agent.support import append, finding, wait_until
from tests.unit.agent.test_main import stored

LONG_S = 20.0


@pytest.fixture
def changes(tmp_path: Path) -> Iterator[inotify.Changes]:
    found = inotify.Changes(tmp_path, "findings.jsonl")
    yield found
    found.close()


def lasted(sleep: Sleep, seconds: float) -> float:
    began = time.monotonic()
    sleep(seconds)
    return time.monotonic() - began


def test_a_line_ends_it(tmp_path: Path, changes: inotify.Changes) -> None:
    threading.Timer(0.05, append, (tmp_path, b"line\n")).start()
    assert lasted(Sleep(Stop(), changes), LONG_S) < LONG_S / 2


def test_another_file_does_not(tmp_path: Path, changes: inotify.Changes) -> None:
    (tmp_path / "state.db-wal").write_bytes(b"x")
    assert lasted(Sleep(Stop(), changes), 0.1) >= 0.09


@pytest.mark.parametrize("told", [True, False])
def test_the_stop_ends_it(changes: inotify.Changes, told: bool) -> None:
    stop = Stop()
    threading.Timer(0.05, stop.set).start()
    assert lasted(Sleep(stop, changes if told else None), LONG_S) < LONG_S / 2


def test_a_stop_without_descriptor_is_seen_when_the_pause_is_over(changes: inotify.Changes) -> None:
    stop = threading.Event()
    stop.set()
    assert lasted(Sleep(stop, changes), LONG_S) < LONG_S / 2


def test_the_agent_does_not_wait_for_its_next_look(tmp_path: Path) -> None:
    config = Config(agent=AgentConfig(poll_ms=1000, retention_days=36500))
    stop = Stop()
    agent = threading.Thread(target=run, args=(config, tmp_path, stop), kwargs={"watch": inotify.Changes})
    agent.start()
    took = []
    try:
        wait_until(lambda: paths.agent_socket(tmp_path).exists())
        append(tmp_path, finding(key="first"))
        wait_until(lambda: stored(tmp_path) == 1)
        for number in range(2, 7):
            began = time.monotonic()
            append(tmp_path, finding(key=str(number)))
            wait_until(lambda want=number: stored(tmp_path) == want)  # type: ignore[misc]
            took.append(time.monotonic() - began)
    finally:
        stop.set()
        agent.join(10)
    assert sorted(took)[2] < 0.5  # the next look alone would be as late as this in the mean


def test_where_nothing_can_be_told_it_goes_on_looking(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(_directory: Path, _name: str) -> Changes:
        raise OSError(28, "No space left on device", "inotify_add_watch")

    config = Config(agent=AgentConfig(poll_ms=5, retention_days=36500))
    stop = Stop()
    agent = threading.Thread(target=run, args=(config, tmp_path, stop), kwargs={"watch": refused})
    agent.start()
    try:
        wait_until(lambda: paths.agent_socket(tmp_path).exists())
        append(tmp_path, finding())
        wait_until(lambda: stored(tmp_path) == 1)
    finally:
        stop.set()
        agent.join(10)
    assert "found by looking only" in caplog.text

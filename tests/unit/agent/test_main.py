# SPDX-License-Identifier: Apache-2.0
"""The agent as a whole: one per data directory, quick to stop, serves what it was given."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from innerwarden import paths
from innerwarden.agent.main import lock, run
from innerwarden.agent.operate.operator import Operator
from innerwarden.agent.state.writer import Writer
from innerwarden.config import Config
from innerwarden.errors import UnavailableError
from tests.unit.agent.process import end, start
from tests.unit.agent.support import append, finding, reading, wait_until


def stored(data_dir: Path) -> int:
    if not paths.state_db(data_dir).exists():
        return 0
    with reading(data_dir) as reader:
        return len(reader.incidents())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_within_half_a_second(tmp_path: Path, number: int) -> None:
    append(tmp_path, finding())
    agent = start(tmp_path)
    wait_until(lambda: (tmp_path / "agent-output").read_bytes().count(b"agent runs") == 1)
    wait_until(lambda: stored(tmp_path) == 1)
    before = time.monotonic()
    assert end(agent, number) == 0
    assert time.monotonic() - before < 0.5
    assert not (tmp_path / "state.db-wal").exists()
    assert b"Traceback" not in (tmp_path / "agent-output").read_bytes()


def test_a_second_agent_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    agent = start(tmp_path)
    try:
        wait_until(lambda: b"agent runs" in (tmp_path / "agent-output").read_bytes())
        second = start(tmp_path)
        assert second.wait(10) == 1
        output = (tmp_path / "agent-output").read_text()
        assert f"another agent (pid {agent.pid}) already uses {tmp_path}" in output
        assert f"kill {agent.pid}" in output
        assert "Traceback" not in output
    finally:
        end(agent)


def test_the_lock_is_free_after_a_kill(tmp_path: Path) -> None:
    agent = start(tmp_path)
    wait_until(lambda: b"agent runs" in (tmp_path / "agent-output").read_bytes())
    with pytest.raises(UnavailableError):
        lock(tmp_path)
    end(agent, signal.SIGKILL)
    import os

    os.close(lock(tmp_path))


def test_stop_event_and_serve(tmp_path: Path) -> None:
    stop, calls = threading.Event(), []

    def serve(writer: Writer, _operator: Operator) -> Callable[[], None]:
        calls.append(type(writer).__name__)
        stop.set()
        return lambda: calls.append("stopped")

    run(Config(), tmp_path, stop, serve)
    assert calls == ["Writer", "stopped"]


def test_a_damaged_database_ends_the_start_with_the_remedy(tmp_path: Path) -> None:
    paths.state_db(tmp_path).write_bytes(b"\xa5" * 9000)
    agent = start(tmp_path)
    assert agent.wait(10) == 1
    output = (tmp_path / "agent-output").read_text()
    assert "damaged" in output and "mv " in output and "Traceback" not in output

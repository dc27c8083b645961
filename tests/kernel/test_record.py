# SPDX-License-Identifier: Apache-2.0
"""`innerwarden record` on this machine's kernel: what replay says is what was said while it was recorded."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kernel import attacks
from tests.kernel.product import REPOSITORY, Product, end, wait_for

pytestmark = [pytest.mark.kernel, pytest.mark.slow, pytest.mark.timeout(300)]

EXPECTED = {"reverse_shell", "suspicious_exec_origin", "download_pipe_shell"}


class Recording:
    """A recorder of its own, ready once its first blocks are on disk."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "recording"
        self.out = (directory / "live.jsonl").open("wb+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "innerwarden", "record", str(self.path), "--for", "200", "--json"],
            stdout=self.out,
            stderr=subprocess.PIPE,
            cwd=REPOSITORY,
        )
        self.grown(2048)

    def grown(self, size: int) -> None:
        wait_for(lambda: self.path.exists() and self.path.stat().st_size > size, 60, "nothing was written")

    def stop(self) -> bytes:
        """Ctrl-C; what was found live, a line each."""
        self.process.send_signal(signal.SIGINT)
        _, said = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, said.decode()
        assert b"ended by signal" in said
        self.out.seek(0)
        return self.out.read()


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[Recording]:
    running = Recording(tmp_path)
    try:
        yield running
    finally:
        end(running.process)
        running.out.close()


def replayed(path: Path) -> tuple[bytes, str]:
    done = subprocess.run(
        [sys.executable, "-m", "innerwarden", "replay", str(path), "--json"],
        capture_output=True,
        cwd=REPOSITORY,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout, done.stderr.decode()


def act() -> None:
    attacks.reverse_shell()
    attacks.run_copy_from_tmp()
    attacks.curl_pipe_shell()


def told(lines: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.splitlines()]


def keys(rows: list[dict[str, Any]]) -> set[tuple[str, int]]:
    """Detector and process; only where a process acted."""
    return {
        (row["detector"], row["fields"]["process"]["pid"]) for row in rows if row["fields"].get("process")
    }


def test_replay_says_what_was_said_live_byte_for_byte(recording: Recording) -> None:
    act()
    live = recording.stop()
    first, said = replayed(recording.path)
    assert {row["detector"] for row in told(live)} >= EXPECTED
    assert first == live, said
    assert replayed(recording.path)[0] == first
    assert "not whole" not in said


def test_a_sensor_that_ran_beside_it_told_the_same_incidents(tmp_path: Path, recording: Recording) -> None:
    product = Product(tmp_path).start()
    try:
        act()
        wait_for(
            lambda: {row["detector"] for row in product.incidents()} >= EXPECTED,
            15,
            "the sensor told nothing",
        )
        recording.stop()
        replay = keys(told(replayed(recording.path)[0]))
        sensor = keys([row for row in product.incidents() if row["detector"] in EXPECTED])
    finally:
        product.stop()
    assert {detector for detector, _ in sensor} == EXPECTED
    assert sensor <= replay


def test_a_recorder_that_is_killed_leaves_what_it_wrote(recording: Recording) -> None:
    before = recording.path.stat().st_size
    act()
    recording.grown(before)
    wait_for(
        lambda: {row["detector"] for row in told(replayed(recording.path)[0])} >= EXPECTED,
        30,
        "what was recorded is not in the file",
    )
    recording.process.kill()
    recording.process.wait()
    lines, said = replayed(recording.path)
    assert {row["detector"] for row in told(lines)} >= EXPECTED
    assert "not whole" in said


def test_the_bounds_are_kept_and_an_existing_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "r"
    command = [sys.executable, "-m", "innerwarden", "record", str(path), "--for", "1"]
    done = subprocess.run(command, capture_output=True, cwd=REPOSITORY, check=False, text=True)
    assert done.returncode == 0 and "ended by time" in done.stderr
    assert path.stat().st_mode & 0o777 == 0o600
    held = path.read_bytes()
    again = subprocess.run(command, capture_output=True, cwd=REPOSITORY, check=False, text=True)
    assert again.returncode == 3 and "there already" in again.stderr and path.read_bytes() == held

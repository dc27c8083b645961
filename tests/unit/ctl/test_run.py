# SPDX-License-Identifier: Apache-2.0
"""`innerwarden run` for real, with a log file as its only source, so that it needs no root."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.webdriver import wait_for


class Running:
    """The command with its output so far."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.log = directory / "auth.log"
        self.log.touch()
        config = directory / "config.toml"
        config.write_text(
            "[collectors.kernel]\nenabled = false\n[collectors.journald]\nenabled = false\n"
            f'[collectors.auth_log]\npath = "{self.log}"\n'
        )
        self.data_dir = directory / "data"
        argv = [sys.executable, "-m", "innerwarden", "run", "--data-dir", str(self.data_dir)]
        argv += ["--config", str(config), "--listen", "127.0.0.1:0", *options]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines: list[str] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())

    def said(self, pattern: str) -> re.Match[str] | None:
        return next((found for line in list(self.lines) if (found := re.search(pattern, line))), None)

    def wait_for(self, pattern: str, deadline_s: float = 20.0) -> re.Match[str]:
        found: re.Match[str] = wait_for(
            f"{pattern!r} in {self.lines}",
            lambda: self.said(pattern) or self.process.poll() is not None,
            deadline_s,
        )
        assert isinstance(found, re.Match), self.lines
        return found

    def child(self, name: str) -> int:
        return int((self.data_dir / f"{name}.lock").read_text() or 0)  # 0: it is being written

    def stop(self, number: int = signal.SIGINT) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(15)
        self._thread.join(5)
        return code


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    run = Running(tmp_path)
    yield run
    run.stop()


def gone(pid: int) -> bool:
    """Ended; the first process of a container may take its time to collect what it inherits."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


def failed_logins(count: int) -> str:
    now = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    return "".join(
        f"{now} web sshd[{4000 + n}]: Failed password for root from 203.0.113.50 port {50000 + n} ssh2\n"
        for n in range(count)
    )


def test_from_a_log_line_to_a_printed_incident_and_back_to_nothing(running: Running) -> None:
    running.wait_for("observing only")
    assert running.data_dir.stat().st_mode & 0o777 == 0o700
    assert sum("/login#" in line for line in running.lines) == 1
    with running.log.open("a") as file:
        file.write(failed_logins(12))
    began = time.monotonic()
    running.wait_for(r"(HIGH|MEDIUM|CRITICAL|LOW) .*203\.0\.113\.50")
    assert time.monotonic() - began < 3
    address = running.wait_for(r"dashboard: http://127\.0\.0\.1:(\d+)/login#(\S+)")
    connection = http.client.HTTPConnection("127.0.0.1", int(address[1]), timeout=5)
    connection.request("GET", "/api/v1/incidents", headers={"Authorization": f"Bearer {address[2]}"})
    assert b"203.0.113.50" in connection.getresponse().read()
    children = [running.child("sensor"), running.child("agent")]
    assert running.stop() == 0
    assert all(gone(pid) for pid in children)


@pytest.mark.parametrize("name", ["sensor", "agent"])
def test_a_killed_daemon_comes_back(running: Running, name: str) -> None:
    running.wait_for("observing only")
    before = running.child(name)
    os.kill(before, signal.SIGKILL)
    running.wait_for(rf"{name} ended \(SIGKILL\); starting it again")
    wait_for("a new one", lambda: running.child(name) not in (0, before), 20)
    assert sum("/login#" in line for line in running.lines) == 1
    with running.log.open("a") as file:
        file.write(failed_logins(12))
    running.wait_for(r"203\.0\.113\.50")


def test_it_stops_by_itself(tmp_path: Path) -> None:
    run = Running(tmp_path, "--for", "1")
    assert run.process.wait(40) == 0
    run.stop()
    assert run.said("stopping")


def test_a_killed_run_leaves_no_daemon(running: Running) -> None:
    running.wait_for("observing only")
    children = [running.child("sensor"), running.child("agent")]
    running.process.kill()
    running.process.wait()
    wait_for("their end", lambda: all(gone(pid) for pid in children), 30)


def test_missing_sources_are_named(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    config = tmp_path / "config.toml"
    config.write_text(
        '[collectors.auth_log]\npath = "/nowhere/auth.log"\n[collectors.kernel]\nenabled = false\n'
    )
    argv = [sys.executable, "-m", "innerwarden", "run", "--data-dir", str(tmp_path / "data"), "--for", "0.5"]
    argv += ["--config", str(config), "--listen", "127.0.0.1:0"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "source auth_log: MISSING, /nowhere/auth.log" in done.stdout


def test_a_second_run_on_the_same_port_is_refused(running: Running, tmp_path: Path) -> None:
    address = running.wait_for(r"dashboard: http://(127\.0\.0\.1:\d+)/")
    argv = [sys.executable, "-m", "innerwarden", "run", "--data-dir", str(tmp_path / "other")]
    done = subprocess.run(
        [*argv, "--listen", address[1]], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 3
    assert "cannot listen" in done.stderr
    assert "try: " in done.stderr

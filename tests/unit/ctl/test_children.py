# SPDX-License-Identifier: Apache-2.0
"""Supervision: output passed on, restarts bounded, stop leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from innerwarden.ctl import children
from innerwarden.ctl.children import Child
from tests.browser.webdriver import wait_for


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_stdout_is_kept_and_stderr_passed_on_escaped() -> None:
    said: list[str] = []
    child = Child(
        "agent", python("import sys; print('ready'); print('bad \\x1b', file=sys.stderr)"), said.append
    )
    child.start()
    wait_for("output", lambda: child.lines and said)
    assert child.lines == ["ready"]
    assert said == ["agent: bad \\x1b"]
    wait_for("end", lambda: child.watch() == 0)


def test_a_killed_child_comes_back_and_a_crashing_one_is_given_up(monkeypatch: object) -> None:
    said: list[str] = []
    child = Child("sensor", python("import time; time.sleep(60)"), said.append)
    child.start()
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    wait_for("restart", lambda: (child.watch(), child.pid != first)[1])
    assert "SIGKILL" in said[0]
    assert "1 of 5" in said[0]
    second = child.pid
    child.stop()
    assert second is not None
    assert not alive(second)


def test_restarts_are_bounded() -> None:
    said: list[str] = []
    child = Child("sensor", python("raise SystemExit(7)"), said.append)
    child._restarts = children.MAX_RESTARTS - 1
    child.start()
    statuses = []
    wait_for("giving up", lambda: statuses.append(child.watch()) or child.gave_up, 20)
    assert statuses[-1] == 7
    assert child.watch() is None


def test_cannot_run_here_is_not_retried() -> None:
    said: list[str] = []
    child = Child("sensor", python("raise SystemExit(3)"), said.append)
    child.start()
    wait_for("end", lambda: child.watch() == 3)
    assert said == []


def test_a_child_that_ignores_sigterm_is_killed(monkeypatch: object) -> None:
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    said: list[str] = []
    child = Child("agent", python(code), said.append)
    child.start()
    wait_for("start", lambda: child.lines)
    children.STOP_S, before = 0.3, children.STOP_S
    try:
        began = time.monotonic()
        child.stop()
    finally:
        children.STOP_S = before
    assert time.monotonic() - began < 3
    assert child.pid is not None
    assert not alive(child.pid)
    assert "killing it" in said[-1]


def test_a_child_follows_a_killed_parent() -> None:
    inner = (
        "import time\nfrom innerwarden.ctl.children import follow_parent\nfollow_parent()\n"
        "print(1, flush=True); time.sleep(60)"
    )
    outer = (
        "import subprocess, sys, time\nfrom innerwarden.ctl.children import Child\n"
        f"child = Child('x', [sys.executable, '-c', {inner + chr(10)!r}], print)\nchild.start()\n"
        "while not child.lines: time.sleep(0.01)\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(python(outer), stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert alive(pid)
    parent.kill()
    parent.wait()
    wait_for("the child's end", lambda: not alive(pid))

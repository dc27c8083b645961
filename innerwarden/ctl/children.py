# SPDX-License-Identifier: Apache-2.0
"""The daemons that `run` starts: kept alive within bounds, stopped by pid, never left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from typing import TextIO

from innerwarden.ctl.output import shown
from innerwarden.libbpf.libc import die_with_parent

STOP_S = 5.0
#: A child that lived so long had a good start; the count of restarts begins anew.
SETTLED_S = 60.0
MAX_RESTARTS = 5
#: Environment of a child: the pid of the `run` that started it.
SUPERVISED = "INNERWARDEN_SUPERVISED_BY"

Say = Callable[[str], None]


def follow_parent() -> None:
    """In a child of `run`: end when `run` is killed, so that no sensor stays that nobody watches.

    Done by the child itself, because code between fork and exec is not safe beside other threads.
    """
    parent = os.environ.pop(SUPERVISED, None)
    if parent is None:
        return
    die_with_parent(signal.SIGTERM)
    if os.getppid() != int(parent):  # it died before the line above
        raise SystemExit(0)


class Child:
    """One daemon. Its own process group keeps the terminal's Ctrl-C away, so that `run` decides the order."""

    def __init__(self, name: str, argv: list[str], say: Say, restart_argv: list[str] | None = None) -> None:
        self.name = name
        self.gave_up = False
        self._argv = argv
        self._restart_argv = restart_argv or argv
        self._say = say
        self._restarts = 0
        self._started = 0.0
        self._again_at: float | None = None
        self._process: subprocess.Popen[str] | None = None
        self.lines: list[str] = []
        """What it printed on stdout and nobody took yet."""

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        argv = self._restart_argv if self._restarts else self._argv
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
            process_group=0,
            env={**os.environ, SUPERVISED: str(os.getpid())},
        )
        self._started = time.monotonic()
        for stream, take in (
            (self._process.stdout, self.lines.append),
            (self._process.stderr, self._pass_on),
        ):
            assert stream is not None  # noqa: S101 - both are pipes
            threading.Thread(target=_pump, args=(stream, take), daemon=True).start()

    def _pass_on(self, line: str) -> None:
        self._say(f"{self.name}: {shown(line)}")

    def watch(self) -> int | None:
        """Notice an end; restart within bounds. Returns the exit status when it will not come back."""
        now = time.monotonic()
        if self._again_at is not None:
            if now >= self._again_at:
                self._again_at = None
                self.start()
            return None
        if self._process is None or self.gave_up:
            return None
        status = self._process.poll()
        if status is None:
            return None
        if now - self._started >= SETTLED_S:
            self._restarts = 0
        if status in {0, 2, 3} or self._restarts >= MAX_RESTARTS:
            self.gave_up = True
            return status
        self._restarts += 1
        wait_s = min(0.25 * 2**self._restarts, 8.0)
        self._say(
            f"{self.name} ended ({_ending(status)}); starting it again ({self._restarts} of {MAX_RESTARTS})"
        )
        self._again_at = now + wait_s
        return None

    def stop(self) -> None:
        """SIGTERM, then SIGKILL after STOP_S; returns when the process is gone."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._say(f"{self.name} did not stop within {STOP_S:.0f} s; killing it")
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            process.wait()


def _pump(stream: TextIO, take: Callable[[str], None]) -> None:
    with stream, contextlib.suppress(ValueError):
        for line in stream:
            take(line.rstrip("\n"))


def _ending(status: int) -> str:
    if status >= 0:
        return f"exit code {status}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-status).name
    return f"signal {-status}"

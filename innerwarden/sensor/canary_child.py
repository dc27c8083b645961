# SPDX-License-Identifier: Apache-2.0
"""The child that does the canary's actions: started with nothing of ours but the code, held until it is reaped."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from innerwarden import paths
from innerwarden.canary.runner import Outcome
from innerwarden.canary.triggers import TRIGGERS
from innerwarden.sensor import procfs

#: The child ends itself before; this is for one that was stopped.
KILL_AFTER_S = 10.0
#: No site packages but those that the sensor itself has, no user's, nothing of the current directory.
FLAGS = ("-S", "-s", "-P")


class CanaryChild:
    """One run. Until `reap`, the process or its remains keep the pid from being anybody else's."""

    def __init__(self, directory: Path, numbers: Sequence[int], now_s: float) -> None:
        """Start it. Raises OSError."""
        modules = [str(paths.REPOSITORY), *(place for place in sys.path if place)]
        self._process = subprocess.Popen(
            [sys.executable, *FLAGS, "-m", "innerwarden.canary", str(directory), *map(str, numbers)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={"PYTHONPATH": ":".join(modules), "PYTHONDONTWRITEBYTECODE": "1"},
            start_new_session=True,
        )
        self.pid = self._process.pid
        self.start_ns = _start_ns(self.pid)
        self.ended = False
        self._kill_at_s = now_s + KILL_AFTER_S

    def watch(self, now_s: float) -> None:
        """Notice the end without reaping; end a child that takes too long."""
        self.ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        if not self.ended and now_s >= self._kill_at_s:
            self._kill()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def reap(self) -> tuple[list[Outcome] | None, str]:
        """What it told, or None with the reason."""
        told = self._process.communicate()[0]
        if status := self._process.returncode:
            return None, _ending(status)
        try:
            return [_outcome(line) for line in told.decode().splitlines()], ""
        except (ValueError, IndexError) as error:
            return None, f"it told nonsense: {error}"

    def close(self) -> None:
        """End it and everything that it started."""
        self._kill()
        self._process.communicate()


def _outcome(line: str) -> Outcome:
    """Raises ValueError or IndexError."""
    number, _, reason = line.partition(" ")
    trigger = TRIGGERS[int(number)]
    return Outcome(trigger.hooks, trigger.kind, reason)


def _start_ns(pid: int) -> int:
    """To the clock tick. /proc has it as long as the process is not reaped, whether it lives or not."""
    seen = procfs.read(pid)
    if seen is None:
        raise ProcessLookupError(errno.ESRCH, "/proc does not show the canary's process")
    return seen.start_ns


def _ending(status: int) -> str:
    return f"it ended with code {status}" if status > 0 else f"it was ended by {signal.Signals(-status).name}"

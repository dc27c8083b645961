# SPDX-License-Identifier: Apache-2.0
"""Programs and scripts, as they are written and executed, before YARA rules in a process of its own.

Here is only the queue: which file was looked at already, which waits, what the other process says. See
innerwarden/malware for that process and what it may do.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import OrderedDict, deque
from pathlib import Path
from typing import Any, NamedTuple

from innerwarden import paths
from innerwarden.malware.worker import ANSWER_BYTES, NAME_BYTES, REQUEST
from innerwarden.model._wire import Change
from innerwarden.sensor.inventory.baseline import Baseline
from innerwarden.sensor.inventory.collector import Look
from innerwarden.sensor.inventory.fact import Actor, Fact

KIND = "host.file_match"
#: Files that wait and files that are with the other process, each with an open descriptor.
WAITING = 96
IN_FLIGHT = 8
#: Files that are remembered as looked at.
KNOWN = 16384
MATCHES_OF_ONE = 4
#: After so long without an answer the other process counts as hung; it takes ten seconds for a file at most.
ANSWER_S = 40.0
IDLE_S = 600.0
FIRST_BACK_OFF_S, LONGEST_BACK_OFF_S = 5.0, 3600.0
LEAST_BYTES, MOST_BYTES = 16, 1 << 30
#: Of its session. A tenth of a core is left to it where another session takes all there is.
NICE = 10
FLAGS = ("-S", "-s", "-P")
#: A file's bytes go back to the kernel when they were looked at. Left to itself, malloc keeps as much as the largest
#: file had (mallopt(3), M_MMAP_THRESHOLD).
FRUGAL = {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}


class Waiting(NamedTuple):
    fd: int
    state: os.stat_result
    path: str
    actor: Actor | None
    executed: bool


class FileMatches:
    """`offer` is what FileWrites calls. Times are seconds of the monotonic clock."""

    id = "file_matches"
    budget_ms = 0.3
    baseline: Baseline | None = None

    def __init__(self) -> None:
        self._queue: deque[Waiting] = deque()
        self._flying: dict[int, Waiting] = {}
        self._heard = 0.0
        self._known: OrderedDict[tuple[int, int, int, int], None] = OrderedDict()
        self._worker: Worker | None = None
        self._numbers = 0
        self._dropped = 0
        self._unread = 0
        self._cut = 0
        self._deaths = 0
        self._not_before = 0.0
        self._used = 0.0
        self._greeting: dict[str, Any] = {}
        self._ended: list[subprocess.Popen[bytes]] = []

    def obstacle(self) -> str:
        self._ended = [one for one in self._ended if one.poll() is None]
        missing = [text for text in self._greeting.get("problems", ()) if "YARA is not installed" in text]
        return missing[0] if missing else ""

    def remark(self) -> str:
        parts = list(self._greeting.get("problems", ()))
        if left := self._greeting.get("open"):
            parts.append(f"the scanning process could not give up: {left}")
        if self._deaths:
            parts.append(f"the scanning process died {self._deaths} times")
        for count, what in ((self._dropped, "found no room"), (self._unread, "could not be looked at")):
            if count:
                parts.append(f"{count} files {what}")
        if self._cut:
            parts.append(f"of {self._cut} files only the beginning was looked at")
        return "; ".join(parts)

    def wants(self, state: os.stat_result) -> bool:
        """Whether a file in this state was not looked at yet, and can be."""
        key = _key(state)
        if key in self._known:
            self._known.move_to_end(key)
            return False
        return LEAST_BYTES <= state.st_size <= MOST_BYTES

    def offer(self, fd: int, state: os.stat_result, path: str, actor: Actor | None, executed: bool) -> None:
        """Queue a file that was not looked at since it changed; the descriptor is copied."""
        if self.obstacle() or not self.wants(state):
            return
        if len(self._queue) >= WAITING:
            self._dropped += 1
            return
        try:
            copy = os.dup(fd)
        except OSError:
            self._dropped += 1
            return
        self._known[_key(state)] = None
        if len(self._known) > KNOWN:
            self._known.popitem(last=False)
        self._queue.append(Waiting(copy, state, path, actor, executed))

    def look(self) -> Look:
        """Until nothing waits; while the other process works, each step only asks whether it has answered."""
        while self._queue or self._flying:
            now = time.monotonic()
            if self._worker is None and not self._start(now):
                return
            yield None
            yield from self._talk(now)
        if self._worker is not None and time.monotonic() - self._used > IDLE_S:
            self._end(self._worker)

    def _start(self, now: float) -> bool:
        if now < self._not_before:
            return False
        self._worker = Worker()
        self._used = now
        return True

    def _talk(self, now: float) -> Look:
        worker = self._worker
        if worker is None:
            return
        self._used = now
        try:
            while self._queue and len(self._flying) < IN_FLIGHT:
                self._numbers += 1
                if not worker.send(self._numbers, self._queue[0]):
                    break
                if not self._flying:
                    self._heard = now
                self._flying[self._numbers] = self._queue.popleft()
            while (answer := worker.receive()) is not None:
                self._heard = now
                yield from self._answered(answer)
        except (OSError, ValueError) as error:
            self._died(now, str(error))
            return
        if self._flying and now - self._heard > ANSWER_S:
            self._died(now, "no answer")

    def _answered(self, answer: dict[str, Any]) -> Look:
        if "rules" in answer:
            self._greeting = answer
            return
        waiting = self._flying.pop(answer["id"])
        os.close(waiting.fd)
        self._unread += bool(answer["error"])
        self._cut += bool(answer["cut"])
        self._deaths = 0
        for rule, severity, description, strings in answer["matches"][:MATCHES_OF_ONE]:
            yield self._fact(waiting, answer["sha256"], (rule, severity, description), strings)

    @staticmethod
    def _fact(waiting: Waiting, sha256: str, match: tuple[str, str, str], strings: list[str]) -> Fact:
        rule, severity, description = match
        found = f", by {', '.join(strings)}" if strings else ""
        return Fact(
            kind=KIND,
            change=Change.FOUND,
            name=rule,
            path=waiting.path,
            value=severity,
            old_value="executed" if waiting.executed else "written",
            sha256=sha256,
            inode=waiting.state.st_ino,
            mode=waiting.state.st_mode,
            target_uid=waiting.state.st_uid,
            reason=f"{description or 'what a rule looks for'}{found}",
            actor=waiting.actor,
        )

    def _end(self, worker: Worker) -> None:
        """End it; it is reaped when it has ended, never waited for."""
        self._ended.append(worker.close())
        self._worker = None

    def _died(self, now: float, why: str) -> None:
        """Give up what it had, and start another one later the more often that happens in a row."""
        if self._worker is not None:
            self._end(self._worker)
        for waiting in self._flying.values():
            os.close(waiting.fd)
        self._unread += len(self._flying)
        self._flying = {}
        self._deaths += 1
        self._not_before = now + min(FIRST_BACK_OFF_S * 2**self._deaths, LONGEST_BACK_OFF_S)


def _step_back(pid: int) -> None:
    """Let the work of others go first: a process's niceness counts inside its session only (sched(7), autogroup).

    Scanning a compiler takes a tenth of a second of a core, which is not to be missing where somebody compiles.
    """
    with contextlib.suppress(OSError):  # a kernel without groups by session compares processes
        Path(f"/proc/{pid}/autogroup").write_text(str(NICE))


def _key(state: os.stat_result) -> tuple[int, int, int, int]:
    """Another one, when the content is."""
    return state.st_dev, state.st_ino, state.st_ctime_ns, state.st_size


class Worker:
    """The other process and the socket to it."""

    def __init__(self) -> None:
        """Start it. Raises OSError."""
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        modules = [str(paths.REPOSITORY), *(place for place in sys.path if place)]
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, *FLAGS, "-m", "innerwarden.malware", "worker", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={"PYTHONPATH": ":".join(modules), "PYTHONDONTWRITEBYTECODE": "1", **FRUGAL},
                start_new_session=True,
                pass_fds=(theirs.fileno(),),
            )
        self._socket.setblocking(False)
        self.pid = self._process.pid
        _step_back(self.pid)

    def send(self, number: int, waiting: Waiting) -> bool:
        """False when the socket is full. Raises OSError when nobody is at its other end."""
        name = os.fsencode(waiting.path.rpartition("/")[2])[:NAME_BYTES]
        try:
            socket.send_fds(self._socket, [REQUEST.pack(number, waiting.executed) + name], [waiting.fd])
        except BlockingIOError:
            return False
        return True

    def receive(self) -> dict[str, Any] | None:
        """An answer, or None when there is none yet. Raises OSError at its end, ValueError for what is no answer."""
        try:
            text = self._socket.recv(ANSWER_BYTES)
        except BlockingIOError:
            return None
        if not text:
            raise ConnectionResetError("the scanning process ended")
        answer = json.loads(text)
        if not isinstance(answer, dict):
            raise ValueError("not an answer")
        return answer

    def close(self) -> subprocess.Popen[bytes]:
        """End it; the process is the caller's to reap."""
        self._socket.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        return self._process

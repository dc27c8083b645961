# SPDX-License-Identifier: Apache-2.0
"""Lines that a child of our own writes: started when wanted, started again when it ends, ended with us."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence

from innerwarden.log import safe

logger = logging.getLogger(__name__)

READ_BYTES = 256 << 10
POLL_BYTES = 4 << 20
BACKOFF_S = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
END_S = 2.0


class Child:
    """One program. `again`: start it anew when it ends, later each time; else it ends once and is `over`.

    A line beyond `line_bytes` is skipped and counted. The child gets no standard input and only the environment given.
    """

    def __init__(
        self,
        program: str,
        *,
        again: bool = True,
        line_bytes: int = 512 << 10,
        environment: dict[str, str] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.program = program
        self.absent = ""
        """Why it does not run, with the way out; empty while it runs."""
        self.said = b""
        """What it wrote to its standard error before it ended."""
        self.over = False
        self.too_long = self.restarts = 0
        self._again = again
        self._line_bytes = line_bytes
        self._environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", **(environment or {})}
        self._monotonic = monotonic
        self._process: subprocess.Popen[bytes] | None = None
        self._fd = -1
        self._buffer = bytearray()
        self._skipping = False
        self._failures = 0
        self._next_start = 0.0

    @property
    def runs(self) -> bool:
        return self._process is not None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def is_due(self) -> bool:
        """Not running, and the wait after the last end is over."""
        return self._process is None and not self.over and self._monotonic() >= self._next_start

    def postpone(self, why: str) -> None:
        """It cannot run now; look again after the longest wait."""
        self.absent = why
        self._next_start = self._monotonic() + BACKOFF_S[-1]

    def start(self, words: Sequence[str]) -> bool:
        """Start it with these arguments. setpriv ends it with us, even when we are killed."""
        command = [self.program, *words]
        if shutil.which("setpriv"):
            command = ["setpriv", "--pdeathsig", "TERM", "--", *command]
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self._environment,
                close_fds=True,
            )
        except OSError as error:
            self.absent = f"{self.program} cannot be started: {error.strerror}"
            self._later()
            return False
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
        self._process, self.absent, self.said = process, "", b""
        self._fd = process.stdout.fileno() if process.stdout else -1
        self._buffer.clear()
        self._skipping = False
        return True

    def lines(self) -> list[bytes]:
        """Whole lines that wait in its pipe, at most POLL_BYTES; at its end also the last one, finished or not."""
        if self._process is None:
            return []
        budget, ended = POLL_BYTES, False
        while budget > 0:
            try:
                data = os.read(self._fd, READ_BYTES)
            except BlockingIOError:
                break
            if not data:
                ended = True
                break
            budget -= len(data)
            self._buffer += data
        if ended and self._buffer:
            self._buffer += b"\n"
        lines = self._split()
        if ended:
            self._ended()
        elif lines:
            self._failures = 0
        return lines

    def _split(self) -> list[bytes]:
        end = self._buffer.rfind(b"\n") + 1
        lines = bytes(self._buffer[:end]).split(b"\n")[:-1] if end else []
        del self._buffer[:end]
        if self._skipping and lines:
            lines, self._skipping = lines[1:], False
        if len(self._buffer) > self._line_bytes:
            self._buffer.clear()
            if not self._skipping:
                self.too_long += 1
            self._skipping = True
        kept = [line for line in lines if len(line) <= self._line_bytes]
        self.too_long += len(lines) - len(kept)
        return kept

    def _ended(self) -> None:
        if self._process is not None and self._process.stderr is not None:
            self.said = self._process.stderr.read(4096) or b""
        status = self.close()
        message = safe(self.said.strip())
        self.absent = f"{self.program} ended with status {status}: {message or 'no message'}"
        if not self._again:
            self.over = True
            return
        self.restarts += 1
        logger.warning("child ended program=%s status=%s message=%s", self.program, status, message)
        self._later()

    def _later(self) -> None:
        self._next_start = self._monotonic() + BACKOFF_S[min(self._failures, len(BACKOFF_S) - 1)]
        self._failures += 1
        self.over = not self._again

    def close(self) -> int | None:
        """End it by its handle, and release the pipes; returns its exit status."""
        process = self._process
        if process is None:
            return None
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(END_S)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        self._process, self._fd = None, -1
        return process.returncode

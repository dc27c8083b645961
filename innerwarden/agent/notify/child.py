# SPDX-License-Identifier: Apache-2.0
"""A child process that talks in lines of JSON, seen from the agent: bounded in time, ended with its pipe."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import threading
import time

from innerwarden import paths

#: A pipe holds 65536 bytes: a line after the first small one is taken whole, even by a child that does not read.
MAX_LINE = 60_000
END_S = 1.0


class ChildGone(Exception):
    """It ended, or had to be ended; the text says why."""


class Child:
    """Used by one thread; `kill` by any."""

    def __init__(self, module: str) -> None:
        self._process = subprocess.Popen(
            paths.child_python(module),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=paths.child_environment(),
            process_group=0,  # a Ctrl-C is for the agent
        )
        self._buffer = b""
        self._lock = threading.Lock()

    @property
    def pid(self) -> int:
        return self._process.pid

    def write(self, line: bytes) -> None:
        """A line of less than MAX_LINE bytes, so that an empty pipe takes it whole. Raises ChildGone."""
        if len(line) >= MAX_LINE:
            raise ChildGone("the message is too large")
        assert self._process.stdin is not None  # noqa: S101 - a pipe
        try:
            self._process.stdin.write(line + b"\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            raise ChildGone("the sending process ended") from None

    def read(self, seconds: float | None) -> bytes:
        """The next line; without `seconds` waits for ever. Raises ChildGone, also when it is late."""
        assert self._process.stdout is not None  # noqa: S101 - a pipe
        deadline = None if seconds is None else time.monotonic() + seconds
        fd = self._process.stdout.fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(fd, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                left = None if deadline is None else deadline - time.monotonic()
                if (left is not None and left <= 0) or not selector.select(left):
                    self.kill()
                    raise ChildGone(f"no answer within {seconds:.0f} s")
                data = os.read(fd, MAX_LINE)
                self._buffer += data
                if not data or len(self._buffer) > MAX_LINE:
                    self.kill()
                    raise ChildGone("the sending process ended")
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def kill(self) -> None:
        with self._lock, contextlib.suppress(OSError):
            if self._process.poll() is None:
                self._process.kill()

    def close(self) -> None:
        """Let it end by itself for a moment."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()

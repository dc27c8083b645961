# SPDX-License-Identifier: Apache-2.0
"""The pause between two looks at the findings: over when they change, when the agent is to stop, or in time."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from innerwarden.stopping import Stop


class Changes(Protocol):
    """What the system tells of changed files: its descriptor can be read when there is something to `take`."""

    def fileno(self) -> int: ...
    def take(self) -> bool: ...
    def close(self) -> None: ...


#: Asks to be told of one file of a directory. Raises OSError where that is refused.
Watch = Callable[[Path, str], Changes]


class Sleep:
    """One thread waits. Without `changes` it is a pause and no more, and a line waits for its end."""

    def __init__(self, stop: threading.Event, changes: Changes | None = None) -> None:
        """A `stop` without a descriptor is noticed at the end of the pause, where there are changes to wait for."""
        self._stop = stop
        self._changes = changes
        self._poll = select.poll()
        if changes is not None:
            self._poll.register(changes.fileno(), select.POLLIN)
            if isinstance(stop, Stop):
                self._poll.register(stop.fileno(), select.POLLIN)

    def __call__(self, seconds: float) -> None:
        if self._changes is None:
            self._stop.wait(seconds)
            return
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self._stop.is_set():
            if self._poll.poll(left * 1000) and self._changes.take():
                return

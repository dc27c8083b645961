# SPDX-License-Identifier: Apache-2.0
"""A thread that does one step after another while there is work, and waits where there is none."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

#: After a step that raised: the first pause, doubled up to the last.
PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
#: How often the log repeats that a worker still fails.
REMIND_S = 60.0
END_S = 10.0

#: Returns whether there was something to do. What it raises is tried again later: a step leaves nothing half done.
Step = Callable[[], bool]


class Worker:
    """Starts at once; `close` lets the running step finish."""

    def __init__(self, name: str, step: Step, idle_s: float = 0.2) -> None:
        self.name = name
        self._step = step
        self._idle_s = idle_s
        self._stop = threading.Event()
        self._due = threading.Event()
        self._failing_since: float | None = None
        self._reminded = 0.0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There is something to do: look at once instead of after `idle_s`. A pause after a failure stays."""
        self._due.set()

    def close(self) -> None:
        self._stop.set()
        self._due.set()
        self._thread.join(END_S)

    def _run(self) -> None:
        pause = PAUSE_S
        while not self._stop.is_set():
            try:
                busy = self._step()
            except Exception as error:  # the top of a worker: say so, and try again
                self._tell(error)
                self._stop.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)
                continue
            if self._failing_since is not None:
                seconds = time.monotonic() - self._failing_since
                logger.warning("worker goes on name=%s after_s=%.1f", self.name, seconds)
                self._failing_since, pause = None, PAUSE_S
            if not busy:
                self._due.wait(self._idle_s)
                self._due.clear()

    def _tell(self, error: Exception) -> None:
        now = time.monotonic()
        if self._failing_since is None or now - self._reminded >= REMIND_S:
            logger.error("worker fails name=%s", self.name, exc_info=error)
            self._reminded = now
        self._failing_since = self._failing_since or now

# SPDX-License-Identifier: Apache-2.0
"""Stop asking whoever keeps failing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Breaker:
    """Open after `failures` in a row; closed again, for one try, after `pause_s`. Any thread may use it."""

    def __init__(
        self, failures: int = 3, pause_s: float = 300.0, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = failures
        self._pause_s = pause_s
        self._now = now
        self._lock = threading.Lock()
        self._failed = 0
        self._until = 0.0

    def may_ask(self) -> bool:
        with self._lock:
            if self._failed < self._limit:
                return True
            if self._now() < self._until:
                return False
            self._until = self._now() + self._pause_s  # one try; the others wait for what comes of it
            return True

    def note(self, success: bool) -> None:
        with self._lock:
            self._failed = 0 if success else self._failed + 1
            if self._failed >= self._limit:
                self._until = self._now() + self._pause_s

# SPDX-License-Identifier: Apache-2.0
"""An event that a signal handler may set while the same thread waits for it."""

from __future__ import annotations

import os
import select
import threading


class Stop(threading.Event):
    """`threading.Event` for handlers: that one's `set` takes a lock, which the thread that the handler interrupted may
    hold; then both wait for ever. This one takes none. It is never cleared."""

    def __init__(self) -> None:
        super().__init__()
        self._stopped = False
        self._read_fd, self._write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def set(self) -> None:
        # A storm of signals interrupts its own handler: the second time there is nothing to do.
        if not self._stopped:
            self._stopped = True
            os.write(self._write_fd, b"\0")

    def is_set(self) -> bool:
        return self._stopped

    def fileno(self) -> int:
        """Can be read once it is set, for who waits for something else as well."""
        return self._read_fd

    def wait(self, timeout: float | None = None) -> bool:
        """Until it is set or `timeout` seconds are over; is it set?"""
        if not self._stopped:
            poll = select.poll()
            poll.register(self._read_fd, select.POLLIN)
            poll.poll(None if timeout is None else max(0.0, timeout) * 1000)
        return self._stopped

    def __del__(self) -> None:
        os.close(self._read_fd)
        os.close(self._write_fd)

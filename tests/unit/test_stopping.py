# SPDX-License-Identifier: Apache-2.0
"""A thread that is interrupted by its own signal while it waits goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

from innerwarden.stopping import Stop

#: Interrupted thousands of times a second; a lock that the handler shares with the wait hangs it within two seconds.
#: Not as often as the sender can: a signal for each of the handler's own instructions is a recursion in any Python.
CHILD = """
import signal
from innerwarden.stopping import Stop
stop, ended = Stop(), []
signal.signal(signal.SIGUSR1, lambda *_: stop.set())
signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
print("ready", flush=True)
while not ended:
    stop.wait(0.0001)
    stop.__dict__["_stopped"] = False
"""


def test_waiting_ends_when_it_is_set() -> None:
    stop = Stop()
    began = time.monotonic()
    assert not stop.wait(0.05) and time.monotonic() - began >= 0.04
    threading.Timer(0.05, stop.set).start()
    assert stop.wait(30) and stop.is_set() and stop.wait()
    assert time.monotonic() - began < 20


def test_set_again_and_again_never_blocks() -> None:
    stop = Stop()
    for _ in range(70_000):  # more than a pipe holds
        stop.set()
    assert stop.wait(0)


def test_a_handler_may_set_it_at_any_moment() -> None:
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline() == b"ready\n"
        until = time.monotonic() + 2
        while time.monotonic() < until:
            os.kill(child.pid, signal.SIGUSR1)
            time.sleep(0.0001)
        child.send_signal(signal.SIGTERM)
        try:
            assert child.wait(20) == 0
        finally:
            child.kill()
            child.wait()

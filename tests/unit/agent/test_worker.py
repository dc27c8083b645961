# SPDX-License-Identifier: Apache-2.0
"""A worker goes on after what its step raises, and ends when it is told to."""

from __future__ import annotations

import logging
import threading

import pytest

from innerwarden.agent import worker
from innerwarden.agent.worker import Worker


def test_it_works_while_there_is_work() -> None:
    left, idle = [3], threading.Event()

    def step() -> bool:
        if left[0] == 0:
            idle.set()
            return False
        left[0] -= 1
        return True

    one = Worker("w", step, idle_s=30)
    assert idle.wait(5)
    one.close()
    assert left == [0]
    assert not any(thread.name == "w" for thread in threading.enumerate())


def test_what_a_step_raises_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(worker, "PAUSE_S", 0.01)
    caplog.set_level(logging.WARNING)
    tries, done = [0], threading.Event()

    def step() -> bool:
        tries[0] += 1
        if tries[0] < 4:
            raise OSError("the disk is full")
        done.set()
        return False

    one = Worker("w", step, idle_s=30)
    assert done.wait(5)
    one.close()
    said = [record.getMessage() for record in caplog.records]
    assert said[0] == "worker fails name=w" and said[1].startswith("worker goes on name=w"), (
        "said once, then again"
    )
    assert len(said) == 2


def test_what_is_due_is_done_at_once() -> None:
    looks = threading.Semaphore(0)

    def step() -> bool:
        looks.release()
        return False

    one = Worker("w", step, idle_s=30)
    assert looks.acquire(timeout=5), "it looks at its start"
    one.wake()
    assert looks.acquire(timeout=5), "and when it is told to, long before its time"
    assert not looks.acquire(timeout=0.2), "once"
    one.close()

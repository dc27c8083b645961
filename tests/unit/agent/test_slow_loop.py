# SPDX-License-Identifier: Apache-2.0
"""Periodic tasks: due by cadence, failures and overruns shown, a hung one never stops the others."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from innerwarden.agent.slow_loop import HANG_MIN_S, SlowLoop, Task, TaskContext, find_tasks
from innerwarden.agent.state.rows import TaskRow
from innerwarden.agent.state.writer import Writer
from innerwarden.config import Config
from innerwarden.paths import state_db
from tests.unit.agent.support import append, finding, ingest_all, reading, wait_until


@pytest.fixture
def context(tmp_path: Path) -> Iterator[TaskContext]:
    writer = Writer(state_db(tmp_path))
    yield TaskContext(writer, Config(), tmp_path)
    writer.close()


def make(name: str, run: Callable[[TaskContext], None], cadence_s: float = 1, budget_ms: int = 1000) -> Task:
    return Task(name=name, cadence_s=cadence_s, budget_ms=budget_ms, run=run)


def row(loop: SlowLoop, name: str) -> TaskRow:
    return next(one for one in loop.rows() if one.name == name)


def test_a_task_runs_at_its_cadence(context: TaskContext) -> None:
    ran: list[str] = []
    tasks = [make("often", lambda _: ran.append("often")), make("rare", lambda _: ran.append("rare"), 3)]
    loop = SlowLoop(context, tasks, now=0.0)
    for second in range(1, 8):
        loop.tick(float(second))
        wait_until(lambda expected=second: row(loop, "often").runs == expected)
    loop.close()
    assert (ran.count("often"), ran.count("rare")) == (7, 3)


def test_a_failure_is_shown_and_the_task_goes_on(context: TaskContext, tmp_path: Path) -> None:
    def fail(_: TaskContext) -> None:
        raise RuntimeError("a defect")

    loop = SlowLoop(context, [make("bad", fail)], now=0.0)
    for second in (1.0, 2.0):
        loop.tick(second)
        wait_until(lambda expected=int(second): row(loop, "bad").runs == expected)
    loop.tick(2.5)
    loop.close()
    context.writer.close()
    with reading(tmp_path) as reader:
        (stored,) = reader.tasks()
    assert (stored.runs, stored.failures, stored.last_error) == (2, 2, "RuntimeError: a defect")


def test_an_overrun_is_counted_with_its_time(context: TaskContext) -> None:
    gate = threading.Event()
    loop = SlowLoop(context, [make("slow", lambda _: gate.wait(0.05) and None, budget_ms=1)], now=0.0)
    loop.tick(1.0)
    wait_until(lambda: row(loop, "slow").runs == 1)
    loop.close()
    slow = row(loop, "slow")
    assert slow.overruns == 1
    assert slow.last_ms is not None and slow.last_ms >= 50
    assert slow.last_error is not None and "budget 1 ms" in slow.last_error


def test_a_hung_task_is_skipped_and_the_others_go_on(context: TaskContext, tmp_path: Path) -> None:
    import time

    gate, started = threading.Event(), threading.Event()

    def hang(_: TaskContext) -> None:
        started.set()
        gate.wait(30)

    ran: list[int] = []
    loop = SlowLoop(context, [make("hang", hang, budget_ms=10), make("other", lambda _: ran.append(1))])
    begin = time.monotonic() + 1
    loop.tick(begin)
    assert started.wait(5)
    loop.tick(begin + HANG_MIN_S + 1)
    wait_until(lambda: len(ran) >= 1)
    assert row(loop, "hang").state == "hung"
    loop.tick(begin + HANG_MIN_S + 3)
    wait_until(lambda: len(ran) >= 2)
    wait_until(lambda: _stored_state(tmp_path, "hang") == "hung")
    gate.set()
    wait_until(lambda: row(loop, "hang").state == "waiting")
    loop.tick(begin + HANG_MIN_S + 5)
    wait_until(lambda: row(loop, "hang").runs == 2)
    loop.close()


def _stored_state(data_dir: Path, name: str) -> str | None:
    with reading(data_dir) as reader:
        return next((one.state for one in reader.tasks() if one.name == name), None)


def test_tick_never_waits_for_a_task(context: TaskContext) -> None:
    gate = threading.Event()
    loop = SlowLoop(context, [make("long", lambda _: gate.wait(30) and None)], now=0.0)
    loop.tick(1.0)
    loop.tick(2.0)  # returns although the task is still running
    gate.set()
    loop.close()


def test_every_shipped_task_runs_within_its_budget(context: TaskContext, tmp_path: Path) -> None:
    append(tmp_path, *(finding(key=str(n)) for n in range(500)))
    context.writer.close()
    ingest_all(tmp_path)
    writer = Writer(state_db(tmp_path))
    shipped = find_tasks()
    assert {
        "prune_incidents",
        "prune_telemetry",
        "expire_trail",
        "overdue_chains",
        "wal_checkpoint",
        "malloc_trim",
    } <= {task.name for task in shipped}
    loop = SlowLoop(TaskContext(writer, Config(), tmp_path), shipped, now=0.0)
    loop.tick(1.0)
    wait_until(lambda: all(one.runs == 1 for one in loop.rows()))
    loop.close()
    writer.close()
    for one in loop.rows():
        assert (one.failures, one.last_error) == (0, None), one


def test_heavy_tasks_neither_delay_the_others_nor_share_their_priority(context: TaskContext) -> None:
    go = threading.Event()
    nice: dict[str, int] = {}

    def heavy(_: TaskContext) -> None:
        nice["heavy"] = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        go.wait(10)

    def light(_: TaskContext) -> None:
        nice["light"] = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    tasks = [
        Task(name="heavy", cadence_s=1, budget_ms=60_000, run=heavy, heavy=True),
        Task(name="light", cadence_s=1, budget_ms=1000, run=light),
    ]
    loop = SlowLoop(context, tasks, now=0.0)
    for second in range(1, 4):
        loop.tick(float(second))
        wait_until(lambda expected=second: row(loop, "light").runs == expected)
    assert row(loop, "heavy").state == "running"
    go.set()
    wait_until(lambda: row(loop, "heavy").runs == 1)
    loop.close()
    assert nice == {"heavy": 19, "light": os.getpriority(os.PRIO_PROCESS, 0)}


def test_a_hung_heavy_task_leaves_the_other_heavy_ones_a_worker(context: TaskContext) -> None:
    go = threading.Event()
    tasks = [
        Task(name="stuck", cadence_s=100, budget_ms=1, run=lambda _: bool(go.wait(30)) and None, heavy=True),
        Task(name="other", cadence_s=100, budget_ms=1000, run=lambda _: None, heavy=True),
    ]
    loop = SlowLoop(context, tasks, now=0.0)
    loop.tick(1.0)
    wait_until(lambda: row(loop, "stuck").state == "running")
    loop.tick(time.monotonic() + HANG_MIN_S + 1)
    wait_until(lambda: row(loop, "other").runs == 1)
    assert row(loop, "stuck").state == "hung"
    go.set()
    loop.close()

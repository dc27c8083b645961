# SPDX-License-Identifier: Apache-2.0
"""The one scheduler: periodic tasks found by scanning, one tick a second.

How one task cannot delay the others: tick() only looks at the clock and hands due tasks to a worker thread,
which runs them one after another. A task that works longer than its budget is an overrun: logged,
counted, shown. One that works HANG_FACTOR times its budget (at least HANG_MIN_S) is declared hung: its worker
is given up, a new one runs the other tasks, and the hung task is skipped until its call returns. Tasks that may
take seconds are `heavy`: they have a worker of their own, at the lowest priority.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import pkgutil
import queue
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from innerwarden.agent import tasks
from innerwarden.agent.state.rows import TaskRow
from innerwarden.agent.state.tx import Tx
from innerwarden.agent.state.writer import Writer
from innerwarden.clock import realtime_ns
from innerwarden.config import Config
from innerwarden.errors import StateError

logger = logging.getLogger(__name__)

TICK_S = 1.0
HANG_FACTOR = 4
HANG_MIN_S = 1.0
#: A healthy status is written at most this often; trouble at once.
SAVE_EVERY_S = 10.0
LOWEST_PRIORITY = 19


class TaskContext(msgspec.Struct, frozen=True):
    """All that a task may touch."""

    writer: Writer
    config: Config
    data_dir: Path


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """`budget_ms` is what one run may take; `run` is called in a worker thread, never twice at a time. `heavy`: among
    its like only, with the least claim to the processor."""

    name: str
    cadence_s: float
    budget_ms: int
    run: Callable[[TaskContext], None]
    heavy: bool = False


class SaveTasks(msgspec.Struct, frozen=True):
    """Operation: what `status` shows of the tasks."""

    rows: tuple[TaskRow, ...]
    durable: bool = False

    def apply(self, tx: Tx) -> None:
        for row in self.rows:
            tx.save_task(row)


class _State:
    """What is known of one task; guarded by SlowLoop's lock."""

    def __init__(self, task: Task, now: float) -> None:
        self.task = task
        self.due = now
        self.busy = False
        self.started: float | None = None
        self.worker: _Worker | None = None
        self.state = "waiting"
        self.runs = self.overruns = self.failures = 0
        self.last_ns: int | None = None
        self.last_ms: float | None = None
        self.last_error: str | None = None

    def row(self) -> TaskRow:
        return TaskRow(
            name=self.task.name,
            cadence_s=self.task.cadence_s,
            budget_ms=self.task.budget_ms,
            state=self.state,
            runs=self.runs,
            overruns=self.overruns,
            failures=self.failures,
            last_ns=self.last_ns,
            last_ms=self.last_ms,
            last_error=self.last_error,
        )


class _Worker:
    """A thread with its own queue; given up when its task hangs."""

    def __init__(self, run: Callable[[_State, _Worker], None], heavy: bool) -> None:
        self.heavy = heavy
        self.todo: queue.SimpleQueue[_State | None] = queue.SimpleQueue()
        self.given_up = False
        self._run = run
        self.thread = threading.Thread(target=self._serve, name="slow-loop", daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        if self.heavy:
            with contextlib.suppress(OSError):  # refused, it works as hard as the others
                os.setpriority(
                    os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY
                )  # of this thread alone
        while (state := self.todo.get()) is not None:
            self._run(state, self)
            if self.given_up:
                return


class SlowLoop:
    """tick() belongs to one thread (the agent's main loop); run state is shared with the worker."""

    def __init__(self, context: TaskContext, found: Sequence[Task], now: float | None = None) -> None:
        start = time.monotonic() if now is None else now
        self._context = context
        self._states = [_State(task, start + min(task.cadence_s, TICK_S)) for task in found]
        self._lock = threading.Lock()
        self._workers = {heavy: _Worker(self._run, heavy) for heavy in (False, True)}
        self._changed: set[str] = {state.task.name for state in self._states}
        self._urgent = True
        self._saved = start

    def tick(self, now: float) -> None:
        """Start what is due, notice what hangs, save the status. Takes microseconds; call once a second."""
        with self._lock:
            for state in self._states:
                self._look_for_hang(state, now)
            for state in self._states:
                if now >= state.due and not state.busy:
                    state.busy = True
                    state.worker = self._workers[state.task.heavy]
                    state.due = now + state.task.cadence_s
                    state.worker.todo.put(state)
            rows = self._rows_to_save(now)
        if rows:
            self._save(rows)

    def rows(self) -> list[TaskRow]:
        with self._lock:
            return [state.row() for state in self._states]

    def close(self, timeout_s: float = 0.2) -> None:
        """Let the running task finish for a moment; one that does not is left to the exit of the process."""
        for worker in self._workers.values():
            worker.given_up = True
            worker.todo.put(None)
        until = time.monotonic() + timeout_s
        for worker in self._workers.values():
            worker.thread.join(max(0.0, until - time.monotonic()))

    def _look_for_hang(self, state: _State, now: float) -> None:
        if state.started is None or state.state == "hung":
            return
        limit_s = max(HANG_MIN_S, HANG_FACTOR * state.task.budget_ms / 1000)
        if now - state.started <= limit_s:
            return
        state.state = "hung"
        state.last_error = f"still running after {limit_s:.1f} s"
        self._note(state, urgent=True)
        logger.error("periodic task hangs, the others go on task=%s limit_s=%.1f", state.task.name, limit_s)
        heavy = state.task.heavy
        stuck = self._workers[heavy]
        self._workers[heavy] = _Worker(self._run, heavy)
        stuck.given_up = True
        # What waited behind the hung task moves over.
        for other in self._states:
            if other.busy and other.started is None and other.worker is stuck:
                other.worker = self._workers[heavy]
                other.worker.todo.put(other)

    def _run(self, state: _State, worker: _Worker) -> None:
        with self._lock:
            if state.worker is not worker:
                return
            state.started = time.monotonic()
            state.state = "running"
        error: str | None = None
        try:
            state.task.run(self._context)
        except Exception as problem:  # the border of a worker: a task never takes the loop down
            error = f"{type(problem).__name__}: {problem}"
            logger.exception("periodic task failed task=%s", state.task.name)
        with self._lock:
            self._finish(state, error)

    def _finish(self, state: _State, error: str | None) -> None:
        assert state.started is not None  # noqa: S101 - set by _run under the same lock
        elapsed_ms = (time.monotonic() - state.started) * 1000
        overran = elapsed_ms > state.task.budget_ms
        state.runs += 1
        state.overruns += overran
        state.failures += error is not None
        state.last_ns, state.last_ms = realtime_ns(), round(elapsed_ms, 3)
        state.last_error = error
        if overran:
            state.last_error = error or f"took {elapsed_ms:.0f} ms, budget {state.task.budget_ms} ms"
            logger.warning(
                "periodic task overran task=%s took_ms=%.0f budget_ms=%d",
                state.task.name,
                elapsed_ms,
                state.task.budget_ms,
            )
        state.state, state.started, state.busy, state.worker = "waiting", None, False, None
        self._note(state, urgent=overran or error is not None)

    def _note(self, state: _State, urgent: bool) -> None:
        self._changed.add(state.task.name)
        self._urgent = self._urgent or urgent

    def _rows_to_save(self, now: float) -> tuple[TaskRow, ...]:
        if not self._changed or not (self._urgent or now - self._saved >= SAVE_EVERY_S):
            return ()
        rows = tuple(state.row() for state in self._states if state.task.name in self._changed)
        self._changed, self._urgent, self._saved = set(), False, now
        return rows

    def _save(self, rows: tuple[TaskRow, ...]) -> None:
        try:
            self._context.writer.submit(SaveTasks(rows))
        except StateError as error:
            logger.warning("task status was not saved error=%s", error.problem)


def find_tasks() -> list[Task]:
    """`TASK` of every file in agent/tasks/. Raises StateError for a file without one or a double name."""
    found: dict[str, Task] = {}
    for info in sorted(pkgutil.iter_modules(tasks.__path__), key=lambda one: one.name):
        task = getattr(importlib.import_module(f"{tasks.__name__}.{info.name}"), "TASK", None)
        if not isinstance(task, Task) or task.name in found:
            raise StateError(
                f"agent/tasks/{info.name}.py has no TASK of its own name", "Define TASK = Task(...)"
            )
        found[task.name] = task
    return list(found.values())

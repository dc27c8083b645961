# SPDX-License-Identifier: Apache-2.0
"""The agent: puts store, ingest, correlation and periodic tasks together and runs them until told to stop."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from innerwarden import paths
from innerwarden.agent import derived
from innerwarden.agent.baseline.engine import Baseline
from innerwarden.agent.baseline.task import TASK as learn_baseline
from innerwarden.agent.correlate.engine import Correlator
from innerwarden.agent.correlate.registry import find_rules
from innerwarden.agent.correlate.rule import ChainRule
from innerwarden.agent.dna.engine import Dna
from innerwarden.agent.dna.task import TASK as close_sessions
from innerwarden.agent.ingest import Ingest, Observer
from innerwarden.agent.killchain.engine import KillChain
from innerwarden.agent.notify.notifier import Notifier
from innerwarden.agent.operate.control import Control
from innerwarden.agent.operate.operator import Operator
from innerwarden.agent.respond.client import Client
from innerwarden.agent.respond.respond import Respond
from innerwarden.agent.sleep import Changes, Sleep, Watch
from innerwarden.agent.slow_loop import TICK_S, SlowLoop, TaskContext, find_tasks
from innerwarden.agent.state.tx import Stored, Tx
from innerwarden.agent.state.writer import StorageError, Writer
from innerwarden.agent.triage.compose import open_consultation, open_triage
from innerwarden.agent.worker import Worker
from innerwarden.config import Config
from innerwarden.errors import UnavailableError
from innerwarden.stopping import Stop
from innerwarden.users import Users

logger = logging.getLogger(__name__)

#: Pause after the disk refused a batch, and how often the log repeats that it still does.
RETRY_S = 1.0
REMIND_S = 60.0
#: An incident waits so long for its decision at most, where nothing else is to decide.
TRIAGE_IDLE_S = 0.05

#: Starts what reads the state (the dashboard) once the database is open, and hands what people say there to the
#: operator; returns what stops it at once.
Serve = Callable[[Writer, Operator], Callable[[], None]]


def run(
    config: Config,
    data_dir: Path,
    stop: threading.Event | None = None,
    serve: Serve | None = None,
    watch: Watch | None = None,
) -> None:
    """Ingest until `stop` is set; without one, until SIGTERM or SIGINT. `watch`: tells of new findings at once, which
    are looked for every `agent.poll_ms` in any case.

    Raises UnavailableError when another agent uses `data_dir`, StateError when state.db is refused.
    """
    with ExitStack() as stack:
        if stop is None:
            stop = Stop()
            stack.enter_context(_Signals(stop))
        stack.callback(os.close, lock(data_dir))
        writer = Writer(paths.state_db(data_dir))
        stack.callback(writer.close)
        rules = find_rules()
        ingest = Ingest(paths.findings(data_dir), writer, observer(rules, config))
        stack.callback(ingest.close)
        decide = _decide(stack, config, data_dir, writer, [rule.id for rule in rules])
        operator = Operator(writer, config)
        stack.callback(Control(paths.agent_socket(data_dir), operator.run).close)
        notifier = Notifier(writer, config.notify, config.host_name(), operate=operator.word)
        stack.callback(notifier.close)
        tasks = [*find_tasks(), notifier.task, learn_baseline, close_sessions]
        slow_loop = SlowLoop(TaskContext(writer, config, data_dir), tasks)
        stack.callback(slow_loop.close)
        if serve is not None:
            stack.callback(serve(writer, operator))
        sleep = Sleep(stop, _watched(watch, paths.findings(data_dir), stack))
        pause = partial(sleep, config.agent.poll_ms / 1000)
        logger.info("agent runs data_dir=%s pid=%d", data_dir, os.getpid())
        _Loop(ingest, slow_loop, stop, pause, decide).run()
        logger.info("agent stops data_dir=%s", data_dir)


def _watched(watch: Watch | None, findings: Path, stack: ExitStack) -> Changes | None:
    """What tells of new findings; None where nothing does."""
    if watch is None:
        return None
    try:
        changes = watch(findings.parent, findings.name)
    except OSError as error:
        logger.warning("new findings are found by looking only path=%s error=%s", findings, error)
        return None
    stack.callback(changes.close)
    return changes


def _decide(
    stack: ExitStack, config: Config, data_dir: Path, writer: Writer, chains: list[str]
) -> Callable[[], None]:
    """Threads that decide and respond; `stack` ends them. Returns what tells them of new incidents."""
    client = Client(config.responder.socket)
    stack.callback(client.close)
    respond = Worker("respond", Respond(writer, config, client).step)
    stack.callback(respond.close)
    others = derived.ids()
    triage = open_triage(config, data_dir, writer, chains=chains, others=others)
    stack.callback(triage.close)

    def judge() -> bool:
        busy = triage.step()
        if busy:
            respond.wake()
        return busy

    worker = Worker("triage", judge, TRIAGE_IDLE_S)
    stack.callback(worker.close)
    consultation = open_consultation(config, data_dir, writer, chains=chains, others=others)
    if consultation is not None:
        stack.callback(consultation.close)
        stack.callback(Worker("model", consultation.step).close)
    return worker.wake


def observer(rules: Sequence[ChainRule], config: Config) -> Observer:
    """All that puts findings together, one after another."""
    users = Users()
    observers = (
        Correlator(rules, users.name).observe,
        KillChain().observe,
        Baseline(config.baseline, users.knows).observe,
        Dna().observe,
    )

    def observe(tx: Tx, incident: Stored) -> int:
        return sum(one(tx, incident) for one in observers)

    return observe


class _Loop:
    """The main thread: one batch after another while there is something, then a short wait."""

    def __init__(
        self,
        ingest: Ingest,
        slow_loop: SlowLoop,
        stop: threading.Event,
        pause: Callable[[], None],
        decide: Callable[[], None],
    ) -> None:
        self._decide = decide
        self._pause = pause
        self._ingest = ingest
        self._slow_loop = slow_loop
        self._stop = stop
        self._retry_at = 0.0
        self._paused_since: float | None = None
        self._reminded = 0.0

    def run(self) -> None:
        next_tick = time.monotonic()
        while not self._stop.is_set():
            now = time.monotonic()
            if now >= next_tick:
                self._slow_loop.tick(now)
                next_tick = now + TICK_S
            if now < self._retry_at or not self._step(now):
                self._pause()

    def _step(self, now: float) -> bool:
        """One batch; False when there was nothing to do or no room to do it."""
        try:
            done = self._ingest.step()
        except StorageError as error:
            if self._paused_since is None or now - self._reminded >= REMIND_S:
                logger.error("ingest waits, nothing is lost: %s. %s", error.problem, error.remedy)
                self._reminded = now
            self._paused_since = self._paused_since or now
            self._retry_at = now + RETRY_S
            return False
        if done is None:
            return False
        if self._paused_since is not None:
            logger.warning("ingest goes on after_s=%.1f", now - self._paused_since)
            self._paused_since = None
        if done.incidents:
            self._decide()
        return True


class _Signals:
    """SIGTERM and SIGINT set `stop`; the handlers from before come back at the end."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop

    def __enter__(self) -> None:
        self._before = {
            number: signal.signal(number, lambda *_: self._stop.set())
            for number in (signal.SIGTERM, signal.SIGINT)
        }

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def lock(data_dir: Path) -> int:
    """A descriptor that holds the data directory for one agent; the kernel lets go when the process ends."""
    path = paths.agent_lock(data_dir)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise UnavailableError(
            f"{path} cannot be opened: {error.strerror}",
            f"Give this user write access to {path.parent}, or give another --data-dir",
        ) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        pid = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
        os.close(fd)
        named = f" (pid {pid})" if pid.isdigit() else ""
        raise UnavailableError(
            f"another agent{named} already uses {data_dir}",
            f"Stop it{f' with: kill {pid}' if pid.isdigit() else ''}, or give another --data-dir",
        ) from error
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return fd

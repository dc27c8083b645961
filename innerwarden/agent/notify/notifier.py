# SPDX-License-Identifier: Apache-2.0
"""Routes once a second and drains the outbox: a thread and a child process for a channel that has something to send.

A provider that hangs holds up its own channel only. A message is settled in the database before the next goes to the
child, so an agent that is killed sends at most one message of a channel twice, and none never.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import msgspec

from innerwarden.agent.notify.approvals import Approvals, Operate
from innerwarden.agent.notify.child import Child, ChildGone
from innerwarden.agent.notify.codes import new_codes
from innerwarden.agent.notify.message import Message
from innerwarden.agent.notify.route import BATCH, Route
from innerwarden.agent.notify.sending import Outgoing, Result, Target
from innerwarden.agent.notify.settle import Settle, Take
from innerwarden.agent.slow_loop import Task, TaskContext
from innerwarden.agent.state.notices import Due
from innerwarden.agent.state.writer import StorageError, Writer
from innerwarden.clock import NS, realtime_ns
from innerwarden.config import ChannelConfig, NotifyConfig
from innerwarden.errors import StateError
from innerwarden.model.record import Outcome

logger = logging.getLogger(__name__)

MODULE = "innerwarden.agent.notify.send"
#: A digest over a full outbox takes half a second; routing itself stops after ROUTE_S and goes on with the next tick.
BUDGET_MS = 1000
ROUTE_S = 0.125
#: Messages that one child sends before it ends, and channels that send at a time.
MESSAGES = 100
SENDERS = 8
#: Above the timeouts of a send: start of the child, import of Apprise on a busy machine.
SLACK_S = 20.0
PRUNE_EVERY_S = 60.0
REMIND_S = 60.0
_JSON = msgspec.json.Encoder()
_RESULT = msgspec.json.Decoder(Result)
_MESSAGE = msgspec.json.Decoder(Message)


class Notifier:
    """`task` belongs into the slow loop; `close` ends what is being sent. `operate` carries out the operator's word
    from a chat; without it no message has buttons, whatever the configuration says."""

    def __init__(
        self,
        writer: Writer,
        config: NotifyConfig,
        host: str,
        *,
        operate: Operate | None = None,
        now: Callable[[], int] = realtime_ns,
    ) -> None:
        self._writer = writer
        self._config = config
        self._host = host
        self._now = now
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._busy: dict[str, threading.Thread] = {}
        self._children: dict[str, Child] = {}
        self._unsettled: dict[str, Settle] = {}
        self._pruned = self._reminded = float("-inf")
        self._approvals = None if operate is None else Approvals(writer, config, operate, now)
        if self._approvals is not None:
            self._approvals.start()
        self.task = Task(name="notify", cadence_s=1, budget_ms=BUDGET_MS, run=self._run)

    def close(self, timeout_s: float = 0.3) -> None:
        """A message that is being sent is sent again by the next agent."""
        self._stop.set()
        if self._approvals is not None:
            self._approvals.close(timeout_s)
        with self._lock:
            threads, children = list(self._busy.values()), list(self._children.values())
        for child in children:
            child.kill()
        for thread in threads:
            thread.join(timeout_s)

    def _run(self, _context: TaskContext) -> None:
        self.tick()

    def tick(self) -> None:
        """Route what came, then start what is due; returns at once."""
        now = time.monotonic()
        try:
            due = self._route(now)
        except StorageError as error:
            if now - self._reminded >= REMIND_S:
                logger.error("notifications wait, nothing is lost: %s. %s", error.problem, error.remedy)
                self._reminded = now
            return
        for name in due:
            self._start(name)

    def _route(self, now: float) -> tuple[str, ...]:
        prune = now - self._pruned >= PRUNE_EVERY_S
        until = now + ROUTE_S
        while True:
            route = Route(notify=self._config, host=self._host, now_ns=self._now(), prune=prune)
            done = self._writer.run(route)
            if prune:
                self._pruned, prune = now, False
            if done.taken < BATCH or time.monotonic() >= until:
                return done.due

    def _start(self, name: str) -> None:
        with self._lock:
            if self._stop.is_set() or name in self._busy or len(self._busy) >= SENDERS:
                return
            thread = threading.Thread(target=self._drain, args=(name,), name=f"notify-{name}", daemon=True)
            self._busy[name] = thread
        thread.start()

    def _drain(self, name: str) -> None:
        try:
            self._send_due(name, self._config.channels[name])
        except StateError as error:
            if not self._stop.is_set():
                logger.error("notifications wait channel=%s error=%s", name, error.problem)
        except (
            Exception
        ) as error:  # the border of a worker; its text may hold what a message says, not a secret
            logger.error("sending failed channel=%s error=%s", name, type(error).__name__)
        finally:
            with self._lock:
                child = self._children.pop(name, None)
            if child is not None:
                child.close()
            with self._lock:
                self._busy.pop(name, None)

    def _send_due(self, name: str, channel: ChannelConfig) -> None:
        for _ in range(MESSAGES):
            if name in self._unsettled:  # sent, but the disk refused: settle it, do not send it again
                self._writer.run(self._unsettled[name])
                del self._unsettled[name]
            due = None if self._stop.is_set() else self._writer.run(Take(channel=name, now_ns=self._now()))
            if due is None:
                return
            result = self._attempt(name, channel, due)
            if self._stop.is_set() and not result.ok:
                return
            self._settle(name, due, result)
            if not result.ok and not result.final:
                return

    def _attempt(self, name: str, channel: ChannelConfig, due: Due) -> Result:
        outgoing = self._outgoing(name, channel, _MESSAGE.decode(due.body))
        try:
            child = self._child(name, channel)
            child.write(_JSON.encode(outgoing))
            return _RESULT.decode(child.read(3 * channel.timeout_s + SLACK_S))
        except (ChildGone, OSError, msgspec.MsgspecError) as error:
            self._forget_child(name)
            detail = str(error) if isinstance(error, ChildGone) else "the sending process did not work"
            return Result(ok=False, detail=detail)

    def _outgoing(self, name: str, channel: ChannelConfig, message: Message) -> Outgoing:
        """With codes for the buttons when the operator's word is taken here. Each attempt has its own."""
        response_id = message.response_id
        answerable = self._approvals is not None and channel.approve and message.outcome is Outcome.PROPOSE
        if not answerable or response_id is None:
            return Outgoing(message=message)
        expires_ns = self._now() + self._config.approval_ttl_s * NS
        words, add = new_codes(name, response_id, expires_ns)
        self._writer.run(add)
        return Outgoing(message=message, approve=words["approve"], deny=words["deny"])

    def _child(self, name: str, channel: ChannelConfig) -> Child:
        with self._lock:
            child = self._children.get(name)
        if child is None:
            child = Child(MODULE)
            with self._lock:
                self._children[name] = child
            if self._stop.is_set():
                child.kill()
            child.write(_JSON.encode(Target(name=name, channel=channel)))
        return child

    def _forget_child(self, name: str) -> None:
        with self._lock:
            child = self._children.pop(name, None)
        if child is not None:
            child.kill()
            child.close()

    def _settle(self, name: str, due: Due, result: Result) -> None:
        settle = Settle(
            channel=name,
            due=due,
            result=result,
            max_attempts=self._config.max_attempts,
            now_ns=self._now(),
        )
        self._unsettled[name] = settle
        given_up = self._writer.run(settle)
        del self._unsettled[name]
        if given_up:
            logger.error(
                "notification given up channel=%s severity=%s reason=%s", name, due.severity, result.detail
            )
        elif not result.ok:
            logger.warning(
                "notification not sent, it is tried again channel=%s reason=%s", name, result.detail
            )

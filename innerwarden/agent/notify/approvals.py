# SPDX-License-Identifier: Apache-2.0
"""The operator's word from a chat: who may give it, for which proposal, once, and for how long."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import msgspec

from innerwarden.agent.notify.answering import Event, Listen, Press, Reply
from innerwarden.agent.notify.child import Child, ChildGone
from innerwarden.agent.notify.codes import digest
from innerwarden.agent.state import notices, record
from innerwarden.agent.state.notices import Code
from innerwarden.agent.state.tx import Tx
from innerwarden.agent.state.writer import Writer
from innerwarden.clock import realtime_ns
from innerwarden.config import ChannelConfig, NotifyConfig
from innerwarden.errors import InnerWardenError, StateError
from innerwarden.log import safe
from innerwarden.model.record import Operated

logger = logging.getLogger(__name__)

#: `operate(who, 'approve' or 'deny', response_id)` does it and returns what to tell. Raises InnerWardenError.
Operate = Callable[[str, str, str], str]

MODULE = "innerwarden.agent.notify.listen"
POLL_S = 25
SLACK_S = 60.0
FIRST_WAIT_S = 2.0
LONGEST_WAIT_S = 60.0
#: Refused presses that are recorded one by one in an hour; all are counted.
RECORDED_AN_HOUR = 20
NOT_ALLOWED = "Not allowed."


class Spend(msgspec.Struct, frozen=True, kw_only=True):
    """Operation: the code that was pressed, spent; or why it does not count. A power cut does not give it back."""

    sha256: str
    channels: tuple[str, ...]
    now_ns: int
    durable: bool = True

    def apply(self, tx: Tx) -> Code | str:
        return notices.use_code(tx, self.sha256, self.channels, self.now_ns)


class Refuse(msgspec.Struct, frozen=True, kw_only=True):
    """Operation: count a press that did not count, and record who it was unless too many were."""

    who: str
    subject: str
    reason: str
    recorded: bool
    durable: bool = True

    def apply(self, tx: Tx) -> None:
        tx.count("notify_words_refused")
        if self.recorded:
            record.append(
                tx, Operated(who=self.who, what="refused", subject=self.subject, reason=self.reason)
            )


class Approvals:
    """A thread and a child process for each bot; none when no channel takes answers."""

    def __init__(
        self,
        writer: Writer,
        config: NotifyConfig,
        operate: Operate,
        now: Callable[[], int] = realtime_ns,
        poll_s: int = POLL_S,
    ) -> None:
        self._writer = writer
        self._operate = operate
        self._now = now
        self._poll_s = poll_s
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._children: dict[str, Child] = {}
        self._recorded: list[float] = []
        self._bots = _bots(config)
        self._threads = [
            threading.Thread(target=self._serve, args=(secret,), name="notify-approvals", daemon=True)
            for secret in self._bots
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def close(self, timeout_s: float = 0.3) -> None:
        self._stop.set()
        with self._lock:
            children = list(self._children.values())
        for child in children:
            child.kill()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout_s)

    def _serve(self, secret: str) -> None:
        wait_s = FIRST_WAIT_S
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                self._listen(secret)
            except (ChildGone, OSError, msgspec.MsgspecError) as error:
                if not self._stop.is_set():
                    logger.warning(
                        "answers from a chat are not heard for a while reason=%s", type(error).__name__
                    )
            except Exception as error:  # the border of a worker
                logger.error("answers from a chat are not heard for a while reason=%s", type(error).__name__)
            wait_s = (
                FIRST_WAIT_S if time.monotonic() - began > LONGEST_WAIT_S else min(wait_s * 2, LONGEST_WAIT_S)
            )
            self._stop.wait(wait_s)

    def _listen(self, secret: str) -> None:
        channels = self._bots[secret]
        one = next(iter(channels.values()))
        child = Child(MODULE)
        with self._lock:
            self._children[secret] = child
        try:
            if self._stop.is_set():
                return
            listen = Listen(
                secret=secret,
                address=one.address,
                ca_file=one.ca_file,
                timeout_s=one.timeout_s,
                poll_s=self._poll_s,
            )
            child.write(msgspec.json.encode(listen))
            self._converse(child, channels, self._poll_s + 3 * one.timeout_s + SLACK_S)
        finally:
            child.kill()
            child.close()

    def _converse(self, child: Child, channels: dict[str, ChannelConfig], patience_s: float) -> None:
        problem = ""
        while not self._stop.is_set():
            event = msgspec.json.decode(child.read(patience_s), type=Event)
            if event.problem and event.problem != problem:
                logger.warning("answers from a chat are not heard for a while reason=%s", event.problem)
            problem = event.problem
            if event.press is not None:
                child.write(msgspec.json.encode(self.word(channels, event.press)))

    def word(self, channels: dict[str, ChannelConfig], press: Press) -> Reply:
        """Decide about one press: chat, then user, then code; only then `operate` is called."""
        who = f"telegram:{press.user}"
        here = {name: one for name, one in channels.items() if one.chat == press.chat}
        allowed = tuple(name for name, one in here.items() if press.user in one.approvers)
        if not allowed:
            reason = "not an approver of this chat" if here else "not a chat of this bot's channels"
            return self._refuse(who, f"telegram chat {press.chat}", reason, NOT_ALLOWED)
        spend = Spend(sha256=digest(press.data), channels=allowed, now_ns=self._now())
        try:
            code = self._writer.run(spend)
        except StateError:
            return Reply(notice="It cannot be recorded now, so nothing was done. Try again later.")
        if isinstance(code, str):
            text = f"Nothing was done: this button is {code}. See: innerwarden incidents"
            return self._refuse(who, f"telegram chat {press.chat}", f"a button that is {code}", text)
        try:
            text = self._operate(who, code.word, code.response_id)
        except InnerWardenError as error:
            text = f"It did not work: {error.problem}"
        except (
            Exception
        ) as error:  # the border to another room: the press is spent, and the operator must hear of it
            logger.error("the operator's word failed word=%s error=%s", code.word, type(error).__name__)
            text = f"It did not work ({type(error).__name__}). See: innerwarden status"
        text = safe(text, 400)
        return Reply(notice=text, chat_text=f"{code.response_id}: {code.word} by {who}. {text}")

    def _refuse(self, who: str, subject: str, reason: str, text: str) -> Reply:
        now = time.monotonic()
        self._recorded = [at for at in self._recorded if now - at < 3600]
        recorded = len(self._recorded) < RECORDED_AN_HOUR
        if recorded:
            self._recorded.append(now)
            logger.warning("a word from a chat was refused who=%s reason=%s", who, reason)
        try:
            self._writer.run(Refuse(who=who, subject=subject, reason=reason, recorded=recorded))
        except StateError as error:
            logger.error("a refused word could not be recorded error=%s", error.problem)
        return Reply(notice=text)


def _bots(config: NotifyConfig) -> dict[str, dict[str, ChannelConfig]]:
    """Channels that take answers, by the file of their token: one bot is asked by one process only."""
    found: dict[str, dict[str, ChannelConfig]] = {}
    for name, channel in config.channels.items():
        if config.enabled and channel.enabled and channel.approve and channel.kind == "telegram":
            found.setdefault(channel.secret, {})[name] = channel
    return found

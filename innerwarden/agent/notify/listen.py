# SPDX-License-Identifier: Apache-2.0
"""`python -m innerwarden.agent.notify.listen`: asks the Telegram Bot API for pressed buttons.

Lines of JSON: a Listen on stdin, then an Event on stdout for each poll and each press, and for each press a Reply on
stdin before the next is told. A press is confirmed to Telegram after its Reply, so one that was cut short comes again.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import resource
import sys
import threading
import time

import msgspec

from innerwarden.agent.notify import secret_file
from innerwarden.agent.notify.answering import Event, Listen, Press, Reply
from innerwarden.agent.notify.channels.telegram import API
from innerwarden.agent.notify.failure import Failed
from innerwarden.agent.notify.post import Request, post
from innerwarden.unreadable import UNREADABLE

MAX_ANSWER = 4 << 20
PRESSES_AT_ONCE = 10
FIRST_WAIT_S = 2.0
LONGEST_WAIT_S = 60.0
#: Telegram's own bound on what a button sends.
DATA_LIMIT = 64


class _Sender(msgspec.Struct, frozen=True):
    id: int


class _Message(msgspec.Struct, frozen=True):
    chat: _Sender


class _Query(msgspec.Struct, frozen=True, rename={"sender": "from"}):
    id: str
    sender: _Sender
    message: _Message | None = None
    data: str = ""


class _Update(msgspec.Struct, frozen=True):
    callback_query: _Query | None = None


class _Number(msgspec.Struct, frozen=True):
    update_id: int


class _Answer(msgspec.Struct, frozen=True):
    result: tuple[msgspec.Raw, ...] = ()


class Bot:
    """One token's calls. Raises Failed."""

    def __init__(self, listen: Listen) -> None:
        self._listen = listen
        self._offset = 0

    def presses(self) -> list[tuple[int, Press | None]]:
        """What came since the last confirmed; waits up to poll_s for it."""
        body = {
            "offset": self._offset,
            "timeout": self._listen.poll_s,
            "limit": PRESSES_AT_ONCE,
            "allowed_updates": ["callback_query"],
        }
        answer = self._call("getUpdates", body, self._listen.poll_s)
        try:
            return [_press(raw) for raw in msgspec.json.decode(answer, type=_Answer).result]
        except UNREADABLE:
            raise Failed("the answer to getUpdates is not what the Bot API says") from None

    def confirm(self, number: int) -> None:
        """With the next poll."""
        self._offset = max(self._offset, number + 1)

    def reply(self, press: Press, reply: Reply) -> None:
        self._call(
            "answerCallbackQuery",
            {"callback_query_id": press.id, "text": reply.notice[:200], "show_alert": True},
        )
        if reply.chat_text and press.chat is not None:
            body = {
                "chat_id": press.chat,
                "text": reply.chat_text[:4096],
                "link_preview_options": {"is_disabled": True},
            }
            self._call("sendMessage", body)

    def _call(self, method: str, body: dict[str, object], more_s: int = 0) -> bytes:
        token = secret_file.read(self._listen.secret)
        return post(
            Request(
                url=f"{self._listen.address or API}/bot{token}/{method}",
                body=json.dumps(body).encode(),
                timeout_s=self._listen.timeout_s + more_s,
                ca_file=self._listen.ca_file,
                max_answer=MAX_ANSWER,
            )
        )


def _press(raw: msgspec.Raw) -> tuple[int, Press | None]:
    """The update's number and what was pressed; one of another shape is passed over."""
    number = msgspec.json.decode(raw, type=_Number).update_id
    try:
        query = msgspec.json.decode(raw, type=_Update).callback_query
    except UNREADABLE:
        return number, None
    if query is None:
        return number, None
    chat = None if query.message is None else query.message.chat.id
    return number, Press(id=query.id, user=query.sender.id, chat=chat, data=query.data[:DATA_LIMIT])


def tell(event: Event) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(event) + b"\n")
    sys.stdout.buffer.flush()


def _follow(lines: queue.SimpleQueue[bytes]) -> None:
    """The agent is gone when stdin ends, also in the middle of a poll."""
    for line in iter(sys.stdin.buffer.readline, b""):
        lines.put(line)
    os._exit(0)


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would hold the token
    logging.disable(logging.CRITICAL)
    bot = Bot(msgspec.json.decode(sys.stdin.buffer.readline(), type=Listen))
    replies: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_follow, args=(replies,), daemon=True).start()
    wait_s = FIRST_WAIT_S
    while True:
        try:
            for number, press in bot.presses():
                if press is not None:
                    tell(Event(press=press))
                    reply = msgspec.json.decode(replies.get(), type=Reply)
                    _try_reply(bot, press, reply)
                bot.confirm(number)
        except Failed as error:
            tell(Event(problem=error.detail))
            time.sleep(max(wait_s, error.retry_after_s or 0.0))
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)
        else:
            tell(Event())
            wait_s = FIRST_WAIT_S


def _try_reply(bot: Bot, press: Press, reply: Reply) -> None:
    """What was decided stands, whether or not the chat hears of it."""
    try:
        bot.reply(press, reply)
    except Failed as error:
        tell(Event(problem=f"the answer was not shown: {error.detail}"))


if __name__ == "__main__":
    main()

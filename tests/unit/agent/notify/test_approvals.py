# SPDX-License-Identifier: Apache-2.0
"""The operator's word from a chat, over a local server that speaks the Telegram Bot API."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from innerwarden.agent.notify.answering import Press
from innerwarden.agent.notify.approvals import NOT_ALLOWED, RECORDED_AN_HOUR, Approvals
from innerwarden.agent.notify.listen import _press
from innerwarden.agent.notify.notifier import Notifier
from innerwarden.clock import NS, realtime_ns
from innerwarden.config import ChannelConfig, NotifyConfig
from innerwarden.errors import UnavailableError
from innerwarden.model.record import Outcome
from innerwarden.model.severity import Severity
from innerwarden.model.verb import BlockAddress
from tests.unit.agent.notify.servers import Answer, HttpServer, Seen, http_server, secret_file, wait_until
from tests.unit.agent.notify.support import Store, store

TOKEN = "123456:tOkEn-8471"
CHAT, ANA, MALLORY = -1001, 42, 666
VERB = BlockAddress(address="203.0.113.9")


class BotApi:
    """getUpdates waits for what the test pushes and gives what is not confirmed yet, as Telegram does."""

    def __init__(self, server: HttpServer) -> None:
        self.server = server
        self.updates: list[dict[str, object]] = []
        self.shown: list[str] = []
        self.sent: list[dict[str, object]] = []
        self.refuse_next = 0
        server.answer = self._answer

    def press(self, data: str, user: int = ANA, chat: int | None = CHAT) -> None:
        number = 1 + len(self.updates)
        query: dict[str, object] = {"id": f"q{number}", "from": {"id": user, "is_bot": False}, "data": data}
        if chat is not None:
            query["message"] = {"message_id": 1, "chat": {"id": chat}}
        self.updates.append({"update_id": number, "callback_query": query})

    def buttons(self) -> dict[str, str]:
        [row] = self.sent[0]["reply_markup"]["inline_keyboard"]  # type: ignore[index]
        return {button["text"]: button["callback_data"] for button in row}

    def _answer(self, seen: Seen) -> Answer:
        if not seen.path.startswith(f"/bot{TOKEN}/"):
            return Answer(status=401)
        method, body = seen.path.rsplit("/", 1)[1], seen.json()
        if method == "getUpdates":
            if self.refuse_next:
                self.refuse_next -= 1
                return Answer(status=409)
            deadline = time.monotonic() + body["timeout"]
            while time.monotonic() < deadline:
                waiting = [u for u in self.updates if int(str(u["update_id"])) >= body["offset"]]
                if waiting:
                    return Answer(body=msgspec.json.encode({"ok": True, "result": waiting[: body["limit"]]}))
                time.sleep(0.02)
            return Answer(body=b'{"ok":true,"result":[]}')
        if method == "answerCallbackQuery":
            self.shown.append(body["text"])
        if method == "sendMessage":
            self.sent.append(body)
        return Answer(body=b'{"ok":true,"result":{}}')


class Scene:
    def __init__(self, kept: Store, api: BotApi) -> None:
        self.store = kept
        self.api = api
        self.words: list[tuple[str, str, str]] = []
        self.fails: Exception | None = None

    def operate(self, who: str, word: str, response_id: str) -> str:
        self.words.append((who, word, response_id))
        if self.fails is not None:
            raise self.fails
        return f"{word} of {response_id} is done"

    def records(self) -> list[dict[str, str]]:
        rows = self.store.ask("SELECT body FROM record ORDER BY seq")
        return [msgspec.json.decode(bytes(body)) for (body,) in rows]  # type: ignore[arg-type]


@contextmanager
def scene(data_dir: Path, **settings: object) -> Iterator[Scene]:
    with http_server() as server:
        config = bot_config(data_dir, server, **settings)
        with store(data_dir, config) as kept:
            yield Scene(kept, BotApi(server))


def bot_config(data_dir: Path, server: HttpServer, **settings: object) -> NotifyConfig:
    values = {
        "kind": "telegram", "secret": secret_file(data_dir, TOKEN), "address": server.url, "chat": CHAT,
        "approve": True, "approvers": [ANA], **settings,
    }  # fmt: skip
    return NotifyConfig(enabled=True, channels={"ops": msgspec.convert(values, ChannelConfig)})


@contextmanager
def proposed(one: Scene) -> Iterator[None]:
    """A whole notifier that sent one proposal with its buttons."""
    notifier = Notifier(one.store.writer, one.store.config, "web-1", operate=one.operate)
    try:
        one.store.triage(Severity.HIGH, outcome=Outcome.PROPOSE, verb=VERB, response_id="r7")

        def sent() -> bool:
            notifier.tick()
            return bool(one.api.sent)

        wait_until(sent)
        wait_until(lambda: one.store.states() == {"sent": 1})
        yield
    finally:
        notifier.close(5)


def test_a_proposal_is_approved_once(tmp_path: Path) -> None:
    with scene(tmp_path) as one, proposed(one):
        buttons = one.api.buttons()
        one.api.press(buttons["Approve"])
        wait_until(lambda: len(one.api.shown) == 1)
        assert one.words == [(f"telegram:{ANA}", "approve", "r7")]
        assert one.api.shown == ["approve of r7 is done"]
        wait_until(lambda: len(one.api.sent) == 2)
        assert one.api.sent[1]["text"] == f"r7: approve by telegram:{ANA}. approve of r7 is done"
        one.api.press(buttons["Approve"])
        one.api.press(buttons["Deny"])
        wait_until(lambda: len(one.api.shown) == 3)
        assert len(one.words) == 1
        assert all("used already" in text for text in one.api.shown[1:])
        assert [r["reason"] for r in one.records()] == ["a button that is used already"] * 2


def test_a_proposal_is_denied(tmp_path: Path) -> None:
    with scene(tmp_path) as one, proposed(one):
        one.api.press(one.api.buttons()["Deny"])
        wait_until(lambda: len(one.api.shown) == 1)
        assert one.words == [(f"telegram:{ANA}", "deny", "r7")]


def test_wrong_senders_are_refused_and_recorded(tmp_path: Path) -> None:
    with scene(tmp_path) as one, proposed(one):
        code = one.api.buttons()["Approve"]
        one.api.press(code, user=MALLORY)
        one.api.press(code, chat=-1002)
        one.api.press(code, chat=None)
        one.api.press(code, user=MALLORY, chat=MALLORY)
        wait_until(lambda: len(one.api.shown) == 4)
        assert one.words == []
        assert one.api.shown == [NOT_ALLOWED] * 4
        assert {(r["who"], r["what"]) for r in one.records()} == {
            (f"telegram:{MALLORY}", "refused"),
            (f"telegram:{ANA}", "refused"),
        }
        assert one.store.counters()["notify_words_refused"] == 4
        one.api.press(code)  # none of that spent the code
        wait_until(lambda: len(one.words) == 1)


def test_neither_token_nor_code_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with scene(tmp_path) as one, proposed(one):
        code = one.api.buttons()["Approve"]
        one.api.press(code)
        one.api.press(code)
        wait_until(lambda: len(one.api.shown) == 2)
        for path in tmp_path.glob("state.db*"):
            data = path.read_bytes()
            assert code.encode() not in data and TOKEN.encode() not in data
        assert code not in caplog.text and TOKEN not in caplog.text


def test_it_listens_again_after_trouble(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with scene(tmp_path) as one:
        one.api.refuse_next = 1
        with proposed(one):
            one.api.press(one.api.buttons()["Approve"])
            wait_until(lambda: len(one.words) == 1)
        assert "answered HTTP 409" in caplog.text


def test_the_listening_child_ends_with_the_agent(tmp_path: Path) -> None:
    with scene(tmp_path) as one:
        approvals = Approvals(one.store.writer, one.store.config, one.operate)
        approvals.start()
        wait_until(lambda: any(seen.path.endswith("/getUpdates") for seen in one.api.server.seen))
        [child] = approvals._children.values()
        assert child._process.stdin is not None
        approvals._stop.set()
        child._process.stdin.close()  # as when the agent is killed, in the middle of a poll
        began = time.monotonic()
        child._process.wait(5)
        assert time.monotonic() - began < 3
        approvals.close(5)


def test_without_somebody_to_operate_there_are_no_buttons(tmp_path: Path) -> None:
    with scene(tmp_path) as one:
        notifier = Notifier(one.store.writer, one.store.config, "web-1")
        one.store.triage(outcome=Outcome.PROPOSE, verb=VERB, response_id="r7")

        def sent() -> bool:
            notifier.tick()
            return bool(one.api.sent)

        wait_until(sent)
        notifier.close(5)
        assert "reply_markup" not in one.api.sent[0]


# -- without the wire


@contextmanager
def direct(data_dir: Path) -> Iterator[tuple[Scene, Approvals, dict[str, ChannelConfig]]]:
    with scene(data_dir) as one:
        yield (
            one,
            Approvals(one.store.writer, one.store.config, one.operate, lambda: NOW),
            one.store.config.channels,
        )


NOW = realtime_ns()


def code_for(one: Scene, ttl_s: int = 600, channel: str = "ops") -> str:
    from innerwarden.agent.notify.codes import new_codes

    words, add = new_codes(channel, "r7", NOW + ttl_s * NS)
    one.store.writer.run(add)
    return words["approve"]


def press(data: str, user: int = ANA) -> Press:
    return Press(id="q", user=user, chat=CHAT, data=data)


@pytest.mark.parametrize(("ttl_s", "counts"), [(1, True), (0, False), (-1, False)])
def test_a_code_ends(tmp_path: Path, ttl_s: int, counts: bool) -> None:
    with direct(tmp_path) as (one, approvals, channels):
        reply = approvals.word(channels, press(code_for(one, ttl_s)))
        assert bool(one.words) is counts
        assert ("expired" in reply.notice) is not counts


def test_a_code_of_another_channel_or_nobodys_is_refused(tmp_path: Path) -> None:
    with direct(tmp_path) as (one, approvals, channels):
        for data in (code_for(one, channel="other"), "guess", "", "\ud800x", "r7", "approve"):
            approvals.word(channels, press(data))
        assert one.words == []


def test_many_wrong_senders_do_not_fill_the_record(tmp_path: Path) -> None:
    with direct(tmp_path) as (one, approvals, channels):
        for number in range(RECORDED_AN_HOUR + 30):
            approvals.word(channels, press("x", user=1000 + number))
        assert len(one.records()) == RECORDED_AN_HOUR
        assert one.store.counters()["notify_words_refused"] == RECORDED_AN_HOUR + 30


@pytest.mark.parametrize("error", [UnavailableError("the responder is down"), RuntimeError("inner")])
def test_a_word_that_fails_is_told_and_spent(tmp_path: Path, error: Exception) -> None:
    with direct(tmp_path) as (one, approvals, channels):
        one.fails = error
        code = code_for(one)
        assert "did not work" in approvals.word(channels, press(code)).notice
        assert "used already" in approvals.word(channels, press(code)).notice
        assert len(one.words) == 1


@pytest.mark.parametrize(
    "raw",
    [
        b'{"update_id":7}',
        b'{"update_id":7,"callback_query":{"id":1}}',
        b'{"update_id":7,"callback_query":{"id":"q","from":{}}}',
        b'{"update_id":7,"message":{"text":"approve"}}',
    ],
)
def test_updates_of_another_shape_are_passed_over(raw: bytes) -> None:
    assert _press(msgspec.Raw(raw)) == (7, None)

# SPDX-License-Identifier: Apache-2.0
"""The outbox drained through real child processes towards real servers that fail in every way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from innerwarden.agent.notify import settle
from innerwarden.agent.notify.notifier import Notifier
from innerwarden.agent.notify.sending import Result
from innerwarden.agent.notify.settle import Settle, lowest, wait_s
from innerwarden.agent.state.notices import CRITICAL, Channel, Due
from innerwarden.clock import NS
from innerwarden.config import ChannelConfig, NotifyConfig
from innerwarden.model.entity import EntityRef
from innerwarden.model.severity import Severity
from innerwarden.model.verb import SuspendSudo
from tests.unit.agent.notify.servers import Answer, HttpServer, Seen, http_server, secret_file, wait_until
from tests.unit.agent.notify.support import NOON_NS, Store, Triaged, store
from tests.unit.agent.support import finding

SECRET = "sEcReT-8471"


class Clock:
    """Wall time that a test moves."""

    def __init__(self) -> None:
        self.ns = NOON_NS

    def __call__(self) -> int:
        return self.ns


class Running:
    def __init__(self, kept: Store) -> None:
        self.store = kept
        self.clock = Clock()
        self.notifier = Notifier(kept.writer, kept.config, "web-1", now=self.clock)

    def until(self, condition: Callable[[], bool], seconds: float = 30.0) -> None:
        def ticked() -> bool:
            self.notifier.tick()
            return condition()

        wait_until(ticked, seconds)

    def idle(self) -> bool:
        return not self.notifier._busy


@contextmanager
def running(data_dir: Path, config: NotifyConfig) -> Iterator[Running]:
    with store(data_dir, config) as kept:
        made = Running(kept)
        try:
            yield made
        finally:
            made.notifier.close(5)


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with http_server() as made:
        yield made


def webhook(data_dir: Path, server: HttpServer, **settings: object) -> NotifyConfig:
    secret = secret_file(data_dir, f"{server.url}/{SECRET}")
    channel = msgspec.convert(
        {"kind": "webhook", "secret": secret, "timeout_s": 1, "hourly_cap": 0, **settings}, ChannelConfig
    )
    return NotifyConfig(enabled=True, channels={"ops": channel})


def keys(server: HttpServer) -> list[str]:
    return [seen.json()["message"]["key"] for seen in server.seen]


def test_what_triage_hands_over_arrives(tmp_path: Path, server: HttpServer) -> None:
    with running(tmp_path, webhook(tmp_path, server)) as run:
        first = run.store.triage(entity=EntityRef.ip("203.0.113.1"))
        second = run.store.triage(Severity.CRITICAL)
        run.until(lambda: run.store.states() == {"sent": 2})
        assert keys(server) == [second, first]
        assert run.store.counters()["notices_sent"] == 2
        run.until(run.idle)
        assert run.store.rows()[0].body is None


def test_a_server_error_is_tried_again_later_and_later(tmp_path: Path, server: HttpServer) -> None:
    server.answer = lambda seen: Answer(status=500)
    with running(tmp_path, webhook(tmp_path, server)) as run:
        run.store.triage()
        waits = []
        for attempt in range(1, 4):
            run.until(lambda n=attempt: run.store.rows()[0].attempts == n if run.store.rows() else False)
            run.until(run.idle)
            run.notifier.tick()
            assert len(server.seen) == attempt
            waits.append((run.store.rows()[0].due_ns - run.clock.ns) // NS)
            run.clock.ns = run.store.rows()[0].due_ns - 1
            run.notifier.tick()
            assert run.idle()
            run.clock.ns += NS
        assert waits == [5, 10, 20]
        server.answer = lambda seen: Answer()
        run.until(lambda: run.store.states() == {"sent": 1})


def test_silence_that_a_provider_asks_for_is_kept(tmp_path: Path, server: HttpServer) -> None:
    server.answer = lambda seen: Answer(status=429, headers={"Retry-After": "120"})
    with running(tmp_path, webhook(tmp_path, server)) as run:
        run.store.triage()
        run.store.triage(Severity.CRITICAL)
        run.until(lambda: len(server.seen) == 1)
        run.until(run.idle)
        server.answer = lambda seen: Answer()
        run.clock.ns += 119 * NS
        run.notifier.tick()
        assert run.idle() and len(server.seen) == 1
        run.clock.ns += 2 * NS
        run.until(lambda: run.store.states() == {"sent": 2})
        assert [row.attempts for row in run.store.rows()] == [1, 1]


def test_what_cannot_be_delivered_is_given_up_and_counted(tmp_path: Path, server: HttpServer) -> None:
    server.answer = lambda seen: Answer(status=500)
    config = msgspec.structs.replace(webhook(tmp_path, server), max_attempts=2)
    with running(tmp_path, config) as run:
        run.store.triage()
        run.until(lambda: len(server.seen) == 1)
        run.until(run.idle)
        run.clock.ns += 6 * NS
        run.until(lambda: run.store.states() == {"dead": 1})
        assert run.store.counters()["notices_dead"] == 1
        assert run.store.rows()[0].detail == "answered HTTP 500"


def test_a_message_that_is_refused_does_not_stop_the_others(tmp_path: Path, server: HttpServer) -> None:
    def answer(seen: Seen) -> Answer:
        return Answer(status=400 if b"poison" in seen.body else 200)

    server.answer = answer
    with running(tmp_path, webhook(tmp_path, server)) as run:
        run.store.triage(detector="poison")
        run.store.triage(detector="other")
        run.until(lambda: run.store.states() == {"due": 1, "sent": 1})
        for _ in range(2):
            run.until(run.idle)
            run.clock.ns += 100 * NS
            seen = len(server.seen)
            run.until(lambda n=seen: len(server.seen) > n)
        run.until(lambda: run.store.states() == {"dead": 1, "sent": 1})


def test_a_provider_that_hangs_holds_up_nobody_else(tmp_path: Path, server: HttpServer) -> None:
    with http_server() as hanging:
        hanging.answer = lambda seen: Answer(wait_s=60)
        slow = ChannelConfig(
            kind="webhook", secret=secret_file(tmp_path, f"{hanging.url}/", "slow"), timeout_s=60
        )
        config = webhook(tmp_path, server)
        config = msgspec.structs.replace(config, channels={"a-slow": slow, **config.channels})
        with running(tmp_path, config) as run:
            run.store.triage()
            run.until(lambda: len(hanging.seen) == 1)
            run.until(lambda: run.store.states() == {"sent": 1}, 20)
            began = time.monotonic()
            run.notifier.close(5)
            assert time.monotonic() - began < 3
            assert not [t for t in threading.enumerate() if t.name.startswith("notify-")]


def test_a_child_that_gives_no_answer_is_ended(
    tmp_path: Path, server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("innerwarden.agent.notify.notifier.SLACK_S", -2.0)
    server.answer = lambda seen: Answer(wait_s=0.95)
    with running(tmp_path, webhook(tmp_path, server)) as run:
        run.store.triage()
        run.until(lambda: bool(run.store.rows()) and run.store.rows()[0].attempts == 1)
        assert run.store.rows()[0].detail == "no answer within 1 s"


def test_each_message_of_a_long_queue_arrives_once(tmp_path: Path, server: HttpServer) -> None:
    with running(tmp_path, webhook(tmp_path, server)) as run:
        sent = [run.store.triage(Severity.CRITICAL) for _ in range(150)]
        run.until(lambda: run.store.states() == {"sent": 150}, 60)
        assert sorted(keys(server)) == sorted(sent)


def test_an_incident_of_any_size_fits_into_its_message(tmp_path: Path, server: HttpServer) -> None:
    huge = "\x01" * 9000
    config = webhook(tmp_path, server, burst_count=2, group_count=2, digest_severity="low")
    with running(tmp_path, config) as run:
        many = tuple(EntityRef.user(f"{number}{huge}") for number in range(9))
        for number in range(8):
            severity = Severity.CRITICAL if number == 0 else Severity.HIGH if number < 5 else Severity.LOW
            made = finding(f"d{huge}", key=f"{huge}{number}", entities=many, severity=severity, summary=huge)
            fields = msgspec.structs.replace(made.fields, title=huge, tags=(huge,) * 30, attack=(huge,) * 30)
            verb = SuspendSudo(user=huge)
            run.store.writer.run(
                Triaged(finding=msgspec.structs.replace(made, fields=fields), reason=huge, verb=verb)
            )
        run.notifier.tick()
        run.clock.ns += 24 * 3600 * NS
        run.until(lambda: set(run.store.states()) <= {"sent", "grouped", "told"})
        kinds = {seen.json()["message"]["kind"] for seen in server.seen}
        assert kinds == {"incident", "summary", "burst", "digest"}
        assert len(set(keys(server))) == len(server.seen)


def test_no_secret_is_in_logs_or_database(
    tmp_path: Path, server: HttpServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.answer = lambda seen: Answer(status=500, body=SECRET.encode())
    caplog.set_level("DEBUG")
    config = webhook(tmp_path, server)
    url = secret_file(tmp_path, f"json://user:{SECRET}@127.0.0.1:{server.port}/{SECRET}", "apprise")
    tg = secret_file(tmp_path, SECRET, "token")
    more = {
        "apprise": ChannelConfig(secret=url),
        "gone": ChannelConfig(
            kind="slack", secret=secret_file(tmp_path, f"http://127.0.0.1:1/{SECRET}", "slack")
        ),
        "bad": ChannelConfig(
            kind="discord", secret=secret_file(tmp_path, f"http://{SECRET}.example/x", "discord")
        ),
        "tg": ChannelConfig(kind="telegram", secret=tg, address=server.url, chat=1),
    }
    config = msgspec.structs.replace(config, channels={**config.channels, **more})
    with running(tmp_path, config) as run:
        run.store.triage()
        run.until(lambda: all(rows and rows[0].attempts for rows in map(run.store.rows, config.channels)))
        run.until(run.idle)
        errors = run.store.ask("SELECT last_error FROM notice_channels WHERE last_error <> ''")
        assert len(errors) == 5
    assert any(SECRET in seen.path for seen in server.seen)
    assert "not sent" in caplog.text and SECRET not in caplog.text
    for path in tmp_path.glob("state.db*"):
        assert SECRET.encode() not in path.read_bytes()


def test_the_secret_is_not_in_the_childs_arguments(tmp_path: Path, server: HttpServer) -> None:
    server.answer = lambda seen: Answer(wait_s=5)
    with running(tmp_path, webhook(tmp_path, server, timeout_s=10)) as run:
        run.store.triage()
        run.until(lambda: len(server.seen) == 1)
        [child] = run.notifier._children.values()
        proc = Path(f"/proc/{child.pid}")
        assert SECRET.encode() not in (proc / "cmdline").read_bytes() + (proc / "environ").read_bytes()
        assert b"notify.send" in (proc / "cmdline").read_bytes()


# -- waits


def test_waits_grow_and_a_critical_waits_a_minute_at_most() -> None:
    assert [wait_s(n, Severity.HIGH) for n in (1, 2, 3, 10, 11, 500)] == [5, 10, 20, 2560, 3600, 3600]
    assert [wait_s(n, Severity.CRITICAL) for n in (1, 2, 5, 500)] == [5, 10, 60, 60]


@pytest.mark.parametrize(
    ("state", "past_s", "expected"),
    [
        ({}, 0, 0),
        ({"failures": 10}, 59, None),
        ({"failures": 10}, 60, CRITICAL),
        ({"failures": 10}, 2560, 0),
        ({"failures": 10}, -5, 0),
        ({"failures": 1, "refused_until_ns": NOON_NS + 100 * NS}, 99, None),
        ({"failures": 1, "refused_until_ns": NOON_NS + 100 * NS}, 100, 0),
        ({"refused_until_ns": NOON_NS + 10**18}, 0, 0),
    ],
)
def test_when_a_channel_may_be_tried(state: dict[str, int], past_s: int, expected: int | None) -> None:
    channel = Channel(channel="ops", failed_ns=NOON_NS, **state)  # type: ignore[arg-type]
    assert lowest(channel, NOON_NS + past_s * NS) == expected


@pytest.mark.parametrize(
    ("severity", "result", "attempts", "age_s", "over"),
    [
        (Severity.HIGH, Result(ok=False), 10, 0, False),
        (Severity.HIGH, Result(ok=False), 11, 0, True),
        (Severity.HIGH, Result(ok=False, final=True), 1, 0, False),
        (Severity.HIGH, Result(ok=False, final=True), 2, 0, True),
        (Severity.CRITICAL, Result(ok=False, final=True), 50, 86399, False),
        (Severity.CRITICAL, Result(ok=False, final=True), 50, 86400, True),
        (Severity.HIGH, Result(ok=False, retry_after_s=1), 500, 0, False),
        (Severity.CRITICAL, Result(ok=False, retry_after_s=1), 0, 7 * 86400 + 1, True),
    ],
)
def test_when_a_message_is_given_up(
    severity: Severity, result: Result, attempts: int, age_s: int, over: bool
) -> None:
    due = Due(id=1, key="k", severity=severity, attempts=attempts, created_ns=NOON_NS, body=b"")
    now_ns = NOON_NS + age_s * NS
    made = Settle(channel="ops", due=due, result=result, max_attempts=12, now_ns=now_ns)
    assert made._is_over() is over
    assert settle.KEPT_NS > settle.CRITICAL_KEPT_NS

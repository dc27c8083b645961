# SPDX-License-Identifier: Apache-2.0
"""What each channel really puts on the wire, towards real servers, with hostile values in every field."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import socket
import subprocess
from email import message_from_bytes
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerwarden.agent.notify.channels import cef, pagerduty, syslog, webhook
from innerwarden.agent.notify.message import Message
from innerwarden.agent.notify.render import html_span, markdown_span, plain, whole
from innerwarden.agent.notify.send import deliver
from innerwarden.agent.notify.sending import Outgoing, Result, Target
from innerwarden.agent.notify.text import tell
from innerwarden.agent.state.notices import Held
from innerwarden.config import ChannelConfig
from innerwarden.model.entity import EntityRef
from innerwarden.model.record import Outcome
from innerwarden.model.severity import Severity
from tests.unit.agent.notify.servers import (
    Answer,
    HttpServer,
    StreamServer,
    certificate,
    http_server,
    secret_file,
    smtp_server,
    wait_until,
)
from tests.unit.agent.notify.support import NOON_NS

SECRET = "sEcReT-8471"
EVIL = '<b>x</b> & "q" [l](http://evil.example/a) `c` *s* _u_ @everyone <!channel> \n\x1b[31m\u202e www.evil.example'
MESSAGE = Message(
    kind="incident",
    key="ssh_brute_force:203.0.113.9:t",
    host="web-1",
    ts_ns=NOON_NS,
    severity=Severity.HIGH,
    incident_id="ssh_brute_force:203.0.113.9:t",
    detector="ssh_brute_force",
    title="Many failed logins",
    summary="12 failed logins in 60 s",
    entities=(EntityRef.ip("203.0.113.9"), EntityRef.user("root")),
    tags=("ssh",),
    attack=("T1110",),
    outcome=Outcome.ACT,
    reason="rule:block_brute_force",
    action="block address: 203.0.113.9",
    ttl_s=3600,
)
HOSTILE = msgspec.structs.replace(
    MESSAGE,
    title=EVIL,
    summary=EVIL,
    incident_id=f"x:{EVIL}",
    entities=(EntityRef.user(EVIL), EntityRef.path(EVIL)),
    tags=(EVIL,),
    reason=EVIL,
    action=EVIL,
)


def through(message: Message, channel: ChannelConfig, **codes: str) -> Result:
    """As the child does it, values through JSON as through its pipe."""
    outgoing = msgspec.json.decode(msgspec.json.encode(Outgoing(message=message, **codes)), type=Outgoing)
    return deliver(Target(name="ops", channel=channel), outgoing)


@pytest.fixture
def server() -> Any:
    with http_server() as running:
        yield running


def test_the_words_say_what_who_done_and_how_to_see_more() -> None:
    assert plain(tell(MESSAGE), 4000).splitlines() == [
        "HIGH on web-1: Many failed logins",
        "12 failed logins in 60 s",
        "Who: address 203.0.113.9, user root",
        "Decided: block address: 203.0.113.9 for 60 min; rule:block_brute_force",
        "Technique: T1110",
        "When: 2026-01-02 12:00:00 UTC, told by ssh_brute_force",
        "See more: innerwarden incident ssh_brute_force:203.0.113.9:t",
    ]


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Outcome.PROPOSE, "Proposed, and waiting for your word: block address: 203.0.113.9 for 60 min"),
        (Outcome.WATCH, "Nothing was done; it is being watched"),
        (Outcome.NEEDS_REVIEW, "Nothing was done; a person should look at it"),
    ],
)
def test_the_words_never_claim_what_was_not_done(outcome: Outcome, words: str) -> None:
    text = plain(tell(msgspec.structs.replace(MESSAGE, outcome=outcome)), 4000)
    assert words in text and "Decided" not in text


def test_a_rehearsal_says_so() -> None:
    assert "(rehearsal: nothing is touched)" in plain(
        tell(msgspec.structs.replace(MESSAGE, dry_run=True)), 4000
    )


def test_the_command_that_is_shown_is_safe_to_paste() -> None:
    text = plain(tell(msgspec.structs.replace(MESSAGE, incident_id="a;rm -rf $HOME'x")), 4000)
    command = text.splitlines()[-1].removeprefix("See more: ")
    shown = subprocess.run(
        ["sh", "-c", command.replace("innerwarden incident", "printf %s")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == "a;rm -rf $HOME'x"


HELD = Held(
    total=73, since_ns=NOON_NS, by_severity={"high": 70, "low": 3}, by_detector=(("ssh_brute_force", 60), ("p", 13)),
    detectors=2, by_outcome={"act": 12, "watch": 61}, entities=40, worst=("a b",),
)  # fmt: skip


def test_the_words_of_a_burst_are_the_numbers() -> None:
    burst = Message(kind="burst", key="b", host="web-1", ts_ns=NOON_NS, severity=Severity.HIGH, held=HELD)
    more = msgspec.structs.replace(burst, evicted=9)
    assert "9 more since the last digest" in plain(tell(more), 4000)
    assert plain(tell(burst), 4000).splitlines() == [
        "Under attack: web-1, 73 incidents held back within an hour",
        "Severity: 70 high, 3 low; about 40 different subjects.",
        "Outcome: an action was decided for 12, watched only for 61.",
        "60 x ssh_brute_force",
        "13 x p",
        "Gravest: 'a b'",
        "See more: innerwarden incidents --since 1d",
    ]


# -- escaping

TEXTS = st.text(
    alphabet=st.one_of(st.characters(), st.sampled_from("<>&`*_[]()@#|\\\"'=\n\r\x1b\u202e")), max_size=300
)


@given(TEXTS, TEXTS, st.integers(300, 4096))
def test_html_is_always_whole_and_ours(title: str, summary: str, limit: int) -> None:
    from html.parser import HTMLParser

    tags: list[str] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            assert not attrs
            tags.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert tags.pop() == tag

    made = msgspec.structs.replace(MESSAGE, title=title, summary=summary, incident_id=title)
    text = whole(tell(made), html_span, max(limit, 2600))
    Parser().feed(text)
    assert not tags
    assert set(re.findall(r"<[^>]*>", text)) <= {"<code>", "</code>"}


@given(TEXTS)
def test_markdown_stays_in_its_code_span(text: str) -> None:
    from innerwarden.agent.notify.text import Span

    rendered = markdown_span(Span(text, outside=True))
    assert rendered == "" or (rendered[0] == rendered[-1] == "`" and "`" not in rendered[1:-1])
    assert rendered.isprintable()


@given(TEXTS, st.integers(1000, 4000))
def test_plain_text_is_bounded_and_keeps_its_last_line(text: str, limit: int) -> None:
    made = msgspec.structs.replace(MESSAGE, title=text, summary=text * 10, reason=text)
    rendered = plain(tell(made), limit)
    assert len(rendered) <= limit
    assert rendered.splitlines()[-1] == "See more: innerwarden incident ssh_brute_force:203.0.113.9:t"
    assert all(line.isprintable() for line in rendered.split("\n"))


# -- chat


def test_telegram(server: HttpServer, tmp_path: Path) -> None:
    channel = ChannelConfig(
        kind="telegram", secret=secret_file(tmp_path, SECRET), address=server.url, chat=-100200
    )
    assert through(HOSTILE, channel, approve="c1", deny="c2") == Result(ok=True)
    [seen] = server.seen
    body = seen.json()
    assert seen.path == f"/bot{SECRET}/sendMessage"
    assert (body["chat_id"], body["parse_mode"]) == (-100200, "HTML")
    assert body["link_preview_options"] == {"is_disabled": True}
    outside_code = re.sub(r"<code>[^<]*</code>", "", body["text"])
    assert "<" not in outside_code and "evil" not in outside_code and "everyone" not in outside_code
    assert body["reply_markup"]["inline_keyboard"] == [
        [{"text": "Approve", "callback_data": "c1"}, {"text": "Deny", "callback_data": "c2"}]
    ]
    assert len(body["text"]) <= 4096


def test_slack(server: HttpServer, tmp_path: Path) -> None:
    channel = ChannelConfig(kind="slack", secret=secret_file(tmp_path, f"{server.url}/services/{SECRET}"))
    assert through(HOSTILE, channel).ok
    [seen] = server.seen
    body = seen.json()
    assert seen.path == f"/services/{SECRET}"
    assert {block["text"]["type"] for block in body["blocks"]} == {"plain_text"}
    assert "<" not in body["text"] and "&lt;" in body["text"]
    assert "http://" not in json.dumps(body) and "www." not in json.dumps(body)
    assert len(body["blocks"][0]["text"]["text"]) <= 3000


def test_discord(server: HttpServer, tmp_path: Path) -> None:
    channel = ChannelConfig(
        kind="discord", secret=secret_file(tmp_path, f"{server.url}/api/webhooks/1/{SECRET}")
    )
    assert through(HOSTILE, channel).ok
    body = server.seen[0].json()
    assert body["allowed_mentions"] == {"parse": []}
    assert "evil" not in re.sub(r"`[^`]*`", "", body["content"])
    assert len(body["content"]) <= 2000


# -- alarms


def test_pagerduty_opens_and_resolves_by_the_incident(server: HttpServer, tmp_path: Path) -> None:
    channel = ChannelConfig(kind="pagerduty", secret=secret_file(tmp_path, SECRET), address=server.url)
    closed = msgspec.structs.replace(MESSAGE, kind="closed", key="closed:x")
    assert through(MESSAGE, channel).ok and through(closed, channel).ok
    begin, end = (seen.json() for seen in server.seen)
    assert {seen.path for seen in server.seen} == {"/v2/enqueue"}
    assert (begin["event_action"], end["event_action"]) == ("trigger", "resolve")
    assert begin["dedup_key"] == end["dedup_key"] == MESSAGE.incident_id
    assert begin["routing_key"] == end["routing_key"] == SECRET
    payload = begin["payload"]
    assert (payload["severity"], payload["source"]) == ("error", "web-1")
    assert payload["summary"] == "HIGH on web-1: Many failed logins"
    assert len(pagerduty.dedup_key("x" * 256)) <= 255


def test_opsgenie_opens_and_closes_by_the_incident(server: HttpServer, tmp_path: Path) -> None:
    channel = ChannelConfig(kind="opsgenie", secret=secret_file(tmp_path, SECRET), address=server.url)
    closed = msgspec.structs.replace(HOSTILE, kind="closed", key="closed:x", incident_id="a/b?c:d")
    assert through(MESSAGE, channel).ok and through(closed, channel).ok
    begin, end = server.seen
    assert begin.path == "/v2/alerts"
    assert begin.headers["authorization"] == f"GenieKey {SECRET}"
    assert (begin.json()["alias"], begin.json()["priority"]) == (MESSAGE.incident_id, "P2")
    assert len(begin.json()["message"]) <= 130
    assert end.path == "/v2/alerts/a%2Fb%3Fc%3Ad/close?identifierType=alias"


def test_webhook_is_versioned_and_signed(server: HttpServer, tmp_path: Path) -> None:
    key = secret_file(tmp_path, "key-123", "key")
    url = secret_file(tmp_path, f"{server.url}/in?token={SECRET}")
    assert through(MESSAGE, ChannelConfig(kind="webhook", secret=url, signing_key=key)).ok
    [seen] = server.seen
    assert seen.path == f"/in?token={SECRET}"
    body = seen.json()
    assert body["version"] == 1
    assert body["message"]["incident_id"] == MESSAGE.incident_id
    stamp, signature = re.fullmatch(
        r"t=(\d+),v1=([0-9a-f]{64})", seen.headers[webhook.SIGNATURE.lower()]
    ).groups()  # type: ignore[union-attr]
    expected = hmac.new(b"key-123", stamp.encode() + b"." + seen.body, hashlib.sha256).hexdigest()
    assert signature == expected
    assert len(seen.headers[webhook.DELIVERY.lower()]) == 64


# -- apprise


def test_apprise_json(server: HttpServer, tmp_path: Path) -> None:
    secret = secret_file(tmp_path, f"json://user:{SECRET}@127.0.0.1:{server.port}/path")
    assert through(HOSTILE, ChannelConfig(secret=secret)) == Result(ok=True)
    body = server.seen[0].json()
    assert body["title"].startswith("HIGH on web-1: ")
    assert "innerwarden incident" in body["message"]
    assert "http://" not in body["message"] and "\x1b" not in body["message"]


def test_apprise_says_when_it_failed(server: HttpServer, tmp_path: Path) -> None:
    server.answer = lambda seen: Answer(status=500)
    secret = secret_file(tmp_path, f"json://:{SECRET}@127.0.0.1:{server.port}/")
    result = through(MESSAGE, ChannelConfig(secret=secret))
    assert not result.ok and not result.final and SECRET not in result.detail


def test_apprise_refuses_what_is_no_url(tmp_path: Path) -> None:
    result = through(MESSAGE, ChannelConfig(secret=secret_file(tmp_path, f"nothing-{SECRET}")))
    assert result == Result(ok=False, detail="the file holds no URL that Apprise knows", final=True)


def test_apprise_mattermost_gets_code_spans(server: HttpServer, tmp_path: Path) -> None:
    secret = secret_file(tmp_path, f"mmost://127.0.0.1:{server.port}/3ccdd113474722377935511fc85d3dd4")
    assert through(HOSTILE, ChannelConfig(secret=secret)).ok
    text = json.dumps(server.seen[0].json())
    assert "[l](http://evil" in text
    assert "[l](http://evil" not in re.sub(r"`[^`]*`", "", text)


def test_mail_by_apprise(tmp_path: Path) -> None:
    with smtp_server() as smtp:
        secret = secret_file(
            tmp_path, f"mailto://127.0.0.1:{smtp.port}/?from=iw@example.org&to=ops@example.org"
        )
        assert through(HOSTILE, ChannelConfig(secret=secret)) == Result(ok=True)
        [mail] = smtp.mails
    parsed = message_from_bytes(mail)
    assert parsed["To"] is not None and "ops@example.org" in parsed["To"]
    for part in parsed.walk():
        if part.get_content_maintype() == "text":
            text = part.get_payload(decode=True).decode()  # type: ignore[union-attr]
            assert "innerwarden" in text
            assert "http://evil" not in text
            if part.get_content_subtype() == "html":
                assert "<b>x</b>" not in text and "&lt;b&gt;x&lt;/b&gt;" in text


# -- syslog


def test_rfc5424_over_udp() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taker:
        taker.bind(("127.0.0.1", 0))
        taker.settimeout(5)
        address = f"udp://127.0.0.1:{taker.getsockname()[1]}"
        assert through(HOSTILE, ChannelConfig(kind="syslog", address=address)).ok
        data = taker.recv(65536)
    assert len(data) <= 2048
    text = data.decode()
    head = re.match(
        r"<83>1 2026-01-02T12:00:00\.000000Z web-1 innerwarden \d+ incident "
        r'\[innerwarden@32473(?: [a-z_]+="(?:[^"\\\]]|\\["\\\]])*")+\] \ufeff',
        text,
    )
    assert head, text
    assert text.replace("\ufeff", "").isprintable()


def test_rfc5424_over_tcp_is_counted(tmp_path: Path) -> None:
    server = StreamServer()
    try:
        assert through(MESSAGE, ChannelConfig(kind="syslog", address=f"tcp://127.0.0.1:{server.port}")).ok
        wait_until(lambda: len(server.said) == 1)
    finally:
        server.close()
    count, _, rest = server.said[0].partition(b" ")
    assert int(count) == len(rest) and rest.startswith(b"<83>1 ")


def test_rfc5424_over_tls_checks_the_certificate(tmp_path: Path) -> None:
    server = StreamServer(certificate(tmp_path))
    address = f"tls://127.0.0.1:{server.port}"
    try:
        unknown = through(MESSAGE, ChannelConfig(kind="syslog", address=address))
        assert unknown == Result(ok=False, detail="the server's certificate is not trusted")
        wait_until(lambda: server.said == [b"failed"])
        trusted = ChannelConfig(kind="syslog", address=address, ca_file=str(tmp_path / "cert.pem"))
        assert through(MESSAGE, trusted) == Result(ok=True)
        wait_until(lambda: len(server.said) == 2)
    finally:
        server.close()
    assert b"Many failed logins" in server.said[1]


def test_a_local_socket(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as taker:
        taker.bind(str(path))
        taker.settimeout(5)
        assert through(MESSAGE, ChannelConfig(kind="syslog", address=f"unix://{path}")).ok
        data = taker.recv(65536)
    assert re.match(
        rb"<83>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d innerwarden\[\d+\]: HIGH on web-1: Many", data
    )


def test_cef_over_tcp() -> None:
    server = StreamServer()
    try:
        assert through(HOSTILE, ChannelConfig(kind="cef", address=f"tcp://127.0.0.1:{server.port}")).ok
        wait_until(lambda: len(server.said) == 1)
    finally:
        server.close()
    text = server.said[0].decode()
    assert text.endswith("\n") and text.count("\n") == 1


@given(TEXTS, TEXTS)
def test_cef_has_seven_fields_and_one_key_each(title: str, value: str) -> None:
    made = msgspec.structs.replace(
        MESSAGE, title=title or "t", entities=(EntityRef.user(value), EntityRef.user("b"))
    )
    head = re.match(r"CEF:0((?:\|(?:[^|\\]|\\[|\\])*){6})\|", cef.cef(made))
    assert head and len(re.findall(r"(?<!\\)(?:\\\\)*\|", head[1])) == 6
    extension = cef.cef(made)[head.end() :]
    keys = re.findall(r"(?:^| )([A-Za-z]+)=", re.sub(r"\\[\\=]", "..", extension))
    assert keys.count("suser") == 1 and keys.count("src") == 0 and keys[0] == "rt"


def test_a_value_makes_no_key_of_its_own_in_cef() -> None:
    made = msgspec.structs.replace(
        MESSAGE, entities=(EntityRef.user("x src=198.51.100.1 \\"),), incident_id="i|d"
    )
    line = cef.cef(made)
    assert r"suser=x src\=198.51.100.1 \\" in line
    assert "externalId=i|d" in line


@given(TEXTS)
def test_structured_data_is_always_closed(value: str) -> None:
    made = msgspec.structs.replace(
        MESSAGE, entities=(EntityRef.user(value),) * 6, host=value, incident_id=value
    )
    line = syslog.rfc5424(made).encode("utf-8", "backslashreplace")[:2048].decode("utf-8", "ignore")
    pairs = r'(?: [a-z_]+="(?:[^"\\\]]|\\["\\\]])*")+'
    assert re.fullmatch(
        r"<83>1 \S+ [!-~]+ innerwarden \d+ incident \[innerwarden@32473" + pairs + r"\] \ufeff[^\n]*", line
    )


# -- failures


@pytest.mark.parametrize(
    ("answer", "retry", "final"),
    [
        (Answer(status=500), None, False),
        (Answer(status=408), None, False),
        (Answer(status=401), None, True),
        (Answer(status=404), None, True),
        (Answer(status=302, headers={"Location": "http://127.0.0.1:1/steal"}), None, True),
        (Answer(status=429, headers={"Retry-After": "17"}), 17.0, False),
        (Answer(status=429, body=b'{"ok":false,"parameters":{"retry_after":33}}'), 33.0, False),
        (Answer(status=429, body=b'{"retry_after": 2.5}'), 2.5, False),
        (Answer(status=429, headers={"Retry-After": "never"}, body=b"[" * 60000), 1.0, False),
        (Answer(status=429, headers={"Retry-After": "nan"}), 21600.0, False),
        (Answer(status=429, headers={"Retry-After": "1e99"}), 21600.0, False),
        (Answer(status=503, headers={"Retry-After": "5"}), 5.0, False),
    ],
)
def test_what_a_provider_says(
    server: HttpServer, tmp_path: Path, answer: Answer, retry: float | None, final: bool
) -> None:
    server.answer = lambda seen: answer
    channel = ChannelConfig(kind="webhook", secret=secret_file(tmp_path, f"{server.url}/{SECRET}"))
    result = through(MESSAGE, channel)
    assert (result.ok, result.retry_after_s, result.final) == (False, retry, final)
    assert SECRET not in result.detail


@pytest.mark.parametrize(
    ("url", "detail"),
    [
        (f"http://127.0.0.1:1/{SECRET}", "connection refused"),
        (
            f"http://192.0.2.1/{SECRET}",
            "the URL is http://, which shows the secret to the network; use https://",
        ),
        (f"ftp://127.0.0.1/{SECRET}", "the file holds no https:// URL"),
        (f"http://127.0.0.1:99999/{SECRET}", "failed (ValueError)"),
        (f"http://127.0.0.1:1/{SECRET} x", "the answer is no HTTP"),
        (f"https://[{SECRET}/", "failed (ValueError)"),
    ],
)
def test_failures_never_hold_the_url(tmp_path: Path, url: str, detail: str) -> None:
    result = through(MESSAGE, ChannelConfig(kind="webhook", secret=secret_file(tmp_path, url), timeout_s=1))
    assert not result.ok
    assert SECRET not in result.detail
    assert result.detail == detail or detail == "the answer is no HTTP"


def test_an_error_that_nobody_foresaw_is_told_without_its_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(delivery: object) -> None:
        raise LookupError(SECRET)

    monkeypatch.setattr("innerwarden.agent.notify.channels.slack.send", broken)
    result = through(MESSAGE, ChannelConfig(kind="slack", secret=secret_file(tmp_path, SECRET)))
    assert result == Result(ok=False, detail="failed (LookupError)")


def test_a_server_that_is_slow(server: HttpServer, tmp_path: Path) -> None:
    server.answer = lambda seen: Answer(wait_s=20)
    channel = ChannelConfig(kind="webhook", secret=secret_file(tmp_path, server.url), timeout_s=1)
    assert through(MESSAGE, channel) == Result(ok=False, detail="timed out")


# -- secret files


def test_a_secret_that_others_may_read_is_refused(server: HttpServer, tmp_path: Path) -> None:
    path = Path(secret_file(tmp_path, f"{server.url}/{SECRET}"))
    channel = ChannelConfig(kind="webhook", secret=str(path))
    for mode in (0o640, 0o604, 0o620, 0o666):
        path.chmod(mode)
        result = through(MESSAGE, channel)
        assert not result.ok and f"mode {mode:04o}" in result.detail and "chmod 0600" in result.detail
    path.chmod(0o400)
    assert through(MESSAGE, channel).ok
    assert len(server.seen) == 1


def test_other_files_that_are_no_secrets(tmp_path: Path) -> None:
    good = Path(secret_file(tmp_path, "x"))
    (tmp_path / "link").symlink_to(good)
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "empty").touch(mode=0o600)
    big = Path(secret_file(tmp_path, "y" * 9000, "big"))
    odd = Path(secret_file(tmp_path, f"http://x/{SECRET}\x07", "odd"))
    for path in (
        tmp_path / "link",
        tmp_path / "pipe",
        tmp_path / "empty",
        big,
        odd,
        tmp_path / "none",
        tmp_path,
    ):
        result = through(MESSAGE, ChannelConfig(kind="webhook", secret=str(path)))
        assert not result.ok and str(path) in result.detail and SECRET not in result.detail


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_secret_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = Path(secret_file(tmp_path, "x"))
    os.chown(path, 12345, 12345)
    result = through(MESSAGE, ChannelConfig(kind="webhook", secret=str(path)))
    assert "belongs to uid 12345" in result.detail


def test_a_secret_in_a_directory_of_everybody_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "open"
    place.mkdir()
    place.chmod(0o777)
    result = through(MESSAGE, ChannelConfig(kind="webhook", secret=secret_file(place, "x")))
    assert "others could replace it" in result.detail

# SPDX-License-Identifier: Apache-2.0
"""`innerwarden notify`: a test message through a real child and server, the list, the outbox, the configuration."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from innerwarden.agent.notify.sending import Result
from innerwarden.agent.notify.settle import Settle, Take
from innerwarden.clock import realtime_ns
from innerwarden.config import load, parse
from innerwarden.ctl.main import build
from innerwarden.errors import ConfigError
from innerwarden.model.severity import Severity
from tests.unit.agent.notify.servers import Answer, http_server, secret_file
from tests.unit.agent.notify.support import one_channel, store

ROOT = Path(__file__).resolve().parents[3]
SECRET = "sEcReT-8471"


def invoke(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(build(), list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def config_file(directory: Path, text: str) -> str:
    path = directory / "config.toml"
    path.write_text(text)
    return str(path)


def test_a_test_message_goes_out_while_notifications_are_off(tmp_path: Path) -> None:
    with http_server() as server:
        url = secret_file(tmp_path, f"{server.url}/{SECRET}")
        config = config_file(
            tmp_path, f'host = "web-1"\n[notify.channels.ops]\nkind = "webhook"\nsecret = "{url}"\n'
        )
        code, out = invoke("notify", "test", "ops", "--config", config, "--json")
        assert (code, json.loads(out)["data"]) == (0, [{"channel": "ops", "ok": True, "detail": ""}])
        assert server.seen[0].json()["message"]["kind"] == "test"
        assert server.seen[0].json()["text"].startswith("Test from web-1")
        server.answer = lambda seen: Answer(status=403, body=SECRET.encode())
        code, out = invoke("notify", "test", "--config", config)
    assert code == 1
    assert "answered HTTP 403" in out and SECRET not in out


def test_an_unknown_channel_is_named_with_those_that_there_are(tmp_path: Path) -> None:
    config = config_file(tmp_path, '[notify.channels.siem]\nkind = "syslog"\naddress = "unix:///dev/log"\n')
    from innerwarden.errors import UsageError

    with pytest.raises(UsageError, match=r"no channel 'ops'.*Channels: siem"):
        invoke("notify", "test", "ops", "--config", config)


def test_the_list_names_what_is_wrong_with_a_file_and_shows_no_secret(tmp_path: Path) -> None:
    good = secret_file(tmp_path, f"https://hooks.example.org/{SECRET}", "good")
    bad = secret_file(tmp_path, f"https://hooks.example.org/{SECRET}", "bad")
    Path(bad).chmod(0o644)
    config = config_file(
        tmp_path,
        f'[notify.channels.a]\nkind = "slack"\nsecret = "{good}"\n'
        f'[notify.channels.b]\nkind = "slack"\nsecret = "{bad}"\n',
    )
    code, out = invoke("notify", "list", "--config", config, "--json")
    data = json.loads(out)["data"]
    assert code == 1
    assert [row["problem"] is None for row in data["channels"]] == [True, False]
    assert "chmod 0600" in data["channels"][1]["problem"]
    assert data["remarks"] == ["nobody is told: set notify.enabled = true"]
    assert SECRET not in out
    assert SECRET not in invoke("notify", "list", "--config", config)[1]


def test_the_list_warns_when_no_channel_takes_every_critical(tmp_path: Path) -> None:
    config = config_file(
        tmp_path,
        "[notify]\nenabled = true\n[notify.channels.siem]\n"
        'kind = "syslog"\naddress = "unix:///dev/log"\ntags = ["web"]\nfilter_criticals = true\n',
    )
    code, out = invoke("notify", "list", "--config", config, "--json")
    assert code == 0
    assert json.loads(out)["data"]["remarks"] == [
        "no channel takes every Critical: each has filter_criticals"
    ]


def test_the_outbox_and_status_count_what_was_given_up(tmp_path: Path) -> None:
    with store(tmp_path, one_channel(hourly_cap=0)) as one:
        one.triage(Severity.CRITICAL)
        lost = one.triage(detector="web_shell")
        one.triage(Severity.MEDIUM)
        now_ns = realtime_ns()
        one.route(now_ns)
        for result in (Result(ok=True), Result(ok=False, detail="answered HTTP 404", final=True)):
            due = one.writer.run(Take(channel="ops", now_ns=now_ns))
            assert due is not None
            settled = Settle(channel="ops", due=due, result=result, max_attempts=1, now_ns=now_ns)
            one.writer.run(settled)
    code, out = invoke("notify", "outbox", "--data-dir", str(tmp_path), "--json")
    data = json.loads(out)["data"]
    [channel] = data["channels"]
    assert code == 0
    assert (channel["due"], channel["deferred"], channel["sent_day"], channel["given_up_day"]) == (0, 1, 1, 1)
    [given_up] = data["notices"]
    assert (given_up["incident_id"], given_up["state"], given_up["detail"]) == (
        lost,
        "dead",
        "answered HTTP 404",
    )
    assert (data["totals"]["notices_sent"], data["totals"]["notices_dead"]) == (1, 1)
    assert "answered HTTP 404" in invoke("notify", "outbox", "--data-dir", str(tmp_path))[1]
    status = json.loads(invoke("status", "--data-dir", str(tmp_path), "--json")[1])["data"]
    assert any("1 notifications to ops were given up" in text for text in status["trouble"])
    assert status["notify"][0]["given_up_day"] == 1


def test_an_empty_outbox_says_so(tmp_path: Path) -> None:
    with store(tmp_path, one_channel()):
        pass
    assert "nothing was handed to a channel yet" in invoke("notify", "outbox", "--data-dir", str(tmp_path))[1]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('kind = "carrier_pigeon"', "Invalid enum value"),
        ('kind = "slack"', ".secret is not set"),
        ('kind = "slack"\nsecret = "x"', "must be an absolute path"),
        ('kind = "slack"\nsecret = "/a/../b"', "must be an absolute path"),
        ('kind = "slack"\nsecret = "/x"\naddress = "https://x"', ".address means nothing for slack"),
        ('kind = "slack"\nsecret = "/x"\nquiet_hours = "22"', ".quiet_hours is '22'"),
        ('kind = "slack"\nsecret = "/x"\nquiet_hours = "7-7"', ".quiet_hours is '7-7'"),
        ('kind = "slack"\nsecret = "/x"\nquiet_hours = "22-24"', ".quiet_hours is '22-24'"),
        ('kind = "slack"\nsecret = "/x"\nsigning_key = "/y"', "only a webhook is signed"),
        ('kind = "slack"\nsecret = "/x"\napprove = true', "cannot take an answer"),
        ('kind = "slack"\nsecret = "/x"\ndigest_hour = 24', ".digest_hour is 24"),
        ('kind = "telegram"\nsecret = "/x"', ".chat is not set"),
        ('kind = "telegram"\nsecret = "/x"\nchat = 5\napprove = true', "without .approvers"),
        ('kind = "telegram"\nsecret = "/x"\nchat = 5\naddress = "http://evil.example"', ".address is"),
        ('kind = "syslog"', ".address is ''"),
        ('kind = "syslog"\naddress = "udp://h"', ".address is 'udp://h'"),
        ('kind = "cef"\naddress = "unix://dev/log"', ".address is"),
    ],
)
def test_a_channel_that_cannot_work_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse(f"[notify.channels.ops]\n{text}\n", "x")
    assert problem in str(error.value)


@pytest.mark.parametrize("name", ["Ops", "a b", "-x", "a" * 33])
def test_a_channel_needs_a_plain_name(name: str) -> None:
    with pytest.raises(ConfigError, match="a name has"):
        parse(f'[notify.channels."{name}"]\nkind = "syslog"\naddress = "unix:///dev/log"\n', "x")


def test_every_set_up_in_the_document_is_a_configuration(tmp_path: Path) -> None:
    text = (ROOT / "docs/notifications.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    assert len(blocks) >= 9
    kinds = set()
    for block in blocks:
        notify = load(Path(config_file(tmp_path, block))).notify
        kinds |= {channel.kind for channel in notify.channels.values()}
    assert kinds == {
        "telegram", "slack", "discord", "apprise", "pagerduty", "opsgenie", "webhook", "syslog", "cef",
    }  # fmt: skip

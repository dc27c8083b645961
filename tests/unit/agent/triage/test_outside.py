# SPDX-License-Identifier: Apache-2.0
"""Asking others: real servers on loopback, kind and hostile ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from innerwarden import paths
from innerwarden.agent.state.lookups import ClaimBudget, LookupReader
from innerwarden.agent.state.read import Reader
from innerwarden.agent.state.writer import Writer
from innerwarden.agent.triage.gather import Sources
from innerwarden.agent.triage.outside.breaker import Breaker
from innerwarden.agent.triage.outside.http import OutsideError, Request, checked_url, fetch
from innerwarden.agent.triage.outside.provider import Answer, Provider, find_providers
from innerwarden.agent.triage.outside.reputation import Lookups
from innerwarden.agent.triage.outside.secret import read_key
from innerwarden.config import (
    AbuseIpDbConfig,
    Config,
    CrowdSecConfig,
    GreyNoiseConfig,
    ReputationConfig,
    parse,
)
from innerwarden.errors import ConfigError
from tests.unit.agent.support import append, wait_until
from tests.unit.agent.triage import servers
from tests.unit.agent.triage.support import decision, guessing, triage_all

PUBLIC, OTHER = "45.9.1.77", "45.9.1.78"


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    path = tmp_path / "key"
    path.write_text("s3cret\n")
    path.chmod(0o600)
    return str(path)


@pytest.mark.parametrize(
    ("behave", "said"),
    [
        (servers.drip, "no answer in time"),
        (servers.drip_without_length, "no answer in time"),
        (servers.flood, "answered more than 4096 bytes"),
        (servers.silence, "no HTTP|connection failed"),
        (servers.reply({}, status=302, headers="Location: http://127.0.0.1:1/\r\n"), "answered HTTP 302"),
        (servers.reply({}, status=500), "answered HTTP 500"),
        (lambda head, body, c: c.sendall(b"\xff\xfe nonsense\r\n\r\n"), "no HTTP"),
        (lambda head, body, c: c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), "was cut"),
        (lambda head, body, c: c.sendall(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 2000 + b"\r\n"), "no HTTP"),
    ],
    ids=["drip", "drip without length", "flood", "cut", "redirect", "error", "nonsense", "short", "headers"],
)
def test_a_hostile_server_costs_a_second_and_says_nothing(behave: servers.Behave, said: str) -> None:
    with servers.serving(behave) as server:
        began = time.monotonic()
        with pytest.raises(OutsideError, match=said):
            fetch(Request(url=server.url, timeout_s=0.5, max_bytes=4096, headers={"Key": "s3cret"}))
        assert time.monotonic() - began < 2
        assert len(server.requests) == 1


def test_nobody_there_is_told_in_our_words() -> None:
    with pytest.raises(OutsideError, match="connection refused"):
        fetch(Request(url="http://127.0.0.1:1/?key=s3cret", timeout_s=1))


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/", "http://127.0.0.1.example.org/", "http://localhost@example.org/", "ftp://127.0.0.1/",
        "https://user:word@example.org/", "https://", "http://[::1/", "http://10.0.0.1/", "file:///etc/passwd",
    ],
)  # fmt: skip
def test_only_tls_leaves_this_host(url: str) -> None:
    with pytest.raises(OutsideError):
        checked_url(url)
    for fine in ("https://example.org/", "http://127.0.0.1:8080/", "http://[::1]:80/", "http://localhost/"):
        checked_url(fine)


def test_a_key_that_others_may_read_is_refused(
    tmp_path: Path, key_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_key(key_file) == "s3cret"
    Path(key_file).chmod(0o640)
    with pytest.raises(OutsideError, match="chmod 0600"):
        read_key(key_file)
    link = tmp_path / "link"
    link.symlink_to(key_file)
    with pytest.raises(OutsideError, match="cannot be read"):
        read_key(str(link))
    # systemd's credentials are readable by the group on some versions, in a directory of the service alone.
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_key("key") == "s3cret"


def providers_of(url: str, key_file: str) -> dict[str, Provider]:
    config = ReputationConfig(
        abuseipdb=AbuseIpDbConfig(enabled=True, url=url, key_file=key_file),
        crowdsec=CrowdSecConfig(enabled=True, url=url, key_file=key_file),
        greynoise=GreyNoiseConfig(enabled=True, url=url, key_file=key_file),
    )
    return {one.name: one for one in find_providers(config)}


def test_all_are_off_until_switched_on() -> None:
    assert find_providers(Config().triage.reputation) == []


@pytest.mark.parametrize(
    ("name", "body", "status", "listed", "text"),
    [
        ("abuseipdb", {"data": {"abuseConfidenceScore": 100, "totalReports": "12"}}, 200, True, "score 100 of 100"),
        ("abuseipdb", {"data": {"abuseConfidenceScore": 3, "extra": 1}}, 200, False, "score 3"),
        ("crowdsec", [{"type": "ban", "scenario": "crowdsecurity/ssh-bf"}], 200, True, "ban for crowdsecurity/ssh-bf"),
        ("crowdsec", [{"type": "ban", "simulated": True}], 200, False, "no decision"),
        ("crowdsec", b"null", 200, False, "no decision"),
        ("greynoise", {"noise": True, "classification": "malicious"}, 200, True, "classified malicious"),
        ("greynoise", {"noise": True, "classification": "benign"}, 200, False, "classified benign"),
        ("greynoise", {"message": "IP not observed"}, 404, False, "never seen"),
    ],
)  # fmt: skip
def test_each_provider_speaks_its_protocol(
    key_file: str, name: str, body: object, status: int, listed: bool, text: str
) -> None:
    with servers.serving(servers.reply(body, status)) as server:
        answer = providers_of(server.url, key_file)[name].ask(PUBLIC)
    assert answer.listed is listed and text in answer.text
    head, _ = server.requests[0]
    assert PUBLIC in head.splitlines()[0] and "s3cret" not in head.splitlines()[0]
    assert "key: s3cret" in head.lower()


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"{}", b'{"data": {"abuseConfidenceScore": "very"}}', b"\xff", b"[" * 9000]
)
def test_an_answer_that_is_not_as_documented_is_no_fact(key_file: str, body: bytes) -> None:
    with (
        servers.serving(servers.reply(body)) as server,
        pytest.raises(OutsideError, match="not as documented"),
    ):
        providers_of(server.url, key_file)["abuseipdb"].ask(PUBLIC)


class Fake:
    """Answers from a table; counts."""

    name, daily_budget = "fake", 5

    def __init__(self, slow: threading.Event | None = None, fails: bool = False) -> None:
        self.asked: list[str] = []
        self.slow, self.fails = slow, fails

    def ask(self, address: str) -> Answer:
        self.asked.append(address)
        if self.slow is not None:
            self.slow.wait(10)
        if self.fails:
            raise OutsideError("no")
        return Answer(listed=True, text="bad")


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    one = Writer(paths.state_db(tmp_path))
    yield one
    one.close()


def lookups(tmp_path: Path, writer: Writer, provider: Provider, wait_s: float = 5) -> Lookups:
    return Lookups(LookupReader(paths.state_db(tmp_path)), writer, [provider], wait_s=wait_s, keep_s=3600)


def counters(tmp_path: Path) -> dict[str, int]:
    with Reader(paths.state_db(tmp_path)) as reader:
        return reader.funnel().lookups


def test_an_answer_is_kept_and_private_addresses_stay_here(tmp_path: Path, writer: Writer) -> None:
    fake = Fake()
    look = lookups(tmp_path, writer, fake)
    for _ in range(3):
        assert [
            one.text for one in look((PUBLIC, "10.0.0.1", "nonsense", "127.0.0.1", "fe80::1"))[PUBLIC]
        ] == ["bad"]
        writer.run(ClaimBudget(name="x", period="x", limit=0))
    assert fake.asked == [PUBLIC]
    assert lookups(tmp_path, writer, Fake(fails=True))((PUBLIC,))[PUBLIC][0].listed
    wait_until(lambda: counters(tmp_path) == {"fake.asked": 1, "fake.cached": 3})


def test_the_daily_budget_outlives_a_restart(tmp_path: Path, writer: Writer) -> None:
    fake = Fake()
    addresses = [f"45.9.1.{n}" for n in range(20)]
    lookups(tmp_path, writer, fake)(addresses)
    lookups(tmp_path, writer, fake)([f"45.9.2.{n}" for n in range(20)])
    assert len(fake.asked) == 5
    wait_until(lambda: counters(tmp_path).get("fake.over_budget") == 35)


def test_a_slow_provider_is_waited_for_a_moment_and_used_the_next_time(
    tmp_path: Path, writer: Writer
) -> None:
    gate = threading.Event()
    look = lookups(tmp_path, writer, Fake(slow=gate), wait_s=0.05)
    began = time.monotonic()
    assert look((PUBLIC,))[PUBLIC] == ()
    assert time.monotonic() - began < 1
    gate.set()
    wait_until(lambda: look((PUBLIC,))[PUBLIC] != ())


def test_who_keeps_failing_is_left_alone(tmp_path: Path, writer: Writer) -> None:
    fake = Fake(fails=True)
    look = lookups(tmp_path, writer, fake)
    for n in range(6):
        assert look((f"45.9.1.{n}",)) == {f"45.9.1.{n}": ()}
    assert len(fake.asked) == 3
    wait_until(
        lambda: (counters(tmp_path).get("fake.failed"), counters(tmp_path).get("fake.paused")) == (3, 3)
    )


def test_the_breaker_lets_one_try_through() -> None:
    now = [0.0]
    breaker = Breaker(failures=2, pause_s=10, now=lambda: now[0])
    for _ in range(2):
        assert breaker.may_ask()
        breaker.note(False)
    assert not breaker.may_ask()
    now[0] = 11
    assert breaker.may_ask() and not breaker.may_ask()
    breaker.note(True)
    assert breaker.may_ask() and breaker.may_ask()


def test_a_decision_with_a_real_provider_behind_it(tmp_path: Path, key_file: str, writer: Writer) -> None:
    writer.close()
    with servers.serving(servers.reply({"data": {"abuseConfidenceScore": 99, "totalReports": 5}})) as server:
        provider = providers_of(server.url, key_file)["abuseipdb"]
        store = Writer(paths.state_db(tmp_path))
        try:
            look = lookups(tmp_path, store, provider)
            append(tmp_path, one := guessing(PUBLIC))
            triage_all(tmp_path, sources=Sources(reputation=look))
        finally:
            store.close()
    assert "+0.10 listed by abuseipdb" in decision(tmp_path, one).reason


def test_what_cannot_be_meant_is_refused() -> None:
    for text, said in (
        ("[triage.reputation.abuseipdb]\nenabled = true\n", "no key_file"),
        ("[triage.reputation.crowdsec]\ntimeout_s = 600.0\n", "timeout_s"),
        ('[triage]\ngeoip_database = "x.mmdb"\n', "absolute path"),
        ("[triage.reputation]\nwait_ms = 60000\n", "wait_ms"),
    ):
        with pytest.raises(ConfigError, match=said):
            parse(text, "config.toml")


def test_a_key_never_gets_into_a_log(
    tmp_path: Path, key_file: str, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    echo = servers.reply(b'"s3cret"', status=403, headers="X-Key: s3cret\r\n")
    with servers.serving(echo) as server:
        lookups(tmp_path, writer, providers_of(server.url, key_file)["abuseipdb"])((PUBLIC,))
    assert "answered HTTP 403" in caplog.text and "s3cret" not in caplog.text
    assert msgspec.json.encode(counters(tmp_path)).find(b"s3cret") < 0

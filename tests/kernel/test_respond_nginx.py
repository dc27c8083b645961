# SPDX-License-Identifier: Apache-2.0
"""Refusing addresses in a real nginx of the test's own, asked over loopback from several addresses."""

from __future__ import annotations

import http.client
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from innerwarden.model.verb import RateLimitAddress
from innerwarden.responder.skill import Effect, Refusal, SkillError
from innerwarden.responder.skills import rate_limit_address
from innerwarden.responder.skills.rate_limit_address import Limit
from tests.kernel.net import wait

pytestmark = pytest.mark.kernel

BAD, GOOD = "127.0.0.2", "127.0.0.3"
CONFIG = """
user root;
daemon off;
worker_processes 1;
pid {0}/pid;
error_log {0}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {0}/body; proxy_temp_path {0}/proxy; fastcgi_temp_path {0}/fastcgi;
    uwsgi_temp_path {0}/uwsgi; scgi_temp_path {0}/scgi;
    {include}
    server {{ listen {port}; listen [::1]:{port}; root {0}/www; }}
}}
"""


class Web:
    """`deny`: our file, included by `include`."""

    def __init__(self, directory: Path, include: str = "include {}*;") -> None:
        self.deny = directory / "deny.conf"
        self.config = directory / "nginx.conf"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        (directory / "www").mkdir()
        (directory / "www" / "index.html").write_text("hello")
        self.config.write_text(CONFIG.format(directory, include=include.format(self.deny), port=self.port))
        self.skill = Limit(self.deny, ("-p", str(directory), "-c", str(self.config)))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = ["/usr/sbin/nginx", "-p", str(self.config.parent), "-c", str(self.config)]
        self.process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
        wait(lambda: self.answers(GOOD) == 200)

    def end(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)

    def answers(self, source: str, to: str = "127.0.0.1") -> int:
        """The status that a request from `source` gets, 0 for none."""
        link = http.client.HTTPConnection(to, self.port, timeout=5, source_address=(source, 0))
        try:
            link.request("GET", "/")
            return link.getresponse().status
        except OSError:
            return 0
        finally:
            link.close()


Make = Callable[..., Web]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    if shutil.which("nginx") is None and not Path("/usr/sbin/nginx").exists():
        pytest.skip("needs nginx: apt-get install nginx-light")
    monkeypatch.setattr(rate_limit_address, "who_else_writes", lambda path: None)
    made: list[Web] = []

    def begin(include: str = "include {}*;") -> Web:
        made.append(Web(tmp_path, include))
        return made[-1]

    yield begin
    for web in made:
        web.end()


@pytest.fixture
def web(make: Make) -> Web:
    made = make()
    made.start()
    return made


def effect(address: str = BAD) -> Effect[RateLimitAddress]:
    return Effect(request_id="r1", verb=RateLimitAddress(address=address), ttl_s=60)


def do(web: Web, address: str = BAD) -> None:
    web.skill.do(effect(address), lambda handle: None)


def test_one_address_is_refused_and_another_is_not(web: Web) -> None:
    assert (web.answers(BAD), web.answers(GOOD)) == (200, 200)
    do(web)
    wait(lambda: web.answers(BAD) == 403)
    assert (web.answers(GOOD), web.skill.check(effect())) == (200, None)
    web.skill.undo(effect())
    wait(lambda: web.answers(BAD) == 200)
    assert "does not deny" in str(web.skill.check(effect()))
    web.skill.undo(effect())
    web.skill.clear()
    assert not web.deny.exists()
    assert web.answers(GOOD) == 200


def test_v6_is_refused_too_and_a_mapped_address_is_the_v4_one(web: Web) -> None:
    do(web, "::1")
    wait(lambda: web.answers("::1", "::1") == 403)
    do(web, f"::ffff:{BAD}")
    wait(lambda: web.answers(BAD) == 403)
    assert web.deny.read_text().splitlines()[1:] == [f"deny {BAD};", "deny ::1;"]
    assert [found.verb.address for found in web.skill.present()] == [BAD, "::1"]  # type: ignore[union-attr]
    web.skill.undo(effect("::1"))
    wait(lambda: web.answers("::1", "::1") == 200)
    assert web.answers(BAD) == 403


def test_a_dry_run_changes_nothing(web: Web) -> None:
    assert web.skill.plan(RateLimitAddress(address=BAD), 60)[0] == f"add to {web.deny}: deny {BAD};"
    assert not web.deny.exists()


@pytest.mark.parametrize("include", ["", "# include {}*;", "include {}.d/*;"])
def test_without_the_operators_include_nothing_is_written(make: Make, include: str) -> None:
    web = make(include)
    web.start()
    with pytest.raises(Refusal, match="does not include"):
        do(web)
    assert not web.deny.exists()


@pytest.mark.parametrize("include", ["include deny.con[f];", 'include "{}";', "include d*.conf;"])
def test_other_ways_to_include_it_are_seen(make: Make, include: str) -> None:
    web = make(include)
    web.deny.write_text(f"{rate_limit_address._MARK}\n")
    web.start()
    do(web)
    wait(lambda: web.answers(BAD) == 403)
    web.skill.undo(effect())
    web.skill.clear()
    assert web.deny.exists() is ("*" not in include and "[" not in include)


def test_what_nginx_does_not_accept_is_taken_back(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    do(web)
    wait(lambda: web.answers(BAD) == 403)
    before = web.deny.read_bytes()
    monkeypatch.setattr(rate_limit_address, "_address", lambda verb: "not an address")
    with pytest.raises(SkillError, match="did not take the change"):
        do(web)
    assert web.deny.read_bytes() == before
    # A worker from before the first reload may still take a connection.
    wait(lambda: (web.answers(BAD), web.answers(GOOD)) == (403, 200))


def test_a_broken_configuration_of_the_operators_is_left_alone(web: Web) -> None:
    web.config.write_text(web.config.read_text() + "}")
    with pytest.raises(Refusal, match="does not accept its own"):
        do(web)
    assert not web.deny.exists()


def test_an_nginx_that_does_not_run_is_told(make: Make) -> None:
    web = make()
    with pytest.raises(SkillError, match="did not take the change"):
        do(web)
    assert not web.deny.exists()


def test_an_nginx_that_was_stopped_does_not_keep_a_block(web: Web) -> None:
    do(web)
    web.end()
    web.skill.undo(effect())
    assert web.skill.present() == []
    web.skill.clear()
    web.start()
    assert web.answers(BAD) == 200


def test_a_file_of_somebody_else_is_not_touched(web: Web) -> None:
    web.deny.write_text("deny 192.0.2.1;\n")
    with pytest.raises(Refusal, match="not a file of ours"):
        do(web)
    assert web.skill.present() == []
    web.skill.clear()
    assert web.deny.read_text() == "deny 192.0.2.1;\n"


@pytest.mark.parametrize(
    "address", ["fe80::1%a;allow all", "1.2.3.4; allow all", "all", "10.0.0.0/8", "-s", ""]
)
def test_what_is_not_one_address_is_refused(web: Web, address: str) -> None:
    with pytest.raises(Refusal):
        do(web, address)
    assert not web.deny.exists()

# SPDX-License-Identifier: Apache-2.0
"""The dashboard of a running agent in a real browser: log in, see an incident arrive, open it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from innerwarden import paths
from innerwarden.clock import NS, realtime_ns
from tests.browser.webdriver import Browser, wait_for
from tests.unit.dashboard import samples

pytestmark = pytest.mark.browser

WIDTHS = (1280, 390)
SCHEMES = ("light", "dark")


class Agent:
    """`innerwarden agent` as a person starts it, on a free port."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        argv = [
            sys.executable,
            "-m",
            "innerwarden",
            "agent",
            "--data-dir",
            str(data_dir),
            "--listen",
            "127.0.0.1:0",
        ]
        self._process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        first = self._process.stdout.readline()
        assert first.startswith("dashboard: "), first
        self.login = first.removeprefix("dashboard: ").strip()
        self.url, _, self.token = self.login.partition("/login#")

    def append(self, line: bytes) -> None:
        """As the sensor does: one write."""
        fd = os.open(paths.findings(self.data_dir), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        try:
            os.write(fd, line)
        finally:
            os.close(fd)

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(10) == 0


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    """With some history, and a sensor report that is kept fresh."""
    data_dir = tmp_path_factory.mktemp("data")
    now = realtime_ns()
    old = [samples.brute_force(now - n * n * 400 * NS, n) for n in range(14, 0, -1)]
    paths.findings(data_dir).write_bytes(
        b"".join(map(samples.line, old)) + samples.line(samples.telemetry(now - 30 * NS))
    )
    stop = threading.Event()

    def report() -> None:
        while not stop.is_set():
            file = paths.sensor_health(data_dir)
            file.with_suffix(".tmp").write_bytes(msgspec.json.encode(samples.health()))
            file.with_suffix(".tmp").replace(file)
            stop.wait(1)

    reporter = threading.Thread(target=report)
    reporter.start()
    running = Agent(data_dir)
    yield running
    running.stop()
    stop.set()
    reporter.join()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory, agent: Agent) -> Iterator[Browser]:
    """Logged in through the address that the agent printed."""
    made = Browser(tmp_path_factory.mktemp("profile"))
    try:
        made.size(1280, 900)
        made.open(agent.login)
        wait_for("the overview", lambda: made.texts("#latest-title"))
        yield made
    finally:
        made.close()


@pytest.fixture
def quiet(browser: Browser) -> Iterator[None]:
    """No error and no violation of the page's policy while the test runs."""
    browser.log()
    yield
    told = [entry for entry in browser.log() if entry["level"] in {"WARNING", "SEVERE"}]
    assert told == []


FORGED = """<!doctype html><meta name="referrer" content="{policy}">
<form method="post" action="{url}/act/close"><input name="incident_id" value="any"></form>
<script>document.forms[0].submit()</script>"""


@pytest.mark.parametrize("policy", ["no-referrer", "unsafe-url"])
def test_a_page_on_another_port_forges_nothing(browser: Browser, agent: Agent, policy: str) -> None:
    """It is of the same site, so that the browser sends the session's cookie with its form."""
    body = FORGED.format(policy=policy, url=agent.url).encode()

    class Evil(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Evil)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        browser.open(f"http://127.0.0.1:{server.server_port}/")
        assert wait_for("the answer", lambda: browser.texts("h1")) == ["Cross-site request"]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        browser.open(f"{agent.url}/")
        wait_for("the overview", lambda: browser.texts("#latest-title"))


def test_login_leaves_no_token_behind(browser: Browser, agent: Agent) -> None:
    assert browser.url() == f"{agent.url}/"
    cookie = browser.cookie("iw_session")
    assert cookie["httpOnly"] is True
    assert cookie["sameSite"] == "Strict"
    assert browser.run("return document.cookie") == ""
    assert agent.token not in browser.run("return document.documentElement.outerHTML")


def test_a_wrong_token_is_refused_in_words(tmp_path: Path, agent: Agent) -> None:
    stranger = Browser(tmp_path)
    try:
        stranger.open(f"{agent.url}/")
        assert stranger.url() == f"{agent.url}/login"
        stranger.type("#token", "wrong")
        stranger.click("#login button")
        said = wait_for("the refusal", lambda: stranger.texts('[role="alert"]'))
        assert "not a valid token" in said[0]
    finally:
        stranger.close()


@pytest.mark.parametrize("path", ["/", "/incidents"])
def test_an_incident_is_on_the_screen_within_a_second(
    browser: Browser, agent: Agent, quiet: None, path: str
) -> None:
    browser.open(agent.url + path)
    wait_for("the live mark", lambda: browser.texts('#pulse[data-state="live"]'))
    slowest = 0.0
    for number in range(3):
        finding = samples.reverse_shell(number=100 * len(path) + number)
        began = time.monotonic()
        agent.append(samples.line(finding))
        wait_for(
            "the incident",
            lambda one=finding: browser.run(
                "return [...document.querySelectorAll('[data-incident]')]"
                ".some(e => e.dataset.incident === arguments[0])",
                one.fields.incident_id.replace("\\", "\\\\"),
            ),
        )
        slowest = max(slowest, time.monotonic() - began)
    assert slowest < 1.0


def test_open_an_incident_and_see_its_tree(browser: Browser, agent: Agent, quiet: None) -> None:
    finding = samples.reverse_shell(number=7)
    agent.append(samples.line(finding))
    browser.open(f"{agent.url}/")
    wait_for("the incident", lambda: any("4249" in text for text in browser.texts("#latest p")))
    browser.click("#latest .row.critical a")
    wait_for("its page", lambda: browser.texts(".tree"))
    drawn = browser.run(
        "return [...document.querySelectorAll('.tree [data-pid]')].map(e => {"
        " const box = e.getBoundingClientRect();"
        " return [e.dataset.pid, box.width > 100 && box.height > 20, box.top]; })"
    )
    assert [row[0] for row in drawn] == ["1", "871", "4100", "4249"]
    assert all(row[1] for row in drawn)
    assert [row[2] for row in drawn] == sorted(row[2] for row in drawn)
    assert samples.SCRIPT in browser.texts(".tree .acting .argv")[0].replace("'\"'\"'", "'")
    assert browser.texts("script:not([src])") == []
    for section in ("Evidence", "Next checks", "What this verdict could not see"):
        assert section in browser.texts("h2")


def test_filter_by_hand(browser: Browser, agent: Agent, quiet: None) -> None:
    browser.open(f"{agent.url}/incidents")
    browser.type('input[name="entity"]', "203.0.113.9")
    browser.click(".filters button")
    wait_for("the filter", lambda: "entity=203.0.113.9" in browser.url())
    assert len(browser.texts("[data-incident]")) == 1
    # What is being typed survives the refresh that an arriving incident causes.
    browser.open(f"{agent.url}/incidents")
    browser.type('input[name="text"]', "half a wo")
    finding = samples.reverse_shell(number=8)
    agent.append(samples.line(finding))
    wait_for("the incident", lambda: any("4250" in text for text in browser.texts(".row p")))
    assert browser.run("return document.activeElement.value") == "half a wo"


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_fits_and_is_readable(
    browser: Browser, agent: Agent, quiet: None, repository: Path, width: int, scheme: str
) -> None:
    browser.size(width, 900)
    browser.scheme(scheme)
    browser.open(f"{agent.url}/incidents?severity=critical")
    newest = browser.run("return document.querySelector('[data-incident] a').getAttribute('href')")
    pages = {"overview": "/", "incidents": "/incidents", "incident": newest, "sensor": "/sensor"}
    try:
        for name, path in pages.items():
            browser.open(agent.url + path)
            wait_for("the live mark", lambda: browser.texts('#pulse[data-state="live"]'))
            wide = browser.run(
                "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert wide <= 0, f"{name} is {wide} px wider than the screen"
            assert browser.run(CONTRAST) == [], name
            browser.screenshot(repository / "build" / "screenshots" / f"{name}-{width}-{scheme}.png")
    finally:
        browser.size(1280, 900)
        browser.scheme("light")


#: Text whose contrast with what is behind it is below WCAG 2.2 AA (4.5, or 3 for large text).
CONTRAST = """
const parse = c => (c.match(/[\\d.]+/g) || []).map(Number);
const light = ([r, g, b]) => {
  const f = v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b);
};
const ground = e => {
  for (; e; e = e.parentElement) {
    const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length === 3 || c[3] > 0.99) return c;
  }
  return [255, 255, 255];
};
const bad = [];
for (const e of document.querySelectorAll("body *")) {
  const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  const box = e.getBoundingClientRect();
  if (!own || box.width < 2 || box.height < 2 || e.closest(".skip, .hidden, option")) continue;
  const style = getComputedStyle(e);
  const a = light(parse(e.namespaceURI.endsWith("svg") ? style.fill : style.color)), b = light(ground(e));
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
  const name = `${e.tagName}.${e.className} "${e.textContent.slice(0, 30)}"`;
  if (ratio < (large ? 3 : 4.5)) bad.push(`${name} ${ratio.toFixed(2)}`);
}
return bad;
"""


def test_a_dead_agent_is_said_and_a_live_one_found_again(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    running = Agent(tmp_path_factory.mktemp("other"))
    visitor = Browser(tmp_path)
    try:
        visitor.open(running.login)
        wait_for("the live mark", lambda: visitor.texts('#pulse[data-state="live"]'))
        running.stop()
        wait_for("the warning", lambda: visitor.texts('#pulse[data-state="lost"]'))
        assert visitor.texts("#pulse") == ["agent not reachable"]
    finally:
        visitor.close()

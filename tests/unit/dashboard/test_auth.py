# SPDX-License-Identifier: Apache-2.0
"""Who gets in, who does not, and what every response carries."""

from __future__ import annotations

import falcon
import falcon.testing
import pytest

from innerwarden.agent.dashboard import auth
from innerwarden.agent.dashboard.app import create
from innerwarden.agent.dashboard.auth import Sessions, Throttle
from innerwarden.agent.dashboard.context import Context
from innerwarden.agent.dashboard.security import host_is_ours
from innerwarden.agent.dashboard.view import find
from tests.unit.dashboard.conftest import HOST, TOKEN, log_in

Client = falcon.testing.TestClient
OURS = {"Sec-Fetch-Site": "same-origin"}
PATHS = [path for view in find() for path in (view.path, view.api_path)]
FILLED = [path.replace("{incident_id:path}", "any:id/with/slashes") for path in PATHS]


@pytest.mark.parametrize("path", [*FILLED, "/api/v1/pulse", "/nonsense", "/api/nonsense"])
def test_every_route_needs_a_session(stranger: Client, path: str) -> None:
    reply = stranger.simulate_get(path)
    if reply.status_code == 404:
        assert "nonsense" in path
    elif path.startswith("/api/"):
        assert reply.status_code == 401
    else:
        assert (reply.status_code, reply.headers["location"]) == (303, "/login")
    assert "incident_id" not in reply.text


@pytest.mark.parametrize(
    "path", ["/login", "/healthz", "/static/app.js", "/static/style.css", "/static/icon.svg"]
)
def test_open_routes(stranger: Client, path: str) -> None:
    assert stranger.simulate_get(path).status_code == 200


@pytest.mark.parametrize(
    "path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//etc/passwd"]
)
def test_static_files_only(stranger: Client, path: str) -> None:
    assert stranger.simulate_get(path).status_code in {303, 404}


@pytest.mark.parametrize("path", ["/login", "/", "/api/v1/overview", "/static/app.js", "/nonsense"])
def test_headers_on_every_response(stranger: Client, client: Client, path: str) -> None:
    for one in (stranger, client):
        headers = one.simulate_get(path).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert ("no-store" in headers.get("cache-control", "")) is not path.startswith("/static/")


def test_login_sets_a_strict_cookie(stranger: Client) -> None:
    reply = log_in(stranger)
    assert (reply.status_code, reply.headers["location"]) == (303, "/")
    cookie = reply.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert TOKEN not in cookie


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", TOKEN[:-1], "\u00ff", "a" * 9000])
def test_a_wrong_token_opens_nothing(stranger: Client, token: str) -> None:
    reply = log_in(stranger, token)
    assert reply.status_code == 401
    assert "set-cookie" not in reply.headers
    assert "not a valid token" in reply.text


def test_failures_are_throttled_also_for_the_right_token(stranger: Client) -> None:
    for _ in range(auth.FAILURES_PER_CLIENT):
        assert log_in(stranger, "guess").status_code == 401
    reply = log_in(stranger)
    assert reply.status_code == 429
    assert 0 < int(reply.headers["retry-after"]) <= auth.FAILURE_WINDOW_S + 1


def test_the_api_takes_a_bearer_token_and_throttles_it(stranger: Client) -> None:
    good = {"Authorization": f"Bearer {TOKEN}"}
    assert stranger.simulate_get("/api/v1/overview", headers=good).status_code == 200
    assert stranger.simulate_get("/", headers=good).status_code == 303  # pages want a session
    for _ in range(auth.FAILURES_PER_CLIENT):
        wrong = stranger.simulate_get("/api/v1/overview", headers={"Authorization": "Bearer guess"})
        assert wrong.status_code == 401
    assert stranger.simulate_get("/api/v1/overview", headers=good).status_code == 429


def test_logout_ends_the_session(client: Client) -> None:
    assert client.simulate_get("/").status_code == 200
    assert client.simulate_post("/logout", headers=OURS).status_code == 303
    assert client.simulate_get("/").status_code == 303


def test_a_revoked_token_ends_its_sessions(context: Context) -> None:
    valid = {auth.hash_of(TOKEN)}
    app = create(context, valid.__contains__)
    session = log_in(Client(app, headers=HOST)).cookies["iw_session"].value
    client = Client(app, headers={**HOST, "Cookie": f"iw_session={session}"})
    assert client.simulate_get("/").status_code == 200
    valid.clear()
    assert client.simulate_get("/").status_code == 303


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("127.0.0.1:8787", True), ("localhost", True), ("localhost:9999", True), ("[::1]:8787", True),
        ("192.0.2.7:8787", True), ("evil.example", False), ("evil.example:8787", False), ("", False),
        ("127.0.0.1.evil.example", False), ("localhost.evil.example", False), ("[", False),
    ],
)  # fmt: skip
def test_host_names(context: Context, host: str, ours: bool) -> None:
    assert host_is_ours(host) is ours
    app = create(context, lambda sha256: True)
    reply = Client(app).simulate_get("/healthz", headers={"Host": host} if host else {}, host=host or "x")
    assert (reply.status_code == 200) is ours
    if not ours:
        assert reply.status_code == 421


@pytest.mark.parametrize(
    ("headers", "accepted"),
    [
        ({}, False),  # a browser that says nothing about where it comes from
        ({"Origin": "null"}, False),
        ({"Origin": ""}, False),
        ({"Origin": "http://127.0.0.1:8787"}, True),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": ""}, False),
        ({"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"}, False),
        ({"Origin": "http://127.0.0.1:8787.evil.example"}, False),
        ({"Origin": "http://127.0.0.1:8787@evil.example"}, False),
        ({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, True),
        ({"Origin": "null", "Sec-Fetch-Site": "cross-site"}, False),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "http://127.0.0.1:9999"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
    ],
)
def test_cross_site_posts_are_refused(client: Client, headers: dict[str, str], accepted: bool) -> None:
    reply = client.simulate_post("/logout", headers=headers)
    assert reply.status_code == (303 if accepted else 403)


@pytest.mark.parametrize("headers", [{"Origin": "null"}, {"Origin": "https://evil.example"}])
def test_a_cross_site_login_is_refused(stranger: Client, headers: dict[str, str]) -> None:
    assert stranger.simulate_post("/login", headers=headers).status_code == 403


PUBLIC = {"Host": "warden.example.org"}


def test_the_public_name_is_let_in_and_its_cookie_needs_tls(context: Context) -> None:
    app = create(context, {auth.hash_of(TOKEN)}.__contains__, public_url="https://warden.example.org")
    public, local = log_in(Client(app, headers=PUBLIC)), log_in(Client(app, headers=HOST))
    assert "Secure" in public.headers["set-cookie"]
    assert public.headers["strict-transport-security"] == "max-age=31536000"
    assert "Secure" not in local.headers["set-cookie"]
    assert "strict-transport-security" not in local.headers


@pytest.mark.parametrize(
    "host", ["evil.example", "example.org", "x.warden.example.org", "warden.example.org.evil.example", ""]
)
def test_no_other_name_is_let_in(context: Context, host: str) -> None:
    app = create(context, lambda sha256: True, public_url="https://warden.example.org:8443")
    assert Client(app).simulate_get("/healthz", headers={"Host": host}).status_code == 421
    assert Client(app).simulate_get("/healthz", headers=PUBLIC).status_code == 200


def test_one_ipv6_network_is_one_client(stranger: Client) -> None:
    for number in range(auth.FAILURES_PER_CLIENT):
        assert guess_from(stranger, f"2001:db8::{number + 1}") == 401
    assert guess_from(stranger, "2001:db8::ffff:1") == 429
    assert guess_from(stranger, "2001:db8:0:1::1") == 401
    assert guess_from(stranger, "::ffff:192.0.2.1") == 401
    assert guess_from(stranger, "192.0.2.1") == 401


def guess_from(client: Client, address: str) -> int:
    headers = {"Authorization": "Bearer guess"}
    return client.simulate_get("/api/v1/overview", headers=headers, remote_addr=address).status_code


def test_many_addresses_together_are_throttled(stranger: Client) -> None:
    for number in range(auth.FAILURES_IN_ALL):
        assert guess_from(stranger, f"192.0.2.{number}") == 401
    assert guess_from(stranger, "198.51.100.1") == 429


def test_sessions_end_and_are_bounded() -> None:
    now = [0.0]
    sessions = Sessions(lambda: now[0])
    first = sessions.open("hash")
    assert sessions.token_of(first) == "hash"
    assert sessions.token_of("made up") is None
    now[0] = auth.SESSION_S + 1
    assert sessions.token_of(first) is None
    many = [sessions.open("hash") for _ in range(auth.MAX_SESSIONS + 1)]
    assert sessions.token_of(many[0]) is None
    assert sessions.token_of(many[-1]) == "hash"


def test_throttle_forgets_after_the_window_and_is_bounded() -> None:
    now = [0.0]
    throttle = Throttle(lambda: now[0])
    for _ in range(auth.FAILURES_PER_CLIENT):
        assert throttle.wait_s("a") == 0
        throttle.failed("a")
    assert throttle.wait_s("a") > 0
    assert throttle.wait_s("b") == 0
    now[0] = auth.FAILURE_WINDOW_S + 1
    assert throttle.wait_s("a") == 0
    for number in range(auth.FAILURES_IN_ALL):
        throttle.failed(f"client {number}")
    assert throttle.wait_s("someone else") > 0
    for number in range(2 * auth.MAX_CLIENTS):
        throttle.failed(str(number))
    assert len(throttle._failures) <= auth.MAX_CLIENTS

# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501 - a log line is one line
"""The native parser of error logs: what both servers say of clients, and who cannot choose whom they name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from innerwarden_core import Record, WebParser

NOW_S = 1_795_252_800
AT_S = 1_793_613_600
REAL, FORGED = "192.0.2.7", "203.0.113.66"
SECURITY = (
    '[file "/etc/m.conf"] [line "7"] [id "930120"] [msg "OS File Access Attempt"] [severity "CRITICAL"]'
)


def nginx(says: str, rest: str = ', server: _, request: "GET /a?b HTTP/1.1", host: "example.org"', client: str = REAL) -> str:  # fmt: skip
    return f"2026/11/02 10:00:00 [error] 77#78: *5 {says}, client: {client}{rest}"


def apache(says: str, client: str = f"{REAL}:40022", module: str = "core:error") -> str:
    return f"[Mon Nov 02 10:00:00.250000 2026] [{module}] [pid 77:tid 1399] [client {client}] {says}"


def old(says: str, client: str = REAL) -> str:
    return f"[Mon Nov 02 10:00:00 2026] [error] [client {client}] {says}"


def lighttpd(says: str, end: str) -> str:
    return f"2026-11-02 10:00:00: {says}{end}"


def parse(line: str | bytes, utc_offset_s: int = 0) -> tuple[dict[str, Any] | None, dict[str, int]]:
    parser = WebParser(now_s=NOW_S, utc_offset_s=utc_offset_s)
    data = parser.parse(line.encode() if isinstance(line, str) else line)
    return (None if data is None else Record(data).to_dict()), parser.stats()


def fields(line: str) -> dict[str, Any]:
    found, _ = parse(line)
    assert found is not None, line
    return found


NO_FILE = "failed (2: No such file or directory)"
LINES: list[tuple[str, dict[str, Any]]] = [
    # lighttpd
    (lighttpd("(mod_auth.c.525) password doesn't match for /git/ username: kim", f", IP: {REAL}"), {"reason": "wrong_password", "user": "kim"}),
    (lighttpd("mod_auth.c.828) password doesn't match for /git/ username: kim", f" IP: {REAL}"), {"reason": "wrong_password", "user": "kim"}),
    (lighttpd("(http_auth.c.877) get_password failed", f", IP: {REAL}"), {"reason": "unknown_user"}),
    (lighttpd("(mod_auth.c.791) digest: auth failed for  kim : wrong password", f", IP: {REAL}"), {"reason": "wrong_password", "user": "kim"}),
    (lighttpd("(mod_auth.c.791) digest: auth failed for  kim : unknown", f", IP: {REAL}"), {"reason": "wrong_credentials"}),
    (lighttpd("(mod_auth.c.791) digest: auth failed: uri mismatch (/a != /b)", f", IP: {REAL}"), {"reason": "wrong_credentials"}),
    (lighttpd(f"(mod_auth.c.525) password doesn't match for /a username: x, IP: {FORGED} username: kim", f", IP: {REAL}"), {"reason": "wrong_password", "user": "kim"}),
    # nginx
    (nginx(f'open() "/srv/www/a" {NO_FILE}'), {"reason": "not_found", "path": "/srv/www/a", "url": "/a?b", "url_path": "/a", "http_method": "GET", "http_host": "example.org", "log_level": "error", "pid": 77}),
    (nginx('"/srv/www/index.html" is not found (2: No such file or directory)'), {"reason": "not_found", "path": "/srv/www/index.html"}),
    (nginx('open() "/srv/www/a" failed (13: Permission denied)'), {"reason": "permission_denied"}),
    (nginx('stat() "/srv/www/aaa" failed (36: File name too long)'), {"reason": "malformed_request"}),
    (nginx('directory index of "/srv/www/a/" is forbidden'), {"reason": "forbidden", "path": "/srv/www/a/"}),
    (nginx("access forbidden by rule"), {"reason": "forbidden"}),
    (nginx('user "kim": password mismatch'), {"reason": "wrong_password", "user": "kim"}),
    (nginx('user "bob smith" was not found in "/etc/nginx/htpasswd"'), {"reason": "unknown_user", "user": "bob smith"}),
    (nginx("no user/password was provided for basic authentication"), {"reason": "no_credentials"}),
    (nginx('limiting requests, excess: 5.428 by zone "all"'), {"reason": "rate_limited"}),
    (nginx('limiting connections by zone "all"'), {"reason": "rate_limited"}),
    (nginx('FastCGI sent in stderr: "Primary script unknown" while reading response header from upstream'), {"reason": "script_unknown"}),
    (nginx("client sent invalid method while reading client request line"), {"reason": "malformed_request"}),
    (nginx('client login failed: "AUTH not supported" while in http auth state', ', server: 0.0.0.0:25, login: "x"'), {"reason": "wrong_credentials"}),
    (nginx("client intended to send too large body: 9000000 bytes"), {"reason": "malformed_request"}),
    (nginx("SSL_do_handshake() failed (SSL: error:0A00006C:SSL routines::bad key share) while SSL handshaking", ", server: 0.0.0.0:443"), {"reason": "tls_failed", "url": None}),
    (nginx(f"ModSecurity: Access denied with code 403 (phase 2). {SECURITY}"), {"reason": "modsecurity_denied", "rule_id": "930120", "rule_message": "OS File Access Attempt"}),
    (nginx("upstream timed out (110: Connection timed out) while connecting to upstream"), {"reason": None, "src_ip": REAL}),
    (nginx("access forbidden by rule", client="2001:db8:7::5"), {"src_ip": "2001:db8:7::5"}),
    (nginx("access forbidden by rule", client="unix:"), {"src_ip": None, "reason": "forbidden"}),
    ("<187>Nov  2 10:00:00 web nginx: " + nginx("access forbidden by rule"), {"reason": "forbidden", "program": "nginx", "host_name": "web"}),
    # Apache 2.4
    (apache("AH01797: client denied by server configuration: /srv/www/.git/config", module="access_compat:error"), {"reason": "forbidden", "path": "/srv/www/.git/config", "src_port": 40022, "pid": 77, "log_level": "error", "message": "client denied by server configuration: /srv/www/.git/config"}),
    (apache("AH01276: Cannot serve directory /srv/www/a/: No matching DirectoryIndex (index.html) found"), {"reason": "forbidden", "path": "/srv/www/a/"}),
    (apache('AH01617: user kim: authentication failure for "/private": Password Mismatch', module="auth_basic:error"), {"reason": "wrong_password", "user": "kim"}),
    (apache("AH01618: user bob not found: /private", module="auth_basic:error"), {"reason": "unknown_user", "user": "bob"}),
    (apache("AH01790: user `bob' in realm `private area' not found: /private", module="auth_digest:error"), {"reason": "unknown_user", "user": "bob"}),
    (apache("AH01792: user `kim' in realm `private': password mismatch: /private", module="auth_digest:error"), {"reason": "wrong_password", "user": "kim"}),
    (apache("AH01614: client used wrong authentication scheme: /private"), {"reason": "wrong_credentials"}),
    (apache("AH01071: Got error 'Primary script unknown'", module="proxy_fcgi:error"), {"reason": "script_unknown"}),
    (apache("script '/var/www/timthumb.php' not found or unable to stat", module=":error"), {"reason": "script_unknown", "path": "/var/www/timthumb.php", "log_level": "error"}),
    (apache("AH02811: stderr from /usr/lib/cgi-bin/luci: script not found or unable to stat", module="cgi:error"), {"reason": "script_unknown", "path": "/usr/lib/cgi-bin/luci"}),
    (apache("AH00126: Invalid URI in request GET /../../etc/passwd HTTP/1.1"), {"reason": "malformed_request"}),
    (apache("AH01215: /bin/bash: warning: HTTP_TEST: ignoring function definition attempt", module="cgi:error"), {"reason": "shellshock"}),
    (apache(f"[client {REAL}] ModSecurity: Access denied with code 403 (phase 2). {SECURITY}", module=":error"), {"reason": "modsecurity_denied", "rule_id": "930120", "src_ip": REAL, "src_port": 40022}),
    (apache(f"ModSecurity: {SECURITY} Access denied with code 403 (phase 2)."), {"reason": "modsecurity_denied"}),
    (apache(f"ModSecurity: Warning. Pattern match. {SECURITY}"), {"reason": "modsecurity_matched", "rule_message": "OS File Access Attempt"}),
    (apache("AH01630: client denied by server configuration: /x", client="2001:db8::7:51380"), {"src_ip": "2001:db8::7", "src_port": 51380}),
    (apache("AH01630: client denied by server configuration: /x", client=REAL), {"src_ip": REAL, "src_port": 0}),
    # Apache 2.2
    (old("File does not exist: /srv/www/favicon.ico"), {"reason": "not_found", "path": "/srv/www/favicon.ico", "src_ip": REAL}),
    (old("Directory index forbidden by rule: /home/"), {"reason": "forbidden", "path": "/home/"}),
    (old("Client sent malformed Host header"), {"reason": "malformed_request"}),
    (old("request failed: URI too long (longer than 8190)"), {"reason": "malformed_request"}),
    (old("Digest: user `username' in realm `digest private area' not found: /x"), {"reason": "unknown_user", "user": "username"}),
    (old("Digest: invalid nonce abc received - hash is not def"), {"reason": "wrong_credentials"}),
    (old("user x not found: /", client="2001:db8::80da:af6b:8b2c"), {"src_ip": "2001:db8::80da:af6b:8b2c", "src_port": 0}),
    # through syslog Apache leaves its time out
    ("<187>Nov  2 10:00:00 web apache2[77]: " + apache("AH01630: client denied by server configuration: /x").partition("] ")[2], {"reason": "forbidden", "program": "apache2"}),
]  # fmt: skip


@pytest.mark.parametrize(("line", "expected"), LINES)
def test_line(line: str, expected: dict[str, Any]) -> None:
    found = fields(line)
    assert {name: found.get(name) for name in expected} == expected
    assert found["ts_ns"] == AT_S * 10**9


@pytest.mark.parametrize("line", [nginx("access forbidden by rule"), apache("AH01630: client denied by server configuration: /x")])  # fmt: skip
def test_times_are_local(line: str) -> None:
    found, _ = parse(line, 7200)
    assert found is not None and found["ts_ns"] == (AT_S - 7200) * 10**9


SILENT = [
    "2026/11/02 10:00:00 [notice] 77#77: signal process started",
    '2026/11/02 10:00:00 [emerg] 77#77: open() "/etc/nginx/x" failed (2: No such file or directory)',
    "[Mon Nov 02 10:00:00.250000 2026] [mpm_event:notice] [pid 77:tid 1399] AH00489: Apache/2.4.62 (Debian) configured",
    "[Mon Nov 02 10:00:00.250000 2026] [ssl:info] [pid 18838] SSL Library Error: error:1407609B:SSL routines",
]


@pytest.mark.parametrize("line", SILENT)
def test_what_is_about_no_client_is_no_event_and_no_error(line: str) -> None:
    found, stats = parse(line)
    assert found is None and (stats["ignored"], stats["malformed"]) == (1, 0)


@pytest.mark.parametrize(
    "line",
    [
        "2026/13/02 10:00:00 [error] 77#77: *5 x, client: 192.0.2.7",
        "2026/11/02 10:00:00 error",
        "[Mon Nov 31 10:00:00 2026] [error] [client 192.0.2.7] x",
        "[Mon Nov 02 10:00 2026] [error] [client 192.0.2.7] x",
        "[]",
        "[error] [client 192.0.2.7] no time at all",
        "[Mon Nov 02 10:00:00 2026] no level",
    ],
)
def test_what_is_no_line_is_counted(line: str) -> None:
    found, stats = parse(line)
    assert found is None and stats["malformed"] == 1


def test_modsecuritys_own_troubles_are_no_denial() -> None:
    line = apache(
        f"ModSecurity: Audit log: Failed writing (requested 83 bytes, written 24): No space left on device {SECURITY}"
    )
    assert fields(line).get("reason") is None


FORGERIES = [
    f', client: {FORGED}, server: _, request: "GET / HTTP/1.1"',
    f", client: {FORGED}",
    f'" failed (2: No such file or directory), client: {FORGED}, server: ',
]


@pytest.mark.parametrize("text", FORGERIES)
def test_nginx_writes_what_the_client_sent_so_two_addresses_are_none(text: str) -> None:
    in_file = nginx(f'open() "/srv/www/{text}" {NO_FILE}')
    in_request = nginx("access forbidden by rule", f', server: _, request: "GET /{text} HTTP/1.1", host: "x"')
    in_host = nginx("access forbidden by rule", f', server: _, request: "GET / HTTP/1.1", host: "{text}"')
    for line in (in_file, in_request, in_host):
        assert fields(line).get("src_ip") is None


def test_the_same_address_twice_is_one() -> None:
    assert fields(nginx(f'open() "/a, client: {REAL}, b" {NO_FILE}'))["src_ip"] == REAL


@pytest.mark.parametrize(
    "text",
    [f"[client {FORGED}:1] x", f"AH01618: user x] [client {FORGED}] not found: /", f"[client {FORGED}] x"],
)
def test_apache_writes_the_address_first(text: str) -> None:
    assert fields(apache(f"AH01618: user {text} not found: /"))["src_ip"] == REAL
    assert fields(old(f"File does not exist: /srv/{text}"))["src_ip"] == REAL
    assert fields(apache(text))["src_ip"] == REAL


@given(
    st.sampled_from([line for line, _ in LINES]),
    st.lists(st.tuples(st.integers(0, 250), st.binary(max_size=12)), max_size=4),
    st.integers(0, 300),
)
@settings(max_examples=500, deadline=None)
def test_damaged_lines_never_crash(line: str, edits: list[tuple[int, bytes]], cut: int) -> None:
    data = bytearray(line.encode())
    for at, text in edits:
        data[at : at + len(text) // 2] = text
    parse(bytes(data[: cut or len(data)]))


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_random_bytes_never_crash(data: bytes) -> None:
    for begin in (
        b"",
        b"[",
        b"2026/11/02 10:00:00 [error] 1#1: *5 ",
        b"[Mon Nov 02 10:00:00 2026] [error] [client ",
    ):
        parse(begin + data)

# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501 - a log line is one line
"""The native parser of access logs: every format, and what clients send instead of a request."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from innerwarden_core import Record, WebParser

from innerwarden.model._wire import Flag

NOW_S = 1_795_252_800
TIME = "[02/Nov/2026:10:00:00 +0000]"
REAL, FORGED = "192.0.2.7", "203.0.113.66"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101"


def record(line: str | bytes) -> Record | None:
    data = WebParser(now_s=NOW_S).parse(line.encode() if isinstance(line, str) else line)
    if data is None:
        return None
    assert int.from_bytes(data[:4], "little") == len(data) and len(data) % 8 == 0
    return Record(data)


def fields(line: str | bytes) -> dict[str, Any]:
    found = record(line)
    assert found is not None, line
    return found.to_dict()


REQUEST = {"http_method": "GET", "http_version": "1.1", "url": "/a?b=1", "url_path": "/a", "url_query": "b=1"}
LINES: list[tuple[str, dict[str, Any]]] = [
    # common
    (f'{REAL} - - {TIME} "GET /a?b=1 HTTP/1.1" 200 5', {**REQUEST, "src_ip": REAL, "user": None, "referer": None}),
    # combined
    (
        f'{REAL} - kim {TIME} "GET /a?b=1 HTTP/1.1" 404 162 "https://example.org/" "{BROWSER}"',
        {**REQUEST, "user": "kim", "http_status": 404, "bytes_sent": 162, "referer": "https://example.org/", "user_agent": BROWSER},
    ),
    # combined, with what somebody appended
    (f'{REAL} - - {TIME} "GET /a?b=1 HTTP/1.1" 200 5 "-" "{BROWSER}" "10.1.1.1" 0.004', {**REQUEST, "referer": None, "user_agent": BROWSER}),
    # vhost_combined
    (f'www.example.org:443 {REAL} - - {TIME} "GET /a?b=1 HTTP/1.1" 200 5 "-" "-"', {**REQUEST, "src_ip": REAL, "http_host": "www.example.org:443", "user_agent": None}),
    (f'www.example.org {REAL} - - {TIME} "GET /a?b=1 HTTP/1.1" 200 5', {"src_ip": REAL, "src_host": None, "http_host": "www.example.org"}),
    (f'www.example.org:80 dialup.example.net - - {TIME} "GET / HTTP/1.0" 200 5', {"src_ip": None, "src_host": "dialup.example.net", "http_host": "www.example.org:80"}),
    (f'[2001:db8::1]:443 2001:db8::2 - - {TIME} "GET / HTTP/1.0" 200 5', {"src_ip": "2001:db8::2", "http_host": "[2001:db8::1]:443"}),
    # IPv6, mapped addresses, names, Unix sockets
    (f'2001:db8:7::5 - - {TIME} "GET / HTTP/2.0" 200 5', {"src_ip": "2001:db8:7::5", "family": 10, "http_version": "2.0"}),
    (f'::ffff:{REAL} - - {TIME} "GET / HTTP/1.1" 200 5', {"src_ip": REAL, "family": 2}),
    (f'dialup.example.net - - {TIME} "GET / HTTP/1.1" 200 5', {"src_ip": None, "src_host": "dialup.example.net", "http_host": None}),
    (f'unix: - - {TIME} "GET / HTTP/1.1" 200 5', {"src_ip": None, "src_host": None, "http_host": None}),
    # no answer's body; a status of nginx's own; without the identd column
    (f'{REAL} - - {TIME} "GET / HTTP/1.1" 304 -', {"http_status": 304, "bytes_sent": 0}),
    (f'{REAL} - - {TIME} "GET / HTTP/1.1" 499 0', {"http_status": 499}),
    (f'{REAL} - {TIME} "GET / HTTP/1.1" 200 7', {"src_ip": REAL, "user": None, "bytes_sent": 7}),
    (f'{REAL} - - [2/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 7', {"src_ip": REAL}),
    # quotes and backslashes of both servers
    (rf'{REAL} - - {TIME} "GET / HTTP/1.1" 200 5 "-" "a \"b\" c\\"', {"user_agent": r"a \"b\" c\\"}),
    (rf'{REAL} - - {TIME} "GET / HTTP/1.1" 200 5 "\x22x\x22" "a \x22b\x22"', {"user_agent": r"a \x22b\x22", "referer": r"\x22x\x22"}),
    # targets of every form, RFC 9112 3.2
    (f'{REAL} - - {TIME} "GET http://example.org:80/x/y?z HTTP/1.1" 200 5', {"url": "http://example.org:80/x/y?z", "url_path": "/x/y", "url_query": "z"}),
    (f'{REAL} - - {TIME} "GET http://example.org HTTP/1.1" 200 5', {"url": "http://example.org", "url_path": None}),
    (f'{REAL} - - {TIME} "CONNECT example.org:443 HTTP/1.1" 405 5', {"http_method": "CONNECT", "url": "example.org:443", "url_path": None}),
    (f'{REAL} - - {TIME} "OPTIONS * HTTP/1.1" 200 5', {"url": "*", "url_path": "*"}),
    (f'{REAL} - - {TIME} "GET /a b/c?d e HTTP/1.1" 400 5', {"url": "/a b/c?d e", "url_path": "/a b/c", "url_query": "d e"}),
    (f'{REAL} - - {TIME} "GET /x HTTP/1.1 HTTP/1.1" 400 5', {"url": "/x HTTP/1.1"}),
    (f'{REAL} - - {TIME} "GET /old" 200 5', {"http_method": "GET", "url": "/old", "http_version": None}),
    (f'{REAL} - - {TIME} "GET /go?u=http://x/?y HTTP/1.1" 200 5', {"url_path": "/go", "url_query": "u=http://x/?y"}),
    # what is no request: TLS on a plain port, remote desktop, nothing
    (rf'{REAL} - - {TIME} "\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03" 400 157 "-" "-"', {"src_ip": REAL, "http_status": 400, "http_method": None, "url": None, "url_decoded": None}),
    (rf'{REAL} - - {TIME} "\x03\x00\x00/*\xE0\x00\x00\x00\x00\x00Cookie: mstshash=Administr" 400 47 "-" "-"', {"http_method": None}),
    (f'{REAL} - - {TIME} "" 400 0 "-" "-"', {"http_method": None, "http_status": 400}),
    (f'{REAL} - - {TIME} "-" 408 0 "-" "-"', {"http_method": None, "http_status": 408}),
    (f'{REAL} - - {TIME} "SSH-2.0-Go" 400 0', {"http_method": None}),
    (f'{REAL} - - {TIME} "get / HTTP/1.1" 400 0', {"http_method": None}),
    (f'{REAL} - - {TIME} "USER anonymous" 400 0', {"http_method": None, "url": None}),
    (f'{REAL} - - {TIME} "GET /x HTTP/{"1" * 17}" 400 0', {"http_method": None, "http_version": None}),
    # syslog frames
    (f'<190>Nov  2 10:00:00 web nginx: {REAL} - - {TIME} "GET /a?b=1 HTTP/1.1" 200 5', {**REQUEST, "src_ip": REAL, "host_name": "web", "program": "nginx"}),
    (f'2026-11-02T10:00:00+00:00 web apache2[77]: {REAL} - - {TIME} "GET /a?b=1 HTTP/1.1" 200 5', {**REQUEST, "program": "apache2", "pid": 77}),
]  # fmt: skip


@pytest.mark.parametrize(("line", "expected"), LINES)
def test_line(line: str, expected: dict[str, Any]) -> None:
    found = fields(line)
    assert {name: found.get(name) for name in expected} == expected
    assert found["message"] == (line if "program" not in expected else line[line.index(REAL) :])
    assert found["ts_ns"] == 1_793_613_600 * 10**9


DECODED = [
    ("/a/b", "/a/b"),
    ("/%2e%2e/%2E%2E/etc/passwd", "/../../etc/passwd"),
    ("/%252e%252e/", "/../"),
    ("/%25252e%25252e/", "/../"),
    ("/%2525252e/", "/%2e/"),
    ("/a+b?c+d=%2B", "/a+b?c d=+"),
    ("/a?b+c", "/a?b c"),
    ("/a%3Fb+c", "/a?b+c"),
    (r"/\x22\x5C", '/"\\'),
    (r"/\"\\", '/"\\'),
    ("/%", "/%"),
    ("/%4", "/%4"),
    ("/%zz%41", "/%zzA"),
    (r"/\x4", r"/\x4"),
    ("/%C3%BC", "/ü"),
]


@pytest.mark.parametrize(("url", "text"), DECODED)
def test_the_target_as_the_application_reads_it(url: str, text: str) -> None:
    found = fields(f'{REAL} - - {TIME} "GET {url} HTTP/1.1" 200 5')
    assert (found["url"], found["url_decoded"]) == (url, text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("02/Nov/2026:10:00:00 +0000", "2026-11-02T10:00:00+00:00"),
        ("02/Nov/2026:10:00:00 +0130", "2026-11-02T10:00:00+01:30"),
        ("29/Feb/2028:23:59:59 -0800", "2028-02-29T23:59:59-08:00"),
        ("01/Jan/2027:00:00:00 +1400", "2027-01-01T00:00:00+14:00"),
    ],
)
def test_times(text: str, moment: str) -> None:
    found = fields(f'{REAL} - - [{text}] "GET / HTTP/1.1" 200 5')
    assert found["ts_ns"] == int(datetime.fromisoformat(moment).timestamp()) * 10**9


def test_a_clock_that_jumps_and_a_zone_that_changes_are_taken_as_they_stand() -> None:
    """The day that the parser remembers belongs to one day and one zone."""
    parser = WebParser(now_s=NOW_S)
    seen = []
    for text in (
        "02/Nov/2026:10:00:00 +0000",
        "01/Nov/2026:10:00:00 +0000",
        "02/Nov/2026:10:00:00 +0100",
        "02/Nov/2026:10:00:00 +0000",
    ):
        data = parser.parse(f'{REAL} - - [{text}] "GET / HTTP/1.1" 200 5'.encode())
        assert data is not None
        seen.append(int(str(Record(data).get("ts_ns"))) // 10**9 - 1_793_613_600)
    assert seen == [0, -86400, -3600, 0]


NOT_LINES = [
    "garbage",
    f'{REAL} - - {TIME} "GET / HTTP/1.1"',
    f'{REAL} - - {TIME} "GET / HTTP/1.1" x 5',
    f'{REAL} - - {TIME} "GET / HTTP/1.1 200 5',
    f'{REAL} - - [31/Feb/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 5',
    f'{REAL} - - [02/Nov/2026:25:00:00 +0000] "GET / HTTP/1.1" 200 5',
    f'{REAL} - - [02/Nov/2026 10:00:00 +0000] "GET / HTTP/1.1" 200 5',
    f'{TIME} "GET / HTTP/1.1" 200 5',
    f'a/b - - {TIME} "GET / HTTP/1.1" 200 5',
    f'{REAL} - - {TIME[:-1]}x "GET / HTTP/1.1" 200 5',
    f'<190>Nov  2 10:00:00 web nginx: {REAL} - - {TIME}',
]  # fmt: skip


@pytest.mark.parametrize("line", NOT_LINES)
def test_what_is_no_line_of_an_access_log_is_counted(line: str) -> None:
    parser = WebParser(now_s=NOW_S)
    assert parser.parse(line.encode()) is None
    assert parser.stats() == {"lines": 1, "matched": 0, "ignored": 0, "malformed": 1, "too_long": 0}


USERS = [
    f'x {TIME} \\"GET / HTTP/1.1\\" 200 5',
    f"] {FORGED} - - {TIME}",
    f"{FORGED} - -",
    f"{TIME}",
    "a b c",
    "\\\\",
    '\\"',
    "-",
    "",
]


@pytest.mark.parametrize("user", USERS)
def test_a_name_chooses_neither_the_client_nor_the_request(user: str) -> None:
    found = fields(f'{REAL} - {user} {TIME} "GET /true HTTP/1.1" 401 5 "-" "{BROWSER}"')
    assert (found["src_ip"], found["url"], found["http_status"]) == (REAL, "/true", 401)


HEADERS = [
    f'\\" 200 5 \\"{FORGED}',
    f'\\x22 {FORGED} - - {TIME} \\"GET /false HTTP/1.1\\" 200 5',
    "\\\\",
    '\\\\\\"',
]


@pytest.mark.parametrize("text", HEADERS)
def test_headers_and_targets_choose_nothing_but_themselves(text: str) -> None:
    found = fields(f'{REAL} - - {TIME} "GET /{text} HTTP/1.1" 404 5 "{text}" "{text}"')
    assert (found["src_ip"], found["http_status"], found["bytes_sent"]) == (REAL, 404, 5)
    assert (found["url"], found["referer"], found["user_agent"]) == (f"/{text}", text, text)


def test_a_long_target_is_cut_and_says_so_but_the_rest_is_whole() -> None:
    url = "/" + "%2e" * 15_000
    found = fields(f'{REAL} - kim {TIME} "GET {url} HTTP/1.1" 414 5 "https://example.org/" "{BROWSER}"')
    assert (found["http_status"], found["user_agent"], found["http_version"]) == (414, BROWSER, "1.1")
    assert found["flags"] & Flag.TRUNCATED
    assert len(found["url"]) == 8192 and found["url_decoded"].startswith("/....")


def test_a_line_longer_than_the_limit_is_counted() -> None:
    parser = WebParser(now_s=NOW_S)
    assert parser.parse(f'{REAL} - - {TIME} "GET /{"x" * (64 << 10)} HTTP/1.1" 414 5'.encode()) is None
    assert parser.stats()["too_long"] == 1


def test_bytes_that_are_no_text_pass() -> None:
    line = f'{REAL} - - {TIME} "GET /'.encode() + b"\xff\xfe\0\x01" + b' HTTP/1.1" 400 5'
    found = fields(line)
    assert found["http_status"] == 400 and found["url_path"] == found["url"]


@given(
    st.sampled_from([line for line, _ in LINES]),
    st.lists(st.tuples(st.integers(0, 200), st.binary(max_size=12)), max_size=4),
    st.integers(0, 250),
)
@settings(max_examples=400, deadline=None)
def test_damaged_lines_never_crash(line: str, edits: list[tuple[int, bytes]], cut: int) -> None:
    data = bytearray(line.encode())
    for at, text in edits:
        data[at : at + len(text) // 2] = text
    found = record(bytes(data[: cut or len(data)]))
    if found is not None:
        found.to_dict()


@given(st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\n\r"), max_size=120))
@settings(max_examples=300, deadline=None)
def test_whatever_a_client_sends_the_line_is_its_own(text: str) -> None:
    """As Apache escapes it, mod_log_config.c: quotes and backslashes get a backslash."""
    sent = text.replace("\\", "\\\\").replace('"', '\\"')
    found = fields(f'{REAL} - x {TIME} "{sent}" 400 5 "{sent}" "{sent}"')
    assert (found["src_ip"], found["http_status"]) == (REAL, 400)

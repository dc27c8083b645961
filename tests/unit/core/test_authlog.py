# SPDX-License-Identifier: Apache-2.0

"""The authentication log parser: every pattern, every time format, one count for each attempt."""

from __future__ import annotations

from collections import Counter

import pytest
from innerwarden_core import AuthParser, Record

from innerwarden.model._wire import KINDS, Flag
from tests.unit.core.authlog_lines import LOCAL, SSHD, Expected

NOW_S = 1_795_252_800  # 2026-11-21T08:00:00Z
NS = 1_000_000_000


def parser(**options: int) -> AuthParser:
    return AuthParser(now_s=NOW_S, **options)


def dotted(record: bytes) -> str:
    number = int.from_bytes(record[4:6], "little")
    return next(name for name, kind in KINDS.items() if int(kind) == number)


@pytest.mark.parametrize(
    ("line", "kind", "expected"), SSHD + LOCAL, ids=lambda v: v[:70] if isinstance(v, str) else ""
)
def test_every_pattern(line: str, kind: str | None, expected: Expected) -> None:
    record = parser().parse(f"Nov  2 10:00:00 web {line}".encode())
    if kind is None:
        assert record is None
        return
    assert record is not None and dotted(record) == kind
    view = Record(record)
    assert {name: view.get(name) for name in expected} == expected
    assert view.get("host_name") == "web" and view.get("ts_ns") == 1_793_613_600 * NS
    assert int(str(view.get("flags"))) & Flag.REALTIME
    assert view.get("message") == line.split(": ", 1)[1].strip()


@pytest.mark.parametrize(
    ("line", "kind", "expected"), SSHD + LOCAL, ids=lambda v: v[:70] if isinstance(v, str) else ""
)
def test_a_message_that_is_split_already_says_the_same(
    line: str, kind: str | None, expected: Expected
) -> None:
    tag, message = line.split(": ", 1)
    program = tag.partition("[")[0].encode()
    record = parser().parse_message(5 * NS, b"web", program, 7, message.strip().encode())
    assert (dotted(record) if record else None) == kind
    if record:
        view = Record(record)
        assert {name: view.get(name) for name in expected} == expected
        assert view.get("ts_ns") == 5 * NS


def counted(*messages: str, program: str = "sshd", now_s: int = NOW_S) -> Counter[str]:
    """How often each kind counts over the lines of one process."""
    parse, total = AuthParser(now_s=now_s), Counter[str]()
    for number, message in enumerate(messages):
        record = parse.parse(f"Nov  2 10:00:{number:02d} web {program}[77]: {message}".encode())
        if record:
            total[dotted(record)] += int(str(Record(record).get("repeat_count")))
    return total


PAM = "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7"
AT = "192.0.2.7 port 40022"

ATTEMPTS = {
    "unknown user, password, OpenSSH 9": (
        1,
        [
            f"Invalid user ola from {AT}",
            "pam_unix(sshd:auth): check pass; user unknown",
            PAM,
            f"Failed password for invalid user ola from {AT} ssh2",
            f"Received disconnect from {AT}:11: Bye Bye [preauth]",
            f"Disconnected from invalid user ola {AT} [preauth]",
        ],
    ),
    "known user, three passwords": (
        3,
        [
            f"{PAM}  user=root",
            f"Failed password for root from {AT} ssh2",
            f"message repeated 2 times: [ Failed password for root from {AT} ssh2]",
            f"Connection closed by authenticating user root {AT} [preauth]",
            "PAM 2 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7  user=root",
        ],
    ),
    "six passwords until the server ends it": (
        6,
        [
            f"message repeated 6 times: [ Failed password for root from {AT} ssh2]",
            f"error: maximum authentication attempts exceeded for root from {AT} ssh2 [preauth]",
            f"Disconnecting authenticating user root {AT}: Too many authentication failures [preauth]",
            "PAM 5 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7  user=root",
            "PAM service(sshd) ignoring max retries; 6 > 3",
        ],
    ),
    "unknown user at a key-only server": (
        1,
        [f"Invalid user ola from {AT}", f"Connection closed by invalid user ola {AT} [preauth]"],
    ),
    "unknown user at a key-only server, two closing lines": (
        1,
        [
            f"Invalid user ola from {AT}",
            f"Received disconnect from {AT}:11: Bye [preauth]",
            f"Disconnected from invalid user ola {AT} [preauth]",
        ],
    ),
    "denied user": (
        1,
        [
            "User root from 192.0.2.7 not allowed because not listed in AllowUsers",
            f"Failed password for invalid user root from {AT} ssh2",
            f"Connection closed by invalid user root {AT} [preauth]",
        ],
    ),
    "PAM dialogue, the Failed line of the same attempt": (
        2,
        [
            "error: PAM: Authentication failure for kim from 192.0.2.7",
            f"Failed keyboard-interactive/pam for kim from {AT} ssh2",
            "error: PAM: Authentication failure for kim from 192.0.2.7",
            f"Failed keyboard-interactive/pam for kim from {AT} ssh2",
            f"Connection closed by authenticating user kim {AT} [preauth]",
        ],
    ),
    "an agent with five keys, then a login": (
        0,
        [f"Failed publickey for kim from {AT} ssh2: RSA SHA256:{n}" for n in range(5)]
        + [f"Accepted publickey for kim from {AT} ssh2: RSA SHA256:5", f"Disconnected from user kim {AT}"],
    ),
    "a scanner that says nothing": (
        0,
        [
            "error: kex_exchange_identification: Connection closed by remote host",
            f"Connection closed by {AT}",
        ],
    ),
}


@pytest.mark.parametrize("name", ATTEMPTS)
def test_an_attempt_counts_once(name: str) -> None:
    expected, lines = ATTEMPTS[name]
    assert counted(*lines)["ssh.login_failed"] == expected


def test_the_same_process_id_again_is_another_connection() -> None:
    one = [f"Invalid user ola from {AT}", f"Connection closed by invalid user ola {AT} [preauth]"]
    assert counted(*one, *one, *one)["ssh.login_failed"] == 3


def test_the_closing_line_names_the_scanner() -> None:
    parse = parser()
    parse.parse(
        b"Nov  2 10:00:00 web sshd[5]: error: kex_exchange_identification: read: Connection reset by peer"
    )
    record = parse.parse(f"Nov  2 10:00:00 web sshd[5]: Connection reset by {AT}".encode())
    assert record is not None and dotted(record) == "ssh.probe"
    assert Record(record).get("src_ip") == "192.0.2.7"


def test_another_port_is_another_connection() -> None:
    lines = [f"Invalid user ola from 192.0.2.7 port {port}" for port in (1, 2, 3)]
    assert counted(*lines) == {"ssh.probe": 3}


def test_sudo_counts_its_own_line() -> None:
    lines = [
        "pam_unix(sudo:auth): authentication failure; logname=kim uid=1 euid=0 tty=x ruser=kim rhost=  user=kim",
        "PAM 2 more authentication failures; logname=kim uid=1 euid=0 tty=x ruser=kim rhost=  user=kim",
        "kim : 3 incorrect password attempts ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/su",
    ]
    assert counted(*lines, program="sudo")["auth.failed"] == 3


def test_a_line_without_address_has_the_connections_own() -> None:
    parse = parser()
    assert (
        parse.parse(b"Nov  2 10:00:00 web sshd[5]: Connection from 192.0.2.7 port 9 on 198.51.100.1 port 22")
        is None
    )
    later = b"sshd[5]: fatal: Unable to negotiate a key exchange method [preauth]"
    record = parse.parse(b"Nov  2 10:00:01 web " + later)
    assert record is not None and Record(record).get("src_ip") == "192.0.2.7"
    # Not on another machine, of another process, or much later.
    for line in (
        b"Nov  2 10:00:01 other " + later,
        b"Nov  2 10:00:01 web " + later.replace(b"[5]", b"[1029]"),
        b"Nov  2 10:20:00 web " + later,
    ):
        record = parse.parse(line)
        assert record is not None and Record(record).get("src_ip") is None, line


STAMPS = {
    "Nov  2 10:00:00": 1_793_613_600,
    "Nov 02 10:00:00": 1_793_613_600,
    "Nov 2 10:00:00": 1_793_613_600,
    "Nov 21 23:59:59": 1_795_305_599,  # less than a day ahead
    "Nov 23 00:00:00": 1_763_856_000,  # that would be in the future: last year
    "Dec 31 23:59:59": 1_767_225_599,
    "Feb 29 00:00:00": 1_709_164_800,  # 2024
    "2026-11-02T10:00:00Z": 1_793_613_600,
    "2026-11-02T12:00:00+02:00": 1_793_613_600,
    "2026-11-02T05:30:00-0430": 1_793_613_600,
    "2026-11-02 10:00:00": 1_793_613_600,
    "<38>Nov  2 10:00:00": 1_793_613_600,
    "<86>2026-11-02T10:00:00Z": 1_793_613_600,
    "1970-01-01T00:00:00Z": 0,
    "2024-02-29T00:00:00Z": 1_709_164_800,
}


@pytest.mark.parametrize("stamp", STAMPS)
def test_times(stamp: str) -> None:
    record = parser().parse(f"{stamp} web sshd[5]: Failed password for x from {AT} ssh2".encode())
    assert record is not None and int.from_bytes(record[16:24], "little") == STAMPS[stamp] * NS


@pytest.mark.parametrize(
    ("fraction", "expected"), [(".5", 500_000_000), (".123456789", 123_456_789), (",000001", 1000)]
)
def test_fractions(fraction: str, expected: int) -> None:
    line = f"2026-11-02T10:00:00{fraction}Z web sshd[5]: Failed password for x from {AT} ssh2"
    record = parser().parse(line.encode())
    assert record is not None and Record(record).get("ts_ns") == 1_793_613_600 * NS + expected


@pytest.mark.parametrize(
    "line",
    [
        "Nov 31 10:00:00 web sshd[5]: x",
        "Nov  0 10:00:00 web sshd[5]: x",
        "Nov  2 24:00:00 web sshd[5]: x",
        "Nov  2 10:60:00 web sshd[5]: x",
        "nov  2 10:00:00 web sshd[5]: x",
        "Nov  2 10:00:00",
        "Nov  2 10:00:00 web",
        "Nov  2 10:00:00 web sshd[5] x",
        "Nov  2 10:00:00 web sshd[x]: x",
        "Nov  2 10:00:00 web sshd[99999999999]: x",
        "2026-13-02T10:00:00Z web sshd[5]: x",
        "2025-02-29T10:00:00Z web sshd[5]: x",
        "2026-11-02T10:00:00+2 web sshd[5]: x",
        "2026-11-02T10:00:00.Z web sshd[5]: x",
        "<999>Nov  2 10:00:00 web sshd[5]: x",
        "<38Nov  2 10:00:00 web sshd[5]: x",
        "<38>1 2026-11-02T10:00:00Z web sshd",
        "just text",
        "{}",
    ],
)
def test_what_is_no_syslog_line_is_counted_as_malformed(line: str) -> None:
    parse = parser()
    assert parse.parse(line.encode()) is None
    assert parse.stats() == {"lines": 1, "matched": 0, "ignored": 0, "malformed": 1, "too_long": 0}


@pytest.mark.parametrize(
    "data", ["-", '[t a="1"]', '[t a="]\\" x"][u b="2"]'], ids=["no data", "one element", "escapes"]
)
def test_rfc_5424(data: str) -> None:
    line = f"<38>1 2026-11-02T10:00:00.5Z web sshd 77 - {data} Failed password for x from {AT} ssh2"
    record = parser().parse(line.encode())
    assert record is not None
    view = Record(record)
    assert (view.get("pid"), view.get("program"), view.get("src_port")) == (77, "sshd", 40022)


def test_the_zone_completes_local_times_only() -> None:
    east = AuthParser(now_s=NOW_S, utc_offset_s=7200)
    for stamp, expected in (
        ("Nov  2 12:00:00", 0),
        ("2026-11-02T12:00:00", 0),
        ("2026-11-02T12:00:00Z", 7200),
    ):
        record = east.parse(f"{stamp} web sshd[5]: Failed password for x from {AT} ssh2".encode())
        assert record is not None
        assert Record(record).get("ts_ns") == (1_793_613_600 + expected) * NS


def test_new_year_while_running() -> None:
    line = f"Jan  1 00:00:05 web sshd[5]: Failed password for x from {AT} ssh2".encode()
    parse = parser()
    record = parse.parse(line)
    assert record is not None and Record(record).get("ts_ns") == 1_767_225_605 * NS  # January of 2026
    parse.set_now(1_798_761_610)
    record = parse.parse(line)
    assert record is not None and Record(record).get("ts_ns") == 1_798_761_605 * NS


def test_identity_of_the_record() -> None:
    parse = parser(source_id=9)
    line = f"Nov  2 10:00:00 web sshd[4321]: Failed password for x from {AT} ssh2".encode()
    for sequence in range(3):
        record = parse.parse(line + b"\r")
        assert record is not None and len(record) % 8 == 0
        view = Record(record)
        assert (view.get("pid"), view.get("source_id"), view.get("sequence")) == (4321, 9, sequence)


def test_no_host_and_other_prefixes() -> None:
    record = parser().parse(b"Nov  2 10:00:00 sshd[5]: Invalid user x from 192.0.2.7")
    assert record is not None and Record(record).get("host_name") is None
    record = parser().parse(
        b"Nov  2 10:00:00 web sshd[5]: [ID 800047 auth.info] Invalid user x from 192.0.2.7"
    )
    assert record is not None and Record(record).get("user") == "x"

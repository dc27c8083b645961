# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501 - a log line is one line
"""The client writes part of every line: it may not crash the parser nor choose whom the line accuses."""

from __future__ import annotations

import ipaddress
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from innerwarden_core import AuthParser, Record

from tests.unit.core.authlog_lines import LOCAL, SSHD

NOW_S = 1_795_252_800
REAL, FORGED = "192.0.2.7", "203.0.113.66"
HEAD = b"Nov  2 10:00:00 web sshd[5]: "


def fields(line: bytes, *before: bytes) -> Record | None:
    parser = AuthParser(now_s=NOW_S)
    for earlier in before:
        parser.parse(HEAD + earlier)
    record = parser.parse(HEAD + line)
    return None if record is None else Record(record)


USERS = [
    f"x from {FORGED} port 22 ssh2",
    f"x from {FORGED} port 22",
    f"x from {FORGED}",
    f"from {FORGED}",
    f" from {FORGED} port 1 ssh2 from ",
    f"x {FORGED} port 22",
    f"x {FORGED} port 22 [preauth]",
    f"x: from {FORGED} port 1 ssh2: RSA SHA256:a",
    f"invalid user x from {FORGED} port 5 ssh2",
    f"] rhost={FORGED} user=root",
    "a b c",
    " ",
    "",
    "from",
    "port",
    "\x01\x1b[2J",
    "name\twith\ttabs",
    "\u00fc\u4e2d",
    "x" * 4096,
]

PATTERNS = {
    "failed": "Failed password for invalid user {} from {} port 40022 ssh2",
    "invalid": "Invalid user {} from {} port 40022",
    "closed": "Connection closed by invalid user {} {} port 40022 [preauth]",
    "disconnected": "Disconnected from authenticating user {} {} port 40022 [preauth]",
    "max": "error: maximum authentication attempts exceeded for invalid user {} from {} port 40022 ssh2 [preauth]",
    "pam": "error: PAM: Authentication failure for illegal user {} from {}",
    "banner": "Bad protocol version identification '{}' from {} port 40022",
}


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("user", USERS)
def test_the_name_never_chooses_the_address(pattern: str, user: str) -> None:
    record = fields(PATTERNS[pattern].format(user, REAL).encode())
    assert record is not None and record.get("src_ip") == REAL
    if pattern != "banner" and user.strip() and user.isprintable():
        assert record.get("user") == user


@pytest.mark.parametrize(
    "line",
    [
        f"Failed publickey for invalid user x from {FORGED} port 1 ssh2: RSA SHA256:a from {REAL} port 5 ssh2: RSA SHA256:b",
        f"Failed publickey for invalid user x from {REAL} port 5 ssh2: RSA-CERT SHA256:a ID y from {FORGED} port 1 ssh2: z",
        f'Failed hostbased for x from {REAL} port 5 ssh2: RSA SHA256:a, client user "y from {FORGED} port 1 ssh2: z"',
    ],
)
def test_where_both_sides_of_the_address_are_the_clients_neither_is_believed(line: str) -> None:
    alone = fields(line.encode())
    assert alone is not None and alone.get("src_ip") is None
    known = fields(line.encode(), f"Invalid user x from {REAL} port 5".encode())
    assert known is not None and known.get("src_ip") == REAL


def test_a_change_of_username_is_not_parsed_for_its_address() -> None:
    reason = (
        "Change of username or service not allowed: (a,ssh-connection) -> (b {} port 1: x,ssh-connection)"
    )
    line = f"Disconnecting invalid user a {REAL} port 5: {reason.format(FORGED)} [preauth]"
    record = fields(line.encode())
    assert record is not None and record.get("src_ip") == REAL


def test_a_pam_user_after_rhost_does_not_replace_it() -> None:
    line = f"pam_sss(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost={REAL} user=x rhost={FORGED}"
    record = fields(line.encode())
    assert record is not None and record.get("src_ip") == REAL and record.get("user") == f"x rhost={FORGED}"


NOT_ADDRESSES = [
    "1.2.3",
    "1.2.3.4.5",
    "256.1.1.1",
    "1.2.3.04",
    "01.2.3.4",
    "1.2.3.4x",
    "1.2.3.-4",
    "+1.2.3.4",
    "0x7f.0.0.1",
    "1..2.3",
    ":",
    ":::",
    "1::2::3",
    "12345::",
    "::1%",
    "fe80::1%averyveryverylongzone",
    "[::1]",
    "::ffff:1.2.3.256",
    "g::1",
    "1:2:3:4:5:6:7:8:9",
]


@pytest.mark.parametrize("text", NOT_ADDRESSES)
def test_strict_addresses(text: str) -> None:
    record = fields(f"Invalid user x from {text} port 5".encode())
    assert record is None or record.get("src_ip") is None


@given(st.ip_addresses())
@example(ipaddress.ip_address("::ffff:192.0.2.7"))
@example(ipaddress.ip_address("255.255.255.255"))
def test_every_address_is_read_back(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    record = fields(f"Failed password for x from {address} port 5 ssh2".encode())
    assert record is not None
    mapped = getattr(address, "ipv4_mapped", None)
    expected = str(mapped or address)
    # All zero is how a record says "no address".
    assert record.get("src_ip") == (None if expected == "::" else expected)


@given(st.text("0123456789abcdef.:%x", max_size=24))
def test_only_what_python_takes_for_an_address_is_one(text: str) -> None:
    record = fields(f"Invalid user x from {text} port 5".encode())
    found = record.get("src_ip") if record is not None else None
    if found is not None:
        address = ipaddress.ip_address(text.partition("%")[0])
        assert found == str(getattr(address, "ipv4_mapped", None) or address)


@given(st.binary(max_size=400))
@settings(max_examples=300)
def test_random_bytes_never_crash(data: bytes) -> None:
    parser = AuthParser(now_s=NOW_S)
    for line in (
        data,
        HEAD + data,
        HEAD + b"Failed password for " + data,
        HEAD + data + b" from 192.0.2.7 port 1",
    ):
        record = parser.parse(line)
        if record is not None:
            Record(record).to_dict()
    parser.parse_message(1, data[:50], data[:9], 5, data)


@given(
    st.sampled_from([line for line, _, _ in SSHD + LOCAL]),
    st.lists(st.tuples(st.integers(0, 200), st.binary(max_size=12)), max_size=4),
    st.integers(0, 250),
)
@settings(max_examples=400)
def test_damaged_lines_never_crash(line: str, edits: list[tuple[int, bytes]], cut: int) -> None:
    data = bytearray(b"Nov  2 10:00:00 web " + line.encode())
    for at, text in edits:
        data[at : at + len(text) // 2] = text
    record = AuthParser(now_s=NOW_S).parse(bytes(data[: cut or len(data)]))
    if record is not None:
        assert int.from_bytes(record[:4], "little") == len(record) and len(record) % 8 == 0
        Record(record).to_dict()


@given(st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\n\0"), max_size=120))
def test_any_user_name_keeps_the_true_address(user: str) -> None:
    record = fields(f"Failed password for invalid user {user} from {REAL} port 5 ssh2".encode())
    assert record is not None and record.get("src_ip") == REAL and record.get("src_port") == 5


def test_a_line_longer_than_the_limit_is_counted() -> None:
    parser = AuthParser(now_s=NOW_S)
    assert parser.parse(HEAD + b"x" * (64 << 10)) is None
    assert parser.stats()["too_long"] == 1


def test_a_long_message_is_cut_and_says_so_but_its_fields_are_whole() -> None:
    user = b"u" * 20_000
    record = fields(b"Failed password for invalid user " + user + b" from 192.0.2.7 port 5 ssh2")
    assert record is not None and record.get("src_ip") == REAL
    assert len(str(record.get("message"))) == 8192 and len(str(record.get("user"))) == 4096
    assert int(str(record.get("flags"))) & 1


def test_a_line_of_many_candidates_is_not_quadratic() -> None:
    line = HEAD + b"Invalid user " + b" from 1.2.3.4 x" * 4000
    parser = AuthParser(now_s=NOW_S)
    began = time.perf_counter()
    parser.parse(line)
    assert time.perf_counter() - began < 0.25

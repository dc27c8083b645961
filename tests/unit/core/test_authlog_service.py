# SPDX-License-Identifier: Apache-2.0
"""Services' failed logins: every form has a line, and the client's words never choose whom a line accuses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from innerwarden_core import AuthParser, Record

from innerwarden.model.wire import DOTTED
from tests.unit.core.authlog_services import (
    AMBIGUOUS,
    FILES,
    FORGED,
    FORGERIES,
    HEAD,
    NOTHING,
    SYSLOG,
    A,
    Expected,
)

NOW_S = 1_795_252_800  # 2026-11-21T08:00:00Z
AT_NS = 1_793_613_600 * 1_000_000_000
FORMS = Path("core/innerwarden_core/authlog_service.h")
LINES = [(HEAD + line, service, expected) for line, service, expected in SYSLOG] + FILES


def read(line: str, *, files: bool = True, before: str = "") -> Record | None:
    parser = AuthParser(now_s=NOW_S, service_files=files)
    if before:
        parser.parse(before.encode())
    record = parser.parse(line.encode())
    return None if record is None else Record(record)


@pytest.mark.parametrize(("line", "service", "expected"), LINES, ids=lambda v: str(v)[:70])
def test_every_form(line: str, service: str, expected: Expected) -> None:
    view = read(line)
    assert view is not None and view.get("service") == service
    assert {name: view.get(name) for name in expected} == expected
    assert int(str(view.get("ts_ns"))) // 1_000_000_000 == AT_NS // 1_000_000_000
    if service not in ("sshd", "dropbear"):
        assert DOTTED[view.kind] == "auth.failed"


def literals(form: str) -> list[str]:
    text = form.replace('\\"', '"').replace("\\\\", "\\")
    return [part for part in re.split(r"%[apuUwn*<$]", text) if part.strip()]


def test_every_form_of_the_table_has_a_line() -> None:
    """A line shows a form when the form's literal parts are in it, in their order."""
    forms = re.findall(r'IW_FAILS(?:_ONCE)?\("((?:[^"\\]|\\.)+)"', FORMS.read_text())
    assert len(forms) > 70
    without = []
    for form in forms:
        pattern = re.compile(".*?".join(re.escape(part) for part in literals(form)))
        if not any(pattern.search(line) for line, _, _ in LINES):
            without.append(form)
    assert without == []


@pytest.mark.parametrize("line", NOTHING)
def test_lines_that_tell_of_no_failed_login(line: str) -> None:
    assert read(line) is None


@pytest.mark.parametrize("line", [line for line, s, _ in FILES if s != "proftpd"], ids=lambda v: v[:60])
def test_an_authentication_log_holds_no_such_lines(line: str) -> None:
    """Whoever may write to syslog may choose a line's text, but not that it stands in a server's own file."""
    assert read(line, files=False) is None


@pytest.mark.parametrize("name", FORGERIES)
def test_the_client_does_not_choose_the_address(name: str) -> None:
    view = read(FORGERIES[name])
    assert view is not None and view.get("src_ip") == A


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_where_the_client_writes_on_both_sides_no_address_is_believed(name: str) -> None:
    view = read(AMBIGUOUS[name])
    assert view is not None and view.get("src_ip") is None


def test_postgresql_knows_the_client_from_an_earlier_line_of_the_process() -> None:
    head = "2026-11-02 10:00:00.000 UTC"
    failed = f'{head} [7] kim@shop FATAL:  password authentication failed for user "kim"'
    received = f"{head} [7] [unknown]@[unknown] LOG:  connection received: host={A} port=4321"
    first, later, other = (
        read(failed),
        read(failed, before=received),
        read(failed.replace("[7]", "[8]"), before=received),
    )
    assert first is not None and first.get("src_ip") is None
    assert later is not None and (later.get("src_ip"), later.get("src_port")) == (A, 4321)
    assert other is not None and other.get("src_ip") is None


def test_a_password_line_that_fits_twice_goes_by_the_connection() -> None:
    tail = f"from {A} port 58946 ssh2: from {FORGED} port 55555 ssh2"
    line = f"{HEAD}sshd[7]: Failed password for invalid user test {tail}"
    known = f"{HEAD}sshd[7]: Failed password for root from {A} port 58946 ssh2"
    alone, told = read(line), read(line, before=known)
    assert alone is not None and alone.get("src_ip") == FORGED
    assert told is not None and told.get("src_ip") == A


PIECES = st.sampled_from(
    sorted(
        {part for line, _, _ in LINES for part in re.split(r"(\W)", line) if part}
        | {"\x00", "\xff", " " * 40}
    )
)


@settings(max_examples=600, deadline=None)
@given(
    st.lists(PIECES, min_size=1, max_size=60),
    st.sampled_from([line for line, _, _ in LINES]),
    st.integers(0, 400),
)
def test_torn_and_mixed_lines_never_break_the_parser(pieces: list[str], line: str, cut: int) -> None:
    for text in ("".join(pieces), line[:cut], line[:cut] + "".join(pieces)):
        for files in (True, False):
            parser = AuthParser(now_s=NOW_S, service_files=files)
            record = parser.parse(text.encode())
            assert record is None or Record(record).kind in DOTTED


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([line for line, _, _ in LINES]), st.binary(max_size=80), st.integers(0, 400))
def test_any_bytes_in_any_place(line: str, noise: bytes, at: int) -> None:
    raw = line.encode()
    parser = AuthParser(now_s=NOW_S, service_files=True)
    parser.parse(raw[:at] + noise + raw[at:])
    stats = parser.stats()
    assert stats["lines"] == stats["matched"] + stats["ignored"] + stats["malformed"] + stats["too_long"] == 1

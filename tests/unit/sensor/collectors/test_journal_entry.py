# SPDX-License-Identifier: Apache-2.0
"""journalctl's JSON: every shape that a field may have, and lines that are none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerwarden.sensor.collectors.journal_entry import decode_entry

GOOD: dict[str, Any] = {
    "__CURSOR": "s=1;i=2",
    "__REALTIME_TIMESTAMP": "1793613600123456",
    "_BOOT_ID": "feed",
    "MESSAGE": "Failed password for root from 192.0.2.7 port 22 ssh2",
    "SYSLOG_IDENTIFIER": "sshd",
    "SYSLOG_PID": "77",
    "_PID": "78",
    "_HOSTNAME": "web",
}


def line(**changes: Any) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


def test_an_entry() -> None:
    entry = decode_entry(line())
    assert entry is not None
    assert (entry.ts_ns, entry.host, entry.program, entry.pid) == (1793613600123456000, b"web", b"sshd", 77)
    assert entry.message.startswith(b"Failed password") and entry.cursor == "s=1;i=2"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("text", b"text"),
        ("", b""),
        (list(b"\xff\x00bytes"), b"\xff\x00bytes"),
        (["first", "second"], b"first"),
        ([list(b"\xfe"), "second"], b"\xfe"),
        ("caf\u00e9", "caf\u00e9".encode()),
    ],
)
def test_the_shapes_of_a_message(value: Any, message: bytes) -> None:
    entry = decode_entry(line(MESSAGE=value))
    assert entry is not None and entry.message == message


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"{",
        b"null",
        b"[1]",
        line(MESSAGE=None),
        line(MESSAGE=[256]),
        line(MESSAGE=[-1, 2]),
        line(MESSAGE={"a": 1}),
        line(SYSLOG_IDENTIFIER=None),
        line(__REALTIME_TIMESTAMP="soon"),
        line(__REALTIME_TIMESTAMP="-5"),
        line(__REALTIME_TIMESTAMP="9" * 30),
        json.dumps({"MESSAGE": "x", "SYSLOG_IDENTIFIER": "sshd"}).encode(),
    ],
)
def test_what_is_no_entry(bad: bytes) -> None:
    assert decode_entry(bad) is None


@pytest.mark.parametrize(
    ("syslog_pid", "pid", "expected"), [("9", "8", 9), (None, "8", 8), ("x", "8", 8), (None, None, 0)]
)
def test_the_process_is_the_one_that_the_message_names(syslog_pid: Any, pid: Any, expected: int) -> None:
    entry = decode_entry(line(SYSLOG_PID=syslog_pid, _PID=pid))
    assert entry is not None and entry.pid == expected


@given(st.binary(max_size=200))
def test_bytes_never_raise(data: bytes) -> None:
    decode_entry(data)


json_values = st.recursive(
    st.none() | st.integers() | st.text(max_size=9) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
)


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), json_values))
def test_strange_fields_never_raise(fields: dict[str, Any]) -> None:
    decode_entry(json.dumps({**GOOD, **fields}).encode())


@pytest.mark.parametrize(
    ("transport", "program"),
    [("kernel", b"kernel"), ("syslog", b""), ("stdout", b""), (None, b""), (["kernel", "x"], b"kernel")],
)
def test_only_what_the_kernel_wrote_is_the_kernels(transport: Any, program: bytes) -> None:
    """Anybody may send a message with that identifier: logger -t kernel."""
    entry = decode_entry(line(SYSLOG_IDENTIFIER="kernel", _TRANSPORT=transport))
    assert entry is not None and entry.program == program

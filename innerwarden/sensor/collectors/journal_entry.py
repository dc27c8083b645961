# SPDX-License-Identifier: Apache-2.0
"""One line of `journalctl --output=json` -> what the parser needs.

Text that is no UTF-8 or holds control characters comes as an array of bytes, a field that occurs twice as an
array of values, one that is too large as null (journalctl(1), "json").
"""

from __future__ import annotations

import msgspec

FIELDS = "MESSAGE,SYSLOG_IDENTIFIER,SYSLOG_PID,_PID,_HOSTNAME,_TRANSPORT"

Value = str | list[int] | list[str | list[int]] | None


class Entry(msgspec.Struct, frozen=True):
    """`cursor` None: the entry has none (an export that was edited). `pid` 0: the entry names no process."""

    ts_ns: int
    host: bytes
    program: bytes
    pid: int
    message: bytes
    cursor: str | None


class _Raw(
    msgspec.Struct,
    frozen=True,
    rename={
        "ts": "__REALTIME_TIMESTAMP",
        "cursor": "__CURSOR",
        "message": "MESSAGE",
        "identifier": "SYSLOG_IDENTIFIER",
        "syslog_pid": "SYSLOG_PID",
        "pid": "_PID",
        "host": "_HOSTNAME",
        "transport": "_TRANSPORT",
    },
):
    ts: str
    cursor: str | None = None
    message: msgspec.Raw = msgspec.Raw(b"null")
    identifier: msgspec.Raw = msgspec.Raw(b"null")
    syslog_pid: msgspec.Raw = msgspec.Raw(b"null")
    pid: msgspec.Raw = msgspec.Raw(b"null")
    host: msgspec.Raw = msgspec.Raw(b"null")
    transport: msgspec.Raw = msgspec.Raw(b"null")


_decoder = msgspec.json.Decoder(_Raw)
TS_MAX_US = (2**63 - 1) // 1000


def decode_entry(line: bytes) -> Entry | None:
    """None for a line that is no entry, has no time or no message."""
    try:
        raw = _decoder.decode(line)
        message = _text(raw.message)
        program = _text(raw.identifier)
        if message is None or program is None or not raw.ts.isascii() or not raw.ts.isdigit():
            return None
        if program == b"kernel" and _text(raw.transport) != b"kernel":
            program = b""  # anybody may call himself so; journald alone says how a message came
        microseconds = int(raw.ts)
        if microseconds > TS_MAX_US:
            return None
        return Entry(
            ts_ns=microseconds * 1000,
            host=_text(raw.host) or b"",
            program=program,
            pid=_number(raw.syslog_pid) or _number(raw.pid),
            message=message,
            cursor=raw.cursor,
        )
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError):
        return None


def _text(raw: msgspec.Raw) -> bytes | None:
    """The bytes of a field; of several values the first."""
    value = msgspec.json.decode(raw)
    if isinstance(value, list) and value and not isinstance(value[0], int):
        value = value[0]
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, list):
        return bytes(value)
    return None


def _number(raw: msgspec.Raw) -> int:
    text = _text(raw)
    return int(text) if text and text.isdigit() and len(text) < 10 else 0

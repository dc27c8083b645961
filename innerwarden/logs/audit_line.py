# SPDX-License-Identifier: Apache-2.0
"""One line of the audit log: its frame, its fields, and what the kernel wrote as hexadecimal.

Source: the audit project's "Audit Event Fields" and "String encoding" (fields that a user may choose are written as
hexadecimal without quotes as soon as they hold a quote, a space or a control character).
"""

from __future__ import annotations

import re
import struct

from innerwarden.model.pack import address

_FRAME = re.compile(
    rb"(?:node=(\S+) )?type=([A-Z][A-Z0-9_]*|UNKNOWN\[\d+\]) msg=audit\((\d{1,10})\.(\d{3}):(\d{1,19})\):\s*"
)
_FIELD = re.compile(rb"([A-Za-z_][\w-]*(?:\[\d+\])?)=(\"[^\"]*\"?|\S*)")
#: A nested message of a daemon: msg='op=login acct="root" ... res=failed'
_NESTED = re.compile(rb"msg='(.*)'?\s*$", re.DOTALL)
_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2})+")
#: Fields that somebody who is watched may choose; unquoted they are hexadecimal, unless they are one of these words.
_ENCODED = frozenset(
    b"acct cmd comm cwd data exe file grp key name new_group new_name ocomm old_name path proctitle vm".split()
)
_ABSENT = frozenset({b"", b"?", b"(none)", b"(null)", b"(unset)", b'""', b"(null)'"})
#: What auditd puts between the raw record and what it looked up (log_format = ENRICHED).
_ENRICHED = b"\x1d"
AF_INET, AF_INET6 = 2, 10


class Line:
    """`text`: everything after the frame; `fields`: as logged, the first of a name, taken apart when asked for."""

    __slots__ = ("_fields", "node", "serial", "text", "ts_ns", "type")

    def __init__(self, node: bytes, kind: str, ts_ns: int, serial: int, text: bytes) -> None:
        self.node = node
        self.type = kind
        self.ts_ns = ts_ns
        self.serial = serial
        self.text = text
        self._fields: dict[bytes, bytes] | None = None

    @property
    def fields(self) -> dict[bytes, bytes]:
        if self._fields is None:
            self._fields = fields_of(self.text)
            self.text = self.text.replace(_ENRICHED, b" ")
        return self._fields


def parse(line: bytes) -> Line | None:
    """None for what is no audit record."""
    match = _FRAME.match(line)
    if match is None:
        return None
    node, kind, seconds, milliseconds, serial = match.groups()
    ts_ns = (int(seconds) * 1000 + int(milliseconds)) * 1_000_000
    return Line(node or b"", kind.decode(), ts_ns, int(serial), line[match.end() :])


def fields_of(text: bytes) -> dict[bytes, bytes]:
    """The record's fields; of what auditd looked up only names in capitals, which the kernel does not use."""
    body, _, enriched = text.partition(_ENRICHED)
    fields: dict[bytes, bytes] = {}
    if (nested := _NESTED.search(body)) is not None:
        inner = nested[1].rstrip().removesuffix(b"'")
        # The kernel's own fields come first, so that a daemon's text cannot take their place.
        body = body[: nested.start()] + inner
    for name, value in _FIELD.findall(body):
        fields.setdefault(name, value)
    for name, value in _FIELD.findall(enriched):
        if name.isupper():
            fields.setdefault(name, value)
    return fields


def value(fields: dict[bytes, bytes], name: bytes) -> bytes | None:
    """A field without its quotes or its hexadecimal; None when it is absent or says that there is none."""
    raw = fields.get(name)
    if raw is None or raw in _ABSENT:
        return None
    if raw[:1] == b'"':
        return raw[1:].removesuffix(b'"') or None
    raw = raw.rstrip(b",;")
    if name in _ENCODED:
        return unhex(raw)
    return raw or None


def unhex(raw: bytes) -> bytes:
    """Bytes that are written as hexadecimal; others as they are."""
    return bytes.fromhex(raw.decode()) if _HEX.fullmatch(raw) else raw


def number(fields: dict[bytes, bytes], name: bytes, base: int = 10) -> int | None:
    """None for what is no number that fits 64 bits; a negative one (auid=-1) is the 32-bit number of the same bits."""
    raw = fields.get(name, b"").rstrip(b",;)")
    try:
        found = int(raw, base)
    except ValueError:
        return None
    return found & 0xFFFFFFFF if -(1 << 31) <= found < 0 else found if 0 <= found < 1 << 64 else None


def socket_address(raw: bytes) -> tuple[str, int] | None:
    """Address and port of SOCKADDR's saddr= (struct sockaddr as hexadecimal); None for other families."""
    data = unhex(raw)
    if len(data) < 8:
        return None
    family = int.from_bytes(data[:2], "little")
    (port,) = struct.unpack(">H", data[2:4])
    if family == AF_INET:
        return ".".join(map(str, data[4:8])), port
    if family == AF_INET6 and len(data) >= 24:
        words = struct.unpack(">8H", data[8:24])
        text = address(":".join(f"{word:x}" for word in words))
        return (text, port) if text else None
    return None


def typed(data: bytes) -> bytes:
    """What a terminal was given, as the person meant it: erased characters are gone, control characters are spaces."""
    out = bytearray()
    for byte in data:
        if byte in (8, 127):
            if out:
                out.pop()
        else:
            out.append(byte if byte >= 32 else 32)
    return bytes(out).strip()

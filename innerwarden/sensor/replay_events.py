# SPDX-License-Identifier: Apache-2.0
"""Captured events -> records: raw records as the kernel or a parser made them, or events.jsonl lines.

An events.jsonl line holds the fields that were present. What it does not name is absent in the record as
well, so that a rule sees what it saw live.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from innerwarden.model._wire import COMM_LEN, KINDS, LAYOUT, RECORD_MAX, RECORD_OF, SIZES
from innerwarden.model.wire import NUMBER_FORMATS, UNSET, ip_bytes

HEADER_BYTES = SIZES["iw_header"]
FLUSH_BYTES = 256 << 10
LINE_MAX_BYTES = 1 << 20


class _Line(msgspec.Struct):
    kind: str
    details: dict[str, Any]


_decoder = msgspec.json.Decoder(_Line)

#: (contiguous records, number of records, number of refused ones)
Batch = tuple[bytes, int, int]


def records_of(blocks: Iterator[bytes]) -> Iterator[Batch]:
    """Which of the two forms it is, the first byte says: an event line begins with a brace."""
    first = next(blocks, b"")
    if not first:
        return
    head = first.lstrip()[:1]
    rest = _chain(first, blocks)
    yield from _json(rest) if head == b"{" else _raw(rest)


def _chain(first: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from blocks


def _raw(blocks: Iterator[bytes]) -> Iterator[Batch]:
    """Contiguous records, header first, each 8-aligned. A size that leads nowhere ends the reading."""
    buffer = b""
    for block in blocks:
        buffer += block
        at = count = 0
        while at + 8 <= len(buffer):
            (size,) = struct.unpack_from("<I", buffer, at)
            if size < HEADER_BYTES or size > RECORD_MAX or size % 8:
                yield buffer[:at], count, 1
                return
            if at + size > len(buffer):
                break
            at += size
            count += 1
        yield buffer[:at], count, 0
        buffer = buffer[at:]
    if buffer:
        yield b"", 0, 1


def _json(blocks: Iterator[bytes]) -> Iterator[Batch]:
    rest, skipping = b"", False
    for block in blocks:
        lines = (rest + block).split(b"\n")
        rest = lines.pop()
        refused = 0
        if skipping and lines:
            lines, skipping = lines[1:], False
        if len(rest) > LINE_MAX_BYTES:
            refused, rest, skipping = refused + (not skipping), b"", True
        yield _batch(lines, refused)
    if rest and not skipping:
        yield _batch([rest], 0)


def _batch(lines: list[bytes], refused: int) -> Batch:
    out = []
    for line in lines:
        if not line.strip():
            continue
        record = record_of(line)
        if record is None:
            refused += 1
        else:
            out.append(record)
    return b"".join(out), len(out), refused


def record_of(line: bytes) -> bytes | None:
    """One events.jsonl line as a record; None when it is none or a field does not fit."""
    try:
        event = _decoder.decode(line)
        return record_of_fields(event.kind, event.details)
    except (
        msgspec.MsgspecError,
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        struct.error,
        OverflowError,
    ):
        return None


def record_of_fields(kind: str, details: Mapping[str, Any]) -> bytes:
    """The record with these fields. Raises KeyError, ValueError, TypeError, struct.error or OverflowError."""
    number = KINDS[kind]
    name = RECORD_OF[number]
    buffer = bytearray(SIZES[name])
    for field, offset, shape in LAYOUT[name]:
        value = details.get(field, UNSET.get(field))
        if value is None or field in ("size", "kind"):
            continue
        if shape == "str":
            data = _bytes(value)
            struct.pack_into("<II", buffer, offset, len(buffer), len(data))
            buffer += data
        elif shape == "ip":
            buffer[offset : offset + 16] = ip_bytes(value)
        elif shape == "comm":
            data = _bytes(value)[: COMM_LEN - 1]
            buffer[offset : offset + len(data)] = data
        else:
            struct.pack_into(NUMBER_FORMATS[shape], buffer, offset, value)
    buffer += bytes(-len(buffer) % 8)
    if len(buffer) > RECORD_MAX:
        raise ValueError("record too long")
    struct.pack_into("<IH", buffer, 0, len(buffer), int(number))
    return bytes(buffer)


def _bytes(value: Any) -> bytes:
    """Text as it was: bytes that were no UTF-8 are written as \\xNN; argv is a list."""
    if isinstance(value, list):
        return b"".join(_bytes(item) + b"\0" for item in value)
    if not isinstance(value, str):
        raise TypeError("neither text nor a list of it")
    return _unescape(value)


def _unescape(text: str) -> bytes:
    if "\\x" not in text:
        return text.encode()
    out, at = bytearray(), 0
    while (found := text.find("\\x", at)) >= 0:
        out += text[at:found].encode()
        code = text[found + 2 : found + 4]
        try:
            byte = int(code, 16) if len(code) == 2 else -1
        except ValueError:
            byte = -1
        # Only bytes that UTF-8 alone cannot hold are ever escaped; other text stays as it is.
        if byte >= 0x80:
            out.append(byte)
            at = found + 4
        else:
            out += b"\\x"
            at = found + 2
    return bytes(out + text[at:].encode())

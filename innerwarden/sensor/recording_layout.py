# SPDX-License-Identifier: Apache-2.0
"""Records of an older version in today's layout: members are only ever appended, what was there stays where it was."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from pathlib import Path

import msgspec

from innerwarden.errors import UnavailableError
from innerwarden.model._wire import KINDS, LAYOUT, RECORD_MAX, RECORD_OF, SIZES
from innerwarden.model.wire import NUMBER_FORMATS, UNSET

HEADER_BYTES = SIZES["iw_header"]
AGAIN = "Record again with `innerwarden record`, or replay it with the version that made it"

#: Struct -> (bytes of its fixed part, digest of its members).
Digests = dict[str, tuple[int, str]]


class Growth(msgspec.Struct, frozen=True):
    """Of one kind of record: the `size` it had, the bytes `added` ("absent" in each), offsets of its `strings` then."""

    size: int
    added: bytes
    strings: tuple[int, ...]


Grown = dict[int, Growth]


def digest(name: str, size: int) -> str:
    """Of the members of a struct that lie in its first `size` bytes."""
    members = [member for member in LAYOUT[name] if member[1] < size]
    return hashlib.sha256(repr(members).encode()).hexdigest()[:12]


def layout() -> dict[str, tuple[int, str]]:
    """Of every record that there is today."""
    return {name: (SIZES[name], digest(name, SIZES[name])) for name in sorted(set(RECORD_OF.values()))}


def grown_since(path: Path, version: str, recorded: Digests) -> Grown:
    """By record kind, for those that have grown.

    Raises UnavailableError where a record's beginning is not what it was.
    """
    grown: Grown = {}
    changed = []
    for kind in KINDS.values():
        name = RECORD_OF[kind]
        if name not in recorded:
            continue
        size, was = recorded[name]
        if size > SIZES[name] or size % 8 or digest(name, size) != was:
            changed.append(name)
        elif size < SIZES[name]:
            strings = tuple(offset for _, offset, shape in LAYOUT[name] if shape == "str" and offset < size)
            grown[int(kind)] = Growth(size, _absent(name, size), strings)
    if changed:
        what = ", ".join(sorted(set(changed))[:3])
        raise UnavailableError(
            f"{path} was recorded by version {version}, whose records ({what}) this version does not know",
            AGAIN,
        )
    return grown


def _absent(name: str, size: int) -> bytes:
    """The members that were added behind `size`, as a record has them that does not say them."""
    out = bytearray(SIZES[name])
    for member, offset, shape in LAYOUT[name]:
        if offset >= size and member in UNSET and shape in NUMBER_FORMATS:
            struct.pack_into(NUMBER_FORMATS[shape], out, offset, UNSET[member])
    return bytes(out[size:])


def widened(records: bytes, grown: Grown) -> Iterator[bytes]:
    """Records with room for the members that were added since; the tail moves behind them."""
    at = 0
    while at + HEADER_BYTES <= len(records):
        size, kind = struct.unpack_from("<IH", records, at)
        if size < HEADER_BYTES or size % 8 or at + size > len(records):
            break
        record, growth = records[at : at + size], grown.get(kind)
        if growth is not None and growth.size <= size <= RECORD_MAX - len(growth.added):
            record = _moved(record, growth)
        yield record
        at += size
    yield records[at:]


def _moved(record: bytes, growth: Growth) -> bytes:
    out = bytearray(record[: growth.size] + growth.added + record[growth.size :])
    struct.pack_into("<I", out, 0, len(out))
    for offset in growth.strings:
        at, length = struct.unpack_from("<II", out, offset)
        if length and at >= growth.size:
            struct.pack_into("<I", out, offset, at + len(growth.added))
    return bytes(out)

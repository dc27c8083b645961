# SPDX-License-Identifier: Apache-2.0
"""How one input is several things, so that a mutation of one leaves the others whole.

An input is a mode byte, then pieces: a length (u16, little-endian), then as many bytes, or what is left.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

PIECES_MAX = 64


def framed(mode: int, pieces: Iterable[bytes]) -> bytes:
    """What `pieces_of` takes apart."""
    return bytes([mode]) + b"".join(struct.pack("<H", len(piece)) + piece for piece in pieces)


def pieces_of(data: bytes) -> tuple[int, list[bytes]]:
    """Mode and pieces; every input has some meaning."""
    return (data[0], list(_pieces(data))) if data else (0, [])


def _pieces(data: bytes) -> Iterator[bytes]:
    at = 1
    for _ in range(PIECES_MAX):
        if at + 2 > len(data):
            return
        (length,) = struct.unpack_from("<H", data, at)
        yield data[at + 2 : at + 2 + length]
        at += 2 + length

# SPDX-License-Identifier: Apache-2.0
"""DNS messages and TLS hellos byte by byte, from the RFCs and by OpenSSL; and memory that ends where they end."""

from __future__ import annotations

import ctypes
import mmap
import ssl
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

#: RFC 8448 section 3: the ClientHello of the simple 1-RTT handshake, without its record header.
RFC_8448_HELLO = bytes.fromhex(
    "010000c00303cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef6283024dece7000006130113031302010000"
    "910000000b0009000006736572766572ff01000100000a00140012001d001700180019010001010102010301040023000000"
    "3300260024001d002099381de560e4bd43d23d8e435a7dbafeb3c06e51c13cae4d5413691e529aaf2c002b0003020304000d"
    "0020001e040305030603020308040805080604010501060102010402050206020202002d00020101001c00024001"
)


def name(*labels: bytes) -> bytes:
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def query(
    *questions: tuple[bytes, int],
    number: int = 0x1234,
    flags: int = 0x0100,
    count: int | None = None,
    additional: bytes = b"",
) -> bytes:
    """RFC 1035 4.1; a question is (encoded name, type)."""
    body = b"".join(text + struct.pack(">HH", kind, 1) for text, kind in questions)
    counts = (len(questions) if count is None else count, 0, 0, 1 if additional else 0)
    return struct.pack(">HH4H", number, flags, *counts) + body + additional


def openssl_hello(
    server_name: str | None, protocols: Sequence[str] = (), maximum: ssl.TLSVersion | None = None
) -> bytes:
    """What OpenSSL would send, in one TLS record."""
    context = ssl.create_default_context()
    context.check_hostname = False
    if maximum is not None:
        context.maximum_version = maximum
    if protocols:
        context.set_alpn_protocols(list(protocols))
    sent = ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=server_name).do_handshake()
    return sent.read()


def vector(size: int, data: bytes) -> bytes:
    return len(data).to_bytes(size, "big") + data


def extension(kind: int, data: bytes) -> bytes:
    return kind.to_bytes(2, "big") + vector(2, data)


def server_name(*names: bytes) -> bytes:
    return extension(0, vector(2, b"".join(b"\0" + vector(2, one) for one in names)))


def hello(*extensions: bytes, legacy: int = 0x0303, session: bytes = b"s" * 32) -> bytes:
    """A ClientHello message by RFC 8446 4.1.2."""
    body = legacy.to_bytes(2, "big") + b"r" * 32 + vector(1, session) + vector(2, b"\x13\x01\x13\x02")
    body += vector(1, b"\0")
    if extensions:
        body += vector(2, b"".join(extensions))
    return b"\x01" + vector(3, body)


def records(message: bytes, size: int = 16384) -> bytes:
    """The message in TLS records of at most `size` bytes each."""
    parts = [message[i : i + size] for i in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + vector(2, part) for part in parts)


@contextmanager
def guarded(data: bytes) -> Iterator[memoryview]:
    """The bytes right before a page that must not be read."""
    pages = (len(data) + mmap.PAGESIZE - 1) // mmap.PAGESIZE + 1
    area = mmap.mmap(-1, pages * mmap.PAGESIZE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(area))
    libc = ctypes.CDLL(None, use_errno=True)
    guard = ctypes.c_void_p(start + (pages - 1) * mmap.PAGESIZE)
    assert libc.mprotect(guard, ctypes.c_size_t(mmap.PAGESIZE), 0) == 0
    end = (pages - 1) * mmap.PAGESIZE
    area[end - len(data) : end] = data
    yield memoryview(area)[end - len(data) : end]
    assert libc.mprotect(guard, ctypes.c_size_t(mmap.PAGESIZE), mmap.PROT_READ | mmap.PROT_WRITE) == 0

# SPDX-License-Identifier: Apache-2.0
"""DNS messages and TLS hellos, byte by byte from the network."""

from __future__ import annotations

from collections.abc import Iterator

from innerwarden_core import payload

from tests.fuzz.target import Judge, Target, must
from tests.unit.core import payload_bytes as made

MAX_HELLO = 4096


def _dns() -> Judge:
    def judge(data: bytes) -> None:
        with made.guarded(data) as message:
            found = payload.parse_dns(message)
        if isinstance(found, str):
            must(found in payload.UNPARSED_NAMES[1:], f"unknown reason {found!r}")
            return
        name = found["dns_query"]
        must(name.isprintable() and name.isascii(), f"the name {name!r} is not printable")
        must(0 < len(name) <= 4 * 255, f"a name of {len(name)} characters")
        must(found["dns_type"] < 1 << 16 and found["dns_id"] < 1 << 16, "a number beyond 16 bits")

    return judge


def _tls() -> Judge:
    def judge(data: bytes) -> None:
        with made.guarded(data) as stream:
            found = payload.parse_client_hello(stream)
        if isinstance(found, str):
            must(found in payload.UNPARSED_NAMES[1:], f"unknown reason {found!r}")
            return
        must(len(found["tls_hello"]) <= MAX_HELLO, "a hello that is too long")
        for text in (found["tls_sni"], found["tls_alpn"]):
            must(text is None or text.isprintable(), f"{text!r} is not printable")

    return judge


def _dns_seeds() -> Iterator[bytes]:
    name = made.name(b"www", b"example", b"com")
    yield made.query((name, 1))
    yield made.query((made.name(b"a" * 63, b"b.c", b"\x00\xff"), 16), (name, 28))
    yield made.query((b"\xc0\x0c", 1))
    yield made.query((b"\0", 2), additional=b"\0\0\x29\x10\0\0\0\0\0\0\0")
    yield made.query((name, 1), flags=0x8180)


def _tls_seeds() -> Iterator[bytes]:
    yield made.records(made.RFC_8448_HELLO)
    yield made.records(made.RFC_8448_HELLO, 40)
    yield made.openssl_hello("www.example.com", ["h2", "http/1.1"])
    yield made.records(made.hello(made.server_name(b"a.example"), made.extension(16, b"\0\3\2h2")))
    yield made.records(made.hello(made.extension(0xFE0D, b"x"), made.server_name(b"\x01\xff")))


def targets() -> Iterator[Target]:
    yield Target(name="dns", make=_dns, seeds=_dns_seeds, native=True, max_bytes=600)
    yield Target(name="tls", make=_tls, seeds=_tls_seeds, native=True, max_bytes=20000)

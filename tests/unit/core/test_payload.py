# SPDX-License-Identifier: Apache-2.0
"""The parsers of DNS queries and TLS hellos, on messages that this test builds itself."""

from __future__ import annotations

import ssl
import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from innerwarden_core.payload import UNPARSED_NAMES, parse_client_hello, parse_dns

from tests.unit.core.payload_bytes import (
    RFC_8448_HELLO,
    extension,
    guarded,
    hello,
    name,
    openssl_hello,
    query,
    records,
    server_name,
    vector,
)

ECH, NO_SNI, INCOMPLETE = 1, 2, 4
EXAMPLE = name(b"www", b"example", b"com")


# --- DNS ---------------------------------------------------------------------------------------------


def test_a_plain_query() -> None:
    assert parse_dns(query((EXAMPLE, 28), number=0xBEEF)) == {
        "dns_query": "www.example.com",
        "dns_type": 28,
        "dns_id": 0xBEEF,
        "dns_flags": 0x0100,
    }


@pytest.mark.parametrize(
    ("encoded", "text"),
    [
        (name(b"WwW", b"eXaMpLe", b"CoM"), "www.example.com"),  # draft-vixie-dnsext-dns0x20
        (name(), "."),
        (name(b"xn--bcher-kva", b"example"), "xn--bcher-kva.example"),
        (name(b"_dmarc", b"a-b"), "_dmarc.a-b"),
        (name(b"a.b", b"c"), "a\\.b.c"),
        (name(b"back\\slash"), "back\\\\slash"),
        (name(b"\x00\x07 \x7f\xff"), "\\000\\007\\032\\127\\255"),
        (name(b"b" * 63, b"c"), "b" * 63 + ".c"),
        (
            name(b"a" * 63, b"b" * 63, b"c" * 63, b"d" * 61),
            ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61]),
        ),
        (name(*[b"\xff" * 63] * 3, b"\xff" * 61), ".".join(["\\255" * 63] * 3 + ["\\255" * 61])),
        (name(*[b"z"] * 127), ".".join("z" * 127)),
    ],
)
def test_names(encoded: bytes, text: str) -> None:
    found = parse_dns(query((encoded, 1)))
    assert isinstance(found, dict)
    assert found["dns_query"] == text


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "short"),
        (query((EXAMPLE, 1))[:11], "short"),
        (query((EXAMPLE, 1), flags=0x8180), "response"),
        (query((EXAMPLE, 6), flags=0x2400), "opcode"),  # NOTIFY, RFC 1996
        (query((EXAMPLE, 6), flags=0x2800), "opcode"),  # UPDATE, RFC 2136
        (query((EXAMPLE, 1), count=0), "no_question"),
        (query((b"\xc0\x0c", 1)), "pointer"),  # to itself
        (query((b"\x01a\xc0\x0c", 1)), "pointer"),  # a loop of one label
        (query((b"\xc0\x00", 1)), "pointer"),  # the header read as a name
        (query((b"\xc0\x20", 1)) + bytes(16) + EXAMPLE, "pointer"),  # forward
        (query((b"\x40" + b"a" * 64 + b"\0", 1)), "label"),
        (query((b"\x80", 1)), "label"),
        (query((name(b"a" * 63, b"b" * 63, b"c" * 63, b"d" * 62), 1)), "name"),
        (query((name(*[b"z"] * 128), 1)), "name"),
    ],
)
def test_what_is_no_query_says_why(message: bytes, reason: str) -> None:
    assert parse_dns(message) == reason


def test_only_the_first_question_counts_and_what_follows_changes_nothing() -> None:
    option = b"\0" + struct.pack(">HHIH", 41, 4096, 0, 0)  # EDNS, RFC 6891
    plain = parse_dns(query((EXAMPLE, 16)))
    assert parse_dns(query((EXAMPLE, 16), additional=option)) == plain
    assert parse_dns(query((EXAMPLE, 16), (b"\xc0\x0c", 1))) == plain
    assert parse_dns(query((EXAMPLE, 16)) + b"\xff" * 500) == plain


def test_every_shorter_piece_of_a_query_is_short() -> None:
    message = query((EXAMPLE, 1))
    for size in range(len(message) - 2):  # the class may be missing, the type may not
        with guarded(message[:size]) as piece:
            assert parse_dns(piece) == "short", size


# --- TLS ---------------------------------------------------------------------------------------------


def test_the_hello_of_rfc_8448() -> None:
    assert parse_client_hello(records(RFC_8448_HELLO)) == {
        "tls_sni": "server",
        "tls_alpn": None,
        "tls_version": 0x0304,
        "tls_flags": 0,
        "tls_hello": RFC_8448_HELLO,
    }


@pytest.mark.parametrize(
    ("maximum", "version"), [(ssl.TLSVersion.TLSv1_3, 0x0304), (ssl.TLSVersion.TLSv1_2, 0x0303)]
)
def test_openssl(maximum: ssl.TLSVersion, version: int) -> None:
    stream = openssl_hello("Www.Example.ORG", ["h2", "http/1.1"], maximum)
    found = parse_client_hello(stream)
    assert isinstance(found, dict)
    assert (found["tls_sni"], found["tls_alpn"], found["tls_flags"]) == ("www.example.org", "h2", 0)
    assert found["tls_version"] == version
    assert found["tls_hello"] == stream[5:]


def test_openssl_without_a_name() -> None:
    found = parse_client_hello(openssl_hello(None))
    assert isinstance(found, dict)
    assert (found["tls_sni"], found["tls_alpn"], found["tls_flags"]) == (None, None, NO_SNI)


VERSIONS = extension(43, vector(1, bytes.fromhex("6a6a 7f1c 0303 0304 0301")))
HELLOS = [
    ((), 0x0303, None, None, NO_SNI),
    ((server_name(b"A.Test"),), 0x0303, "a.test", None, 0),
    ((server_name(b"a.test."),), 0x0303, "a.test", None, 0),
    ((server_name(b"first", b"second"),), 0x0303, "first", None, 0),
    ((server_name(b"a\x00b\\"),), 0x0303, "a\\000b\\\\", None, 0),
    ((extension(0x0A0A, b""), VERSIONS, extension(0xFAFA, b"\0")), 0x0304, None, None, NO_SNI),
    (
        (extension(43, vector(1, b"\x0a\x0a")),),
        0x0303,
        None,
        None,
        NO_SNI,
    ),  # nothing but GREASE: the legacy one
    ((extension(16, vector(2, vector(1, b"\x1a\x1a") + vector(1, b"H3"))),), 0x0303, None, "h3", NO_SNI),
    ((extension(0xFE0D, b"\0" * 40), server_name(b"outer.test")), 0x0303, "outer.test", None, ECH),
    ((extension(0xFFCE, b"\0" * 40),), 0x0303, None, None, ECH | NO_SNI),
]


@pytest.mark.parametrize(("extensions", "version", "sni", "alpn", "flags"), HELLOS)
@pytest.mark.parametrize("size", [16384, 50, 1])
def test_hellos(
    extensions: tuple[bytes, ...], version: int, sni: str | None, alpn: str | None, flags: int, size: int
) -> None:
    """In one record, in several, and in one for each byte."""
    message = hello(*extensions)
    assert parse_client_hello(records(message, size)) == {
        "tls_sni": sni,
        "tls_alpn": alpn,
        "tls_version": version,
        "tls_flags": flags,
        "tls_hello": message,
    }


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (b"", "short"),
        (b"GET / HTTP/1.1\r\n", "record"),
        (b"\x16\x02\x00\x00\x01\x01", "record"),
        (b"\x16\x03\x01\x00\x00\x01", "record"),
        (b"\x16\x03\x01\x60\x00\x01", "record"),
        (records(b"\x02" + hello()[1:]), "handshake"),  # a server's
        (records(hello(), 30)[:35] + b"\x14\x03\x03\x00\x01\x01", "record"),
        (records(b"\x01\x00\x00\x01\x03"), "hello"),
        (records(hello(session=b"s" * 33)), "hello"),
        (records(hello(extension(0, b"\x00\x09\x00\x00\x01a"))), "hello"),
        (records(hello(extension(16, b"\x00\x01"))), "hello"),
        (records(hello(extension(43, b"\x03\x03\x04\x03"))), "hello"),
        (records(hello(server_name(b"a") + b"\x00\x10\x00\x09")), "hello"),
    ],
)
def test_what_is_no_hello_says_why(stream: bytes, reason: str) -> None:
    assert parse_client_hello(stream) == reason


def test_what_follows_the_hello_changes_nothing() -> None:
    stream = openssl_hello("a.test")
    assert parse_client_hello(stream + b"\x14\x03\x03\x00\x01\x01" + bytes(3000)) == parse_client_hello(
        stream
    )


def test_every_piece_of_a_hello_is_short_or_incomplete_and_claims_nothing_that_is_not_there() -> None:
    stream = openssl_hello("piece.test", ["h2"])
    for size in range(len(stream)):
        with guarded(stream[:size]) as piece:
            found = parse_client_hello(piece)
        if isinstance(found, str):
            assert found == "short"
            assert size < 11
            continue
        assert found["tls_flags"] == INCOMPLETE
        assert found["tls_sni"] in (None, "piece.test")
        assert (found["tls_sni"] is None) or b"piece.test" in stream[:size]
        assert found["tls_hello"] == stream[5:size]


def test_a_hello_above_the_limit_is_incomplete() -> None:
    message = hello(server_name(b"early.test"), extension(21, bytes(9000)))
    found = parse_client_hello(records(message))
    assert isinstance(found, dict)
    assert (found["tls_sni"], found["tls_flags"]) == ("early.test", INCOMPLETE)
    assert found["tls_hello"] == message[:4096]


# --- anything ----------------------------------------------------------------------------------------

DNS_SEEDS = [query((EXAMPLE, 1)), query((name(*[b"\xff" * 63] * 3), 16), additional=bytes(11))]
TLS_SEEDS = [
    records(RFC_8448_HELLO),
    records(hello(server_name(b"a.test"), VERSIONS), 7),
    openssl_hello("b.test"),
]


def damaged(seeds: list[bytes]) -> st.SearchStrategy[bytes]:
    """A seed with some bytes replaced, cut or grown; or anything."""
    edit = st.tuples(st.integers(0, 600), st.integers(0, 255))

    def apply(seed: bytes, edits: list[tuple[int, int]], cut: int, tail: bytes) -> bytes:
        out = bytearray(seed)
        for at, value in edits:
            out[at % len(out)] = value
        return bytes(out[: len(out) - cut % len(out)] + tail)

    changed = st.builds(
        apply, st.sampled_from(seeds), st.lists(edit, max_size=6), st.integers(0, 600), st.binary(max_size=40)
    )
    return st.one_of(changed, st.binary(max_size=700))


@settings(max_examples=3000, deadline=None)
@given(damaged(DNS_SEEDS))
@example(query((b"\x3f" + b"a" * 62, 1)))
def test_dns_of_anything(message: bytes) -> None:
    with guarded(message) as piece:
        found = parse_dns(piece)
    if isinstance(found, str):
        assert found in UNPARSED_NAMES[1:8]
    else:
        assert found["dns_query"].isascii()
        assert found["dns_query"].isprintable()
        assert 0 < len(found["dns_query"]) <= 1020


@settings(max_examples=3000, deadline=None)
@given(damaged(TLS_SEEDS))
@example(b"\x16\x03\x01\xff\xff")
def test_tls_of_anything(stream: bytes) -> None:
    with guarded(stream) as piece:
        found = parse_client_hello(piece)
    if isinstance(found, str):
        assert found in {"short", "record", "handshake", "hello"}
        return
    assert len(found["tls_hello"]) <= 4096
    for text in (found["tls_sni"], found["tls_alpn"]):
        assert text is None or (text.isascii() and text.isprintable() and text)

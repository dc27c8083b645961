# SPDX-License-Identifier: Apache-2.0
"""JA3 and JA4: the examples of their specifications, in hellos that this test builds; and what is left out."""

from __future__ import annotations

import hashlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from innerwarden_core import Engine
from innerwarden_core.view import fingerprints

from innerwarden.model.vocabulary import DERIVED_OF_RECORD
from tests.factory import encode
from tests.unit.core.payload_bytes import RFC_8448_HELLO, extension, server_name, vector


def u16(*numbers: int) -> bytes:
    return b"".join(struct.pack(">H", number) for number in numbers)


def hello(ciphers: tuple[int, ...], *extensions: bytes, legacy: int = 0x0303, block: bool = True) -> bytes:
    body = u16(legacy) + b"r" * 32 + vector(1, b"") + vector(2, u16(*ciphers)) + vector(1, b"\0")
    if block:
        body += vector(2, b"".join(extensions))
    return b"\x01" + vector(3, body)


def groups(*numbers: int) -> bytes:
    return extension(10, vector(2, u16(*numbers)))


def points(*numbers: int) -> bytes:
    return extension(11, vector(1, bytes(numbers)))


def signatures(*numbers: int) -> bytes:
    return extension(13, vector(2, u16(*numbers)))


def versions(*numbers: int) -> bytes:
    return extension(43, vector(1, u16(*numbers)))


def protocols(*names: bytes) -> bytes:
    return extension(16, vector(2, b"".join(vector(1, name) for name in names)))


#: The hello behind the specification's example t13d1516h2_8daaf6152771_e5627efa2ab1, GREASE where Chrome puts it.
CHROME_CIPHERS = (
    0x2A2A, 0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0xC013, 0xC014, 0x009C, 0x009D,
    0x002F, 0x0035,
)  # fmt: skip
CHROME_EXTENSIONS = (
    extension(0x3A3A, b""),
    extension(0x1B, b"\x02\0\x02"),
    server_name(b"example.com"),
    extension(0x33, b""),
    protocols(b"h2", b"http/1.1"),
    extension(0x4469, b""),
    extension(0x17, b""),
    extension(0x2D, b""),
    signatures(0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601),
    extension(5, b""),
    extension(0x23, b""),
    extension(0x12, b""),
    versions(0x5A5A, 0x0304, 0x0303),
    extension(0xFF01, b"\0"),
    points(0),
    groups(0x6A6A, 29, 23, 24),
    extension(0x7A7A, b"\0"),
    extension(0x15, b"\0"),
)
CHROME = hello(CHROME_CIPHERS, *CHROME_EXTENSIONS)


def ja3(message: bytes) -> str:
    found = fingerprints(message)
    assert found
    return found[0]


def ja4(message: bytes) -> str:
    found = fingerprints(message)
    assert found
    return found[1]


def test_ja4_is_the_specifications_example() -> None:
    assert ja4(CHROME) == "t13d1516h2_8daaf6152771_e5627efa2ab1"


def test_ja3_are_the_specifications_examples() -> None:
    ciphers = (47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4)
    first = hello(ciphers, server_name(b"a.example"), groups(23, 24, 25), points(0), legacy=769)
    assert ja3(first) == "ada70206e40642a3e4461f35503241d5"
    second = hello((4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99), legacy=769, block=False)
    assert ja3(second) == "de350869b8c85de67a350c8d186f11e6"


def test_ja3_counts_no_grease() -> None:
    plain = "771,4865-4866-4867-49195-49199-49196-49200-52393-52392-49171-49172-156-157-47-53,"
    plain += "27-0-51-16-17513-23-45-13-5-35-18-43-65281-11-10-21,29-23-24,0"
    assert ja3(CHROME) == hashlib.md5(plain.encode()).hexdigest()


def test_order_changes_ja3_and_not_ja4() -> None:
    turned = hello(CHROME_CIPHERS, *reversed(CHROME_EXTENSIONS))
    assert ja4(turned) == ja4(CHROME)
    assert ja3(turned) != ja3(CHROME)


@pytest.mark.parametrize(
    ("message", "begin"),
    [
        (hello((0x1301,), block=False), "t12i010000_"),
        (hello((0x1301,), legacy=0x0302, block=False), "t11i010000_"),
        (hello((0x1301,), legacy=0x0300, block=False), "ts3i010000_"),
        (hello((0x1301,), legacy=0x0002, block=False), "ts2i010000_"),
        (hello((0x1301,), versions(0x0A0A, 0x0303, 0x0304)), "t13i010100_"),
        (hello((0x1301,), versions(0x7F1C, 0x0303)), "t00i010100_"),  # a draft has no name
        (hello((0x1301,), server_name(b"")), "t12d010100_"),  # the extension counts, not the name
        (hello((0x1301,), protocols(b"http/1.1")), "t12i0101h1_"),
        (hello((0x1301,), protocols(b"\x0a\x0a", b"h2")), "t12i0101h2_"),
        (hello((0x1301,), protocols(b"h")), "t12i0101hh_"),
        (hello((0x1301,), protocols(b"\xab\xcd")), "t12i0101ad_"),
        (hello((0x1301,), protocols(b"0\xab")), "t12i01013b_"),
        (hello(tuple(range(1, 121)), *(extension(n, b"") for n in range(100, 230))), "t12i999900_"),
        (hello(()), "t12i000000_000000000000_000000000000"),
        (hello((0x1301,), server_name(b"a.b"), protocols(b"h2")), "t12d0102h2_0f2cb44170f4_000000000000"),
    ],
)
def test_the_readable_part(message: bytes, begin: str) -> None:
    assert ja4(message).startswith(begin)
    assert len(ja4(message)) == 36


def test_without_signature_algorithms_there_is_no_underscore() -> None:
    expected = hashlib.sha256(b"0005").hexdigest()[:12]
    assert ja4(hello((0x1301,), extension(5, b""))).endswith(expected)
    expected = hashlib.sha256(b"000d_0601,0403").hexdigest()[:12]
    assert ja4(hello((0x1301,), signatures(0x0601, 0x0403))).endswith(expected)


@pytest.mark.parametrize("cut", range(1, 60))
def test_a_hello_with_a_part_missing_has_none(cut: int) -> None:
    assert fingerprints(CHROME[:-cut]) is None


@given(st.binary(max_size=400))
def test_anything_is_read_or_refused(data: bytes) -> None:
    fingerprints(b"\x01" + vector(3, b"\x03\x03" + b"r" * 32 + data))
    fingerprints(data)


@given(st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=300))
def test_digests_are_those_of_the_library(ciphers: list[int]) -> None:
    """The text may be longer than one block of the digest, and end anywhere in it."""
    real = [c for c in ciphers if c & 0x0F0F != 0x0A0A or c >> 8 != c & 0xFF]
    message = hello(tuple(ciphers), block=False)
    text = f"771,{'-'.join(map(str, real))},,,"
    assert ja3(message) == hashlib.md5(text.encode()).hexdigest()
    listed = ",".join(f"{c:04x}" for c in sorted(real))
    expected = hashlib.sha256(listed.encode()).hexdigest()[:12] if real else "0" * 12
    assert ja4(message).split("_")[1] == expected


def test_a_record_carries_them_and_an_incomplete_one_does_not() -> None:
    names = DERIVED_OF_RECORD["network.tls"]
    engine = Engine()
    whole = engine.derive(encode("network.tls", tls_sni="a.example.co.uk", tls_hello=RFC_8448_HELLO), names)
    assert whole["tls_ja4"] == ja4(RFC_8448_HELLO)
    assert whole["tls_ja3"] == ja3(RFC_8448_HELLO)
    assert whole["dns_domain"] == "example.co.uk"
    assert engine.derive(encode("network.tls", tls_flags=4, tls_hello=RFC_8448_HELLO), names) == {}

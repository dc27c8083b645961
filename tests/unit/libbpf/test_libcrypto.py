# SPDX-License-Identifier: Apache-2.0
"""Ed25519 against the vectors of RFC 8032, 7.1."""

from __future__ import annotations

import pytest

from innerwarden.errors import UnavailableError
from innerwarden.libbpf import libcrypto

#: Seed, public key, message, signature.
VECTORS = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
    ),
]
BYTES = [tuple(bytes.fromhex(part) for part in vector) for vector in VECTORS]
#: The order of the group, RFC 8032, 5.1: S and S + L would both do for a verifier that does not look.
ORDER = 2**252 + 27742317777372353535851937790883648493


@pytest.mark.parametrize(("seed", "public", "message", "signature"), BYTES)
def test_the_vectors(seed: bytes, public: bytes, message: bytes, signature: bytes) -> None:
    assert libcrypto.public_of(seed) == public
    assert libcrypto.sign(seed, message) == signature
    assert libcrypto.verifies(public, signature, message)


@pytest.mark.parametrize(("seed", "public", "message", "signature"), BYTES)
def test_one_bit_less(seed: bytes, public: bytes, message: bytes, signature: bytes) -> None:
    for place in range(len(signature)):
        wrong = bytearray(signature)
        wrong[place] ^= 1
        assert not libcrypto.verifies(public, bytes(wrong), message)
    assert not libcrypto.verifies(public, signature, message + b"x")
    assert not libcrypto.verifies(BYTES[0][1] if public != BYTES[0][1] else BYTES[1][1], signature, message)


def test_a_signature_has_one_form() -> None:
    _, public, message, signature = BYTES[1]
    other = int.from_bytes(signature[32:], "little") + ORDER
    assert not libcrypto.verifies(public, signature[:32] + other.to_bytes(32, "little"), message)


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_other_sizes(size: int) -> None:
    _, public, message, signature = BYTES[0]
    assert not libcrypto.verifies(bytes(size), signature, message)
    assert not libcrypto.verifies(public, signature[:size] if size < 64 else signature * 2, message)
    with pytest.raises(UnavailableError):
        libcrypto.sign(bytes(size), message)
    with pytest.raises(UnavailableError):
        libcrypto.public_of(bytes(size))

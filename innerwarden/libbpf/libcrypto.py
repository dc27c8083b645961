# SPDX-License-Identifier: Apache-2.0
"""Ed25519 (RFC 8032) by the OpenSSL library that Python's own hashlib is linked with: nothing more to ship, and the
distribution mends it. It is loaded when it is first asked for. Source: EVP_PKEY_new(3), EVP_DigestVerifyInit(3)."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from innerwarden.errors import UnavailableError

KEY_BYTES, SIGNATURE_BYTES = 32, 64
_ED25519 = 1087  # NID_ED25519, openssl/obj_mac.h
_NAMES = ("libcrypto.so.3", "libcrypto.so.1.1")
_POINTER, _SIZE, _BYTES = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p
_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "EVP_PKEY_new_raw_public_key": (_POINTER, (ctypes.c_int, _POINTER, _BYTES, _SIZE)),
    "EVP_PKEY_new_raw_private_key": (_POINTER, (ctypes.c_int, _POINTER, _BYTES, _SIZE)),
    "EVP_PKEY_get_raw_public_key": (ctypes.c_int, (_POINTER, _BYTES, ctypes.POINTER(_SIZE))),
    "EVP_PKEY_free": (None, (_POINTER,)),
    "EVP_MD_CTX_new": (_POINTER, ()),
    "EVP_MD_CTX_free": (None, (_POINTER,)),
    "EVP_DigestVerifyInit": (ctypes.c_int, (_POINTER,) * 5),
    "EVP_DigestVerify": (ctypes.c_int, (_POINTER, _BYTES, _SIZE, _BYTES, _SIZE)),
    "EVP_DigestSignInit": (ctypes.c_int, (_POINTER,) * 5),
    "EVP_DigestSign": (ctypes.c_int, (_POINTER, _BYTES, ctypes.POINTER(_SIZE), _BYTES, _SIZE)),
    "ERR_clear_error": (None, ()),
}


def verifies(public: bytes, signature: bytes, message: bytes) -> bool:
    """Is this the signature of the message by the holder of the key (32 bytes, raw)? Raises UnavailableError."""
    if len(public) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    crypto = _library()
    with _key("EVP_PKEY_new_raw_public_key", public) as key, _context() as context:
        if key is None or crypto.EVP_DigestVerifyInit(context, None, None, None, key) != 1:
            return False
        return bool(crypto.EVP_DigestVerify(context, signature, len(signature), message, len(message)) == 1)


def sign(seed: bytes, message: bytes) -> bytes:
    """64 bytes; `seed` is the private key of 32 bytes. Raises UnavailableError."""
    crypto = _library()
    made, size = ctypes.create_string_buffer(SIGNATURE_BYTES), _SIZE(SIGNATURE_BYTES)
    with _key("EVP_PKEY_new_raw_private_key", seed) as key, _context() as context:
        if (
            key is None
            or crypto.EVP_DigestSignInit(context, None, None, None, key) != 1
            or crypto.EVP_DigestSign(context, made, ctypes.byref(size), message, len(message)) != 1
            or size.value != SIGNATURE_BYTES
        ):
            raise UnavailableError(
                "OpenSSL does not sign with this key", "Make a key: innerwarden module keygen"
            )
    return made.raw


def public_of(seed: bytes) -> bytes:
    """The public key of a private one, 32 bytes. Raises UnavailableError."""
    made, size = ctypes.create_string_buffer(KEY_BYTES), _SIZE(KEY_BYTES)
    with _key("EVP_PKEY_new_raw_private_key", seed) as key:
        if key is None or _library().EVP_PKEY_get_raw_public_key(key, made, ctypes.byref(size)) != 1:
            raise UnavailableError("OpenSSL does not take this key", "Make a key: innerwarden module keygen")
    return made.raw


@cache
def _library() -> ctypes.CDLL:
    for name in _NAMES:
        try:
            library = ctypes.CDLL(name)
            for function, (result, arguments) in _FUNCTIONS.items():
                one = getattr(library, function)
                one.restype, one.argtypes = result, arguments
        except (OSError, AttributeError):
            continue
        return library
    raise UnavailableError(
        f"signatures need OpenSSL 1.1.1 or newer ({' or '.join(_NAMES)})", "Install libssl3 (libssl3t64)"
    )


@contextmanager
def _key(maker: str, raw: bytes) -> Iterator[int | None]:
    """The key as OpenSSL holds it, None when it refuses it."""
    library = _library()
    key = getattr(library, maker)(_ED25519, None, raw, len(raw))
    try:
        yield key
    finally:
        library.EVP_PKEY_free(key)
        library.ERR_clear_error()


@contextmanager
def _context() -> Iterator[int]:
    context = _library().EVP_MD_CTX_new()
    if not context:
        raise UnavailableError("OpenSSL has no memory", "Free some")
    try:
        yield context
    finally:
        _library().EVP_MD_CTX_free(context)

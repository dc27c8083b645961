# SPDX-License-Identifier: Apache-2.0
"""Ed25519 keys as files that `openssl pkey` reads and writes too (PEM, RFC 8410), and which of them are trusted."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from pathlib import Path

from innerwarden.errors import ConfigError, UnavailableError, UsageError
from innerwarden.modules import ownership

#: DER before the 32 bytes of the key; both are of fixed length for Ed25519. Source: RFC 8410, 4 and 7.
_PUBLIC = bytes.fromhex("302a300506032b6570032100")
_PRIVATE = bytes.fromhex("302e020100300506032b657004220420")
_PEM = re.compile(r"-----BEGIN (PUBLIC|PRIVATE) KEY-----\s+([A-Za-z0-9+/=\s]+?)\s+-----END \1 KEY-----\s*")
MAX_BYTES = 4096
SUFFIX = ".pem"
REMEDY = "Use an Ed25519 key: innerwarden module keygen, or openssl genpkey -algorithm ed25519"


def id_of(public: bytes) -> str:
    """16 hexadecimal digits by which people and files name a key."""
    return hashlib.sha256(public).hexdigest()[:16]


def public_pem(public: bytes) -> bytes:
    return _pem("PUBLIC", _PUBLIC + public)


def private_pem(seed: bytes) -> bytes:
    return _pem("PRIVATE", _PRIVATE + seed)


def _pem(kind: str, der: bytes) -> bytes:
    text = base64.b64encode(der).decode()
    return f"-----BEGIN {kind} KEY-----\n{text}\n-----END {kind} KEY-----\n".encode()


def read_public(path: Path) -> bytes:
    """32 bytes. Raises UsageError."""
    return _read(path, "PUBLIC", _PUBLIC)


def read_private(path: Path) -> bytes:
    """32 bytes. Raises UsageError, for a file that others may read too."""
    try:
        mode = path.stat().st_mode & 0o077
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", REMEDY) from error
    if mode:
        raise UsageError(f"{path} is a private key, and others have rights on it", f"Run: chmod 600 {path}")
    return _read(path, "PRIVATE", _PRIVATE)


def _read(path: Path, kind: str, prefix: bytes) -> bytes:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
        found = _PEM.fullmatch(text.decode("ascii")) if len(text) <= MAX_BYTES else None
        der = base64.b64decode(found[2]) if found and found[1] == kind else b""
    except (OSError, UnicodeDecodeError, binascii.Error) as error:
        raise UsageError(f"{path} cannot be read: {error}", REMEDY) from error
    if len(der) != len(prefix) + 32 or not der.startswith(prefix):
        raise UsageError(f"{path} is no {kind.lower()} Ed25519 key in PEM", REMEDY)
    return der[len(prefix) :]


def write_new(path: Path, data: bytes, mode: int) -> None:
    """Never over what is there. Raises UnavailableError."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
        with os.fdopen(fd, "wb") as file:
            os.fchmod(fd, mode)
            file.write(data)
    except OSError as error:
        raise UnavailableError(f"{path} cannot be written: {error.strerror}", "Give another file") from error


def trusted(directory: Path) -> dict[str, bytes]:
    """Key id -> public key, of every .pem file there; none where there is no such directory.

    Raises ConfigError when one is no key, or when anybody but root (or this process's user) could change them.
    """
    if not directory.is_dir():
        return {}
    try:
        if problems := ownership.problems_of(directory):
            raise ConfigError(f"trusted keys: {problems[0]}", "Correct it; no signature counts until then")
        found = [read_public(path) for path in sorted(directory.glob(f"*{SUFFIX}"))]
    except (OSError, UsageError) as error:
        raise ConfigError(f"trusted keys: {error}", "Correct or remove that file") from error
    return {id_of(public): public for public in found}

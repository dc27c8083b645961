# SPDX-License-Identifier: Apache-2.0
"""Who vouches for a module: an Ed25519 signature over its id, its version, and the name, size and SHA-256 of each file.

The signature lies beside module.toml and travels in packages. Files have no mode of their own there: installing sets
it, and what is a link, a device or has a set-user-id bit is refused before anything is compared.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

import msgspec

from innerwarden.config import ModulesConfig
from innerwarden.errors import ConfigError, ModuleError, UnavailableError
from innerwarden.libbpf import libcrypto
from innerwarden.modules import keys
from innerwarden.modules.package import Contents, Package, of_directory

FILE = "module.sig"
UNSIGNED = "it is not signed"
_CONTEXT = b"innerwarden module signature 1\n"


class Signature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`key` names it (keys.id_of); `signature` is base64 of 64 bytes."""

    format: int = 1
    key: str
    signature: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """`signed_by` is the id of a trusted key, or None with the `problem`. `files`: name -> bytes, as compared."""

    signed_by: str | None = None
    problem: str = ""
    files: dict[str, bytes] = {}


def message_of(contents: Contents) -> bytes:
    """What is signed: the same bytes for the same module, whoever holds it."""
    files = {name: listed for name, listed in contents.files.items() if name != FILE}
    signed = msgspec.structs.replace(contents, files=files)
    return _CONTEXT + msgspec.json.encode(signed, order="deterministic")


def sign(package: Package, seed: bytes) -> bytes:
    """The content of `module.sig`. Raises UnavailableError."""
    made = Signature(
        key=keys.id_of(libcrypto.public_of(seed)),
        signature=base64.b64encode(libcrypto.sign(seed, message_of(package.contents))).decode(),
    )
    return msgspec.json.format(msgspec.json.encode(made, order="deterministic"), indent=1) + b"\n"


def judge(package: Package, trusted: dict[str, bytes]) -> Verdict:
    """Against `trusted`: key id -> public key. Raises UnavailableError where nothing can be verified."""
    raw = package.files.get(FILE)
    if raw is None:
        return Verdict(problem=UNSIGNED)
    try:
        found = msgspec.json.decode(raw, type=Signature)
        signature = base64.b64decode(found.signature, validate=True)
    except (msgspec.MsgspecError, binascii.Error, ValueError) as error:
        return Verdict(problem=f"{FILE} is no signature: {error}")
    if found.format != 1:
        return Verdict(problem=f"{FILE} has the format {found.format}, which is not known here")
    public = trusted.get(found.key)
    if public is None:
        return Verdict(problem=f"it is signed by {found.key[:64]!r}, which is none of the trusted keys")
    if not libcrypto.verifies(public, signature, message_of(package.contents)):
        return Verdict(problem=f"its files are not those that {found.key} signed")
    return Verdict(signed_by=found.key, files=package.files)


def check(directory: Path, config: ModulesConfig) -> Verdict:
    """Of an installed module. Every file is read once; what is wrong with keys or files is the verdict's problem."""
    try:
        return judge(of_directory(directory), keys.trusted(Path(config.keys)))
    except ModuleError as error:
        return Verdict(problem="; ".join((str(error), *error.problems)))
    except (OSError, ConfigError, UnavailableError) as error:
        return Verdict(problem=str(error))

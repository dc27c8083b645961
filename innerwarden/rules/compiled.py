# SPDX-License-Identifier: Apache-2.0
"""The saved form of compiled rules: valid only for the very sources and program that made it.

With a valid file the sensor starts without importing YAML or pySigma.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
from innerwarden_core import ABI_VERSION, FIELDS, OPERATORS

from innerwarden import __version__
from innerwarden.model.detector import DetectorSpec
from innerwarden.rules.program import CompiledCorrelation, CompiledRule, RuleSource

#: Raised when the compiler's output changes meaning without any other trace.
FORMAT = 3


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    rules: tuple[CompiledRule, ...]
    correlations: tuple[CompiledCorrelation, ...]
    specs: tuple[DetectorSpec, ...]
    problems: tuple[str, ...] = ()


def key_of(sources: Sequence[RuleSource]) -> str:
    """Digest of everything that the compiled form depends on."""
    digest = hashlib.blake2b(digest_size=16)
    for part in (__version__, FORMAT, ABI_VERSION, sorted(FIELDS), sorted(OPERATORS)):
        digest.update(repr(part).encode())
    for source in sources:
        digest.update(msgspec.msgpack.encode(source))
    return digest.hexdigest()


def compile_or_load(sources: Sequence[RuleSource], cache: Path | None) -> Saved:
    """The compiled form from `cache` when it is of these sources, else compiled now and saved."""
    key = key_of(sources)
    saved = _load(cache, key) if cache else None
    if saved is not None:
        return saved
    from innerwarden.rules.compiler import compile_sources

    compiled = compile_sources(sources)
    saved = Saved(
        key=key,
        rules=compiled.rules,
        correlations=compiled.correlations,
        specs=compiled.specs,
        problems=compiled.problems,
    )
    if cache:
        _save(cache, saved)
    return saved


def _load(cache: Path, key: str) -> Saved | None:
    try:
        saved = msgspec.msgpack.decode(cache.read_bytes(), type=Saved)
    except (OSError, msgspec.MsgspecError):
        return None
    return saved if saved.key == key else None


def _save(cache: Path, saved: Saved) -> None:
    """Replace the file whole; a directory that can not be written only costs the next start some time."""
    scratch = cache.with_name(f"{cache.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.msgpack.encode(saved))
        scratch.replace(cache)

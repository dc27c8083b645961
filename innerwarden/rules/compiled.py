# SPDX-License-Identifier: Apache-2.0
"""The saved form of compiled rules: valid only for the very sources and program that made it.

With a valid file the sensor starts without importing YAML or pySigma.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
from innerwarden_core import ABI_VERSION, FIELDS, OPERATORS

from innerwarden import __version__, paths
from innerwarden.errors import UnavailableError
from innerwarden.model.detector import DetectorSpec
from innerwarden.rules.program import CompiledCorrelation, CompiledRule, RuleSource

#: Raised when the compiler's output changes meaning without any other trace.
FORMAT = 3
CHILD_WITHIN_S = 120.0

Compile = Callable[[Sequence["RuleSource"]], "Saved"]


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


def compile_or_load(
    sources: Sequence[RuleSource], cache: Path | None, compile_with: Compile | None = None
) -> Saved:
    """The compiled form from `cache`, or from what shipped, when it is of these sources; else compiled now and saved.

    Raises what `compile_with` raises; the compiler of this process is the default.
    """
    key = key_of(sources)
    for file in _places(cache) if cache else ():
        if (saved := _load(file, key)) is not None:
            return saved
    saved = (compile_with or compile_here)(sources)
    if cache:
        _save(cache, saved)
    return saved


def _places(cache: Path) -> Iterator[Path]:
    yield cache
    yield paths.shipped_rules()
    yield paths.checkout_rules()


def compile_here(sources: Sequence[RuleSource]) -> Saved:
    """Imports YAML and pySigma, which weigh some 25 MiB."""
    from innerwarden.rules.compiler import compile_sources

    compiled = compile_sources(sources)
    return Saved(
        key=key_of(sources),
        rules=compiled.rules,
        correlations=compiled.correlations,
        specs=compiled.specs,
        problems=compiled.problems,
    )


def compile_in_child(sources: Sequence[RuleSource]) -> Saved:
    """The same in a process of its own, so that a running sensor neither grows nor stands still.

    Raises UnavailableError when the child fails or takes longer than CHILD_WITHIN_S.
    """
    try:
        done = subprocess.run(
            paths.child_python("innerwarden.rules.child"),
            input=msgspec.msgpack.encode(sources),
            capture_output=True,
            cwd="/",
            env=paths.child_environment(),
            timeout=CHILD_WITHIN_S,
            check=True,
        )
        return msgspec.msgpack.decode(done.stdout, type=Saved)
    except subprocess.CalledProcessError as error:
        last = error.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise UnavailableError(
            f"rules could not be compiled: {last or f'code {error.returncode}'}"
        ) from error
    except (OSError, subprocess.TimeoutExpired, msgspec.MsgspecError) as error:
        raise UnavailableError(f"rules could not be compiled: {error}") from error


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

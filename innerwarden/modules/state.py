# SPDX-License-Identifier: Apache-2.0
"""What the operator switched on and off: one small file beside the installed modules, replaced whole.

Modules that came with the product run unless they are switched off; all others run only when they are switched on.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from innerwarden import files
from innerwarden.errors import ConfigError, UnavailableError
from innerwarden.unreadable import UNREADABLE


class ModuleState(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`enabled`: id -> digest of the files when it was switched on (see `digest_of`). `disabled`: shipped modules."""

    format: int = 1
    enabled: dict[str, str] = msgspec.field(default_factory=dict)
    disabled: tuple[str, ...] = ()

    def with_enabled(self, module: str, digest: str) -> ModuleState:
        return ModuleState(enabled={**self.enabled, module: digest}, disabled=self._without(module))

    def with_shipped(self, module: str, *, on: bool) -> ModuleState:
        off = self._without(module) if on else (*self._without(module), module)
        return ModuleState(enabled=self.enabled, disabled=tuple(sorted(off)))

    def without(self, module: str) -> ModuleState:
        """Neither on nor off by name: a module that did not ship is off then."""
        enabled = {name: digest for name, digest in self.enabled.items() if name != module}
        return ModuleState(enabled=enabled, disabled=self._without(module))

    def _without(self, module: str) -> tuple[str, ...]:
        return tuple(name for name in self.disabled if name != module)


def encode(state: ModuleState) -> bytes:
    return msgspec.json.format(msgspec.json.encode(state, order="deterministic"), indent=2) + b"\n"


def stamp_of(state: ModuleState) -> str:
    """Equal for equal states: by it a sensor says which one it runs."""
    return hashlib.sha256(encode(state)).hexdigest()[:16]


def read(path: Path) -> ModuleState:
    """The state; nothing is switched where there is no file. Raises ConfigError."""
    try:
        state = msgspec.json.decode(path.read_bytes(), type=ModuleState)
    except FileNotFoundError:
        return ModuleState()
    except (OSError, *UNREADABLE) as error:
        raise ConfigError(
            f"{path}:1: cannot be read: {error}",
            "Correct it, or remove it and switch modules on again with innerwarden module enable",
        ) from error
    if state.format != 1:
        raise ConfigError(
            f"{path}:1: format {state.format} is not known here", "Use the version that wrote it"
        )
    return state


def write(path: Path, state: ModuleState) -> None:
    """Replace the file in one step. Raises UnavailableError."""
    try:
        make_directory(path.parent)
        files.replace_whole(path, encode(state), 0o644)
    except OSError as error:
        raise UnavailableError(
            f"{path} cannot be written: {error.strerror}", "Run the command with sudo"
        ) from error


def make_directory(path: Path) -> None:
    """Only the owner may write there, whatever the umask says. Raises OSError."""
    if not path.is_dir():
        path.mkdir(parents=True, mode=0o755)
        path.chmod(0o755)


def digest_of(directory: Path) -> str:
    """SHA-256 over the names and contents of a module's files. Raises OSError."""
    digest = hashlib.sha256()
    for path in files_of(directory):
        name = str(path.relative_to(directory)).encode("utf-8", "surrogateescape")
        digest.update(len(name).to_bytes(4, "little") + name + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def files_of(directory: Path) -> list[Path]:
    """Every file that belongs to a module, in order; what Python, git and editors leave behind does not."""
    return sorted(
        path
        for path in directory.rglob("*")
        if path.is_file()
        and not any(p == "__pycache__" or p.startswith(".") for p in path.relative_to(directory).parts)
    )

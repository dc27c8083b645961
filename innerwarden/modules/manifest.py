# SPDX-License-Identifier: Apache-2.0
"""module.toml: what a module is, brings, needs and may do. Every problem is collected with its line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import msgspec

from innerwarden.unreadable import toml

FILE = "module.toml"
#: The text of a file; raises OSError or UnicodeDecodeError.
Read = Callable[[Path], str]
KEBAB = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
VERSION = re.compile(r"\d+\.\d+\.\d+")
TIERS = ("core", "community", "experimental")
PREFLIGHTS = ("file", "command", "user")


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every table: an unknown key is an error."""


class About(Table, frozen=True):
    id: str
    name: str
    version: str
    description: str
    authors: tuple[str, ...]
    license: str
    tier: str = "community"
    builtin: bool = False
    min_innerwarden: str = "0.1.0"


class Provides(Table, frozen=True):
    collectors: tuple[str, ...] = ()
    detectors: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()
    notifiers: tuple[str, ...] = ()
    correlations: tuple[str, ...] = ()


class Requires(Table, frozen=True):
    """`collectors` are sources that it needs, `modules` other modules, `min_kernel` e.g. 5.10."""

    collectors: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    min_kernel: str | None = None


class ResponseRule(Table, frozen=True):
    """A response that is proposed for a detector; `auto_execute` also needs the operator's two switches."""

    detector: str
    skill: str
    min_confidence: float = 0.9
    auto_execute: bool = False


class Security(Table, frozen=True):
    allowed_commands: tuple[str, ...] = ()


class Preflight(Table, frozen=True):
    """A check before enabling: `kind` is file, command or user; `remedy` is what a person does about it."""

    kind: str
    value: str
    remedy: str


class Manifest(Table, frozen=True):
    module: About
    provides: Provides = Provides()
    requires: Requires = Requires()
    rules: tuple[ResponseRule, ...] = ()
    security: Security = Security()
    preflights: tuple[Preflight, ...] = ()


def on_disk(path: Path) -> str:
    return path.read_text("utf-8")


def read(directory: Path, text_of: Read = on_disk) -> tuple[Manifest | None, list[str]]:
    """The manifest of one module directory and every problem with it, as `file:line: text`."""
    path = directory / FILE
    try:
        text = text_of(path)
        tree = toml(text)
    except (OSError, UnicodeDecodeError) as error:
        return None, [f"{path}:1: cannot be read: {error}"]
    except tomllib.TOMLDecodeError as error:
        return None, [f"{path}:{toml_line(error)}: {error}"]
    try:
        manifest = msgspec.convert(tree, Manifest)
    except msgspec.ValidationError as error:
        return None, [f"{path}:{_line(text, str(error))}: {error}"]
    return manifest, [f"{path}:{line_of(text, key)}: {what}" for key, what in _problems(manifest, directory)]


def _problems(manifest: Manifest, directory: Path) -> list[tuple[str, str]]:
    """(key, text) of everything that is well typed and still wrong."""
    out = _about_problems(manifest.module, directory.resolve().name)
    for field in Provides.__struct_fields__:
        for name in getattr(manifest.provides, field):
            if not SNAKE.fullmatch(name):
                out.append((field, f"{field}: id {name!r} is not snake_case"))
    for rule in manifest.rules:
        if rule.detector not in manifest.provides.detectors:
            out.append(
                ("rules", f"rules names detector {rule.detector!r}, which the module does not provide")
            )
        if not 0 <= rule.min_confidence <= 1:
            out.append(("min_confidence", f"min_confidence {rule.min_confidence} lies outside 0..1"))
    for command in manifest.security.allowed_commands:
        if not command.startswith("/") or any(c in command for c in " ;|&$`\n"):
            out.append(("allowed_commands", f"allowed command {command!r} is not one absolute path"))
    for check in manifest.preflights:
        if check.kind not in PREFLIGHTS:
            out.append(("preflights", f"preflight kind {check.kind!r} is not one of {', '.join(PREFLIGHTS)}"))
    return out


def _about_problems(about: About, name: str) -> list[tuple[str, str]]:
    out: list[tuple[str, str]] = []
    if not KEBAB.fullmatch(about.id):
        out.append(("id", f"module id {about.id!r} is not kebab-case"))
    if about.id != name:
        out.append(("id", f"module id {about.id!r} is not the directory's name {name!r}"))
    for key in ("version", "min_innerwarden"):
        if not VERSION.fullmatch(getattr(about, key)):
            out.append((key, f"{key} {getattr(about, key)!r} is not MAJOR.MINOR.PATCH"))
    if about.tier not in TIERS:
        out.append(("tier", f"tier {about.tier!r} is not one of {', '.join(TIERS)}"))
    for key in ("name", "description", "license", "authors"):
        if not getattr(about, key):
            out.append((key, f"{key} is empty"))
    return out


def toml_line(error: tomllib.TOMLDecodeError) -> int:
    """The line that the TOML parser names in its message; 1 when it names none."""
    match = re.search(r"line (\d+)", str(error))
    return int(match[1]) if match else 1


def line_of(text: str, key: str) -> int:
    """Line of the first `key =`, `[key]` or `[[key]]`; 1 when there is none."""
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.replace(" ", "").strip("[]")
        if bare == key or bare.startswith(f"{key}=") or bare.endswith(f".{key}"):
            return number
    return 1


def _line(text: str, message: str) -> int:
    """Line of the innermost key that a msgspec message names."""
    quoted = message.split("`")[1::2]
    names = [part for part in quoted if not part.startswith("$")]
    for part in reversed(quoted):
        names += reversed([word for word in part.replace("[...]", "").strip("$.").split(".") if word])
    return next((line for name in names if (line := line_of(text, name)) > 1), 1)

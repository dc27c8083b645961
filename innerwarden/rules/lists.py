# SPDX-License-Identifier: Apache-2.0
"""Lists of values that rules share, each a text file: what Sigma's `field|expand: '%name%'` stands for.

`#` begins a comment line, one of which says `# Source: ...`; every other line is one value, with Sigma's wildcards.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec

from innerwarden.errors import InnerWardenError, RuleError

DIRECTORY = "lists"
SUFFIX = ".txt"
MAX_VALUES = 200
"""pySigma gives up beyond; a longer list is no list of a rule but a feed."""
MAX_VALUE_BYTES = 256
MAX_FILE_BYTES = 64 * 1024
NAME = re.compile(r"%([a-z][a-z0-9_]*)%")
_SOURCE = re.compile(r"^#[ \t]*Source:[ \t]*\S", re.MULTILINE)


class ValueList(msgspec.Struct, frozen=True, kw_only=True):
    """`file` is where it was read; `values` are as written, in order."""

    name: str
    file: str
    values: tuple[str, ...]


def read_list(path: Path) -> ValueList:
    """Raises RuleError with `file:line` and every problem of the file."""
    try:
        with path.open("rb") as file:
            return parse_list(path, file.read(MAX_FILE_BYTES + 1))
    except OSError as error:
        raise RuleError(f"{path}:1: the list cannot be read: {error}", "Make it a UTF-8 text file") from error


def parse_list(path: Path, raw: bytes) -> ValueList:
    """The same of bytes that were read from `path`."""
    try:
        if len(raw) > MAX_FILE_BYTES:
            raise RuleError(f"{path}:1: the list is larger than {MAX_FILE_BYTES} bytes", "Split it")
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RuleError(f"{path}:1: the list cannot be read: {error}", "Make it a UTF-8 text file") from error
    values: dict[str, int] = {}
    problems: list[tuple[int, str]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if problem := _problem(line, values):
            problems.append((number, problem))
        values.setdefault(line, number)
    if not _SOURCE.search(text):
        problems.append((1, "no line `# Source: ...` says where the values come from"))
    if not values:
        problems.append((1, "the list has no value, so that a rule with it could not fire"))
    if len(values) > MAX_VALUES:
        problems.append((list(values.values())[MAX_VALUES], f"the list has more than {MAX_VALUES} values"))
    if problems:
        text = "; ".join(what if at == problems[0][0] else f"line {at}: {what}" for at, what in problems)
        raise RuleError(f"{path}:{problems[0][0]}: {text}", "Correct the list; rules with it are refused")
    return ValueList(name=path.stem, file=str(path), values=tuple(values))


def _problem(line: str, seen: dict[str, int]) -> str | None:
    if line != line.strip():
        return f"{line!r} begins or ends with a space, which would be part of the value"
    if line in seen:
        return f"{line!r} is there already, in line {seen[line]}"
    if len(line.encode()) > MAX_VALUE_BYTES:
        return f"a value is longer than {MAX_VALUE_BYTES} bytes"
    if not line.strip("*?"):
        return f"{line!r} is wildcards only and would match everything"
    if "%" in line or not line.isprintable():
        return f"{line!r} has a character that no value may have (%, control characters)"
    return None


class Shelf:
    """The lists of the modules' directories, each read at most once."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = tuple(roots)
        self._read: dict[Path, ValueList | None] = {}
        self._held: set[Path] = set()
        self.problems: list[str] = []
        """Lists that were wanted and refused."""

    def of(self, text: str, module: Path) -> tuple[ValueList, ...]:
        """The lists that a rule of a module's directory names: its module's, then its root's, then other roots'."""
        if "expand" not in text:
            return ()
        roots = sorted(self._roots, key=lambda root: root != module.parent)
        places = [place / DIRECTORY for place in (module, *roots)]
        found = (self._first(name, places) for name in sorted(set(NAME.findall(text))))
        return tuple(one for one in found if one is not None)

    def hold(self, module: Path, lists: dict[str, bytes]) -> None:
        """The lists of a module's directory, by file name: no other of it is looked at."""
        place = module / DIRECTORY
        self._held.add(place)
        for name, raw in lists.items():
            path = place / name
            self._read[path] = self._parsed(partial(parse_list, path, raw))

    def _first(self, name: str, places: Sequence[Path]) -> ValueList | None:
        for place in places:
            path = place / f"{name}{SUFFIX}"
            if path not in self._read:
                if place in self._held or not path.is_file():
                    continue
                self._read[path] = self._parsed(partial(read_list, path))
            return self._read[path]
        return None

    def _parsed(self, read: Callable[[], ValueList]) -> ValueList | None:
        try:
            return read()
        except InnerWardenError as error:
            self.problems.append(str(error))
            return None

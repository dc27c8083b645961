# SPDX-License-Identifier: Apache-2.0
"""TOML files of tables ([[rule]], [[playbook]]): read into Structs, every problem as `file:line: text`.

An operator's file may make this machine act, so one that somebody else could write is refused like a trust file.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from innerwarden.errors import RuleError
from innerwarden.trust.store import guarded
from innerwarden.unreadable import toml

MAX_BYTES = 1 << 20
T = TypeVar("T", bound=msgspec.Struct)


class Row(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """A table as it was read, and where it begins."""

    value: T
    file: str
    line: int


def parse(text: str, name: str, table: str, kind: type[T]) -> tuple[list[Row[T]], list[str]]:
    """Rows and problems of one file's text."""
    try:
        tree = toml(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"line (\d+)", str(error))
        return [], [f"{name}:{found[1] if found else 1}: {error}"]
    problems = [
        f"{name}:{line_of(text, key)}: unknown key {key!r}; write [[{table}]]" for key in tree if key != table
    ]
    tables = tree.get(table, [])
    if not isinstance(tables, list):
        return [], [*problems, f"{name}:1: write [[{table}]], with two brackets"]
    starts = starts_of(text, table)
    rows = []
    for number, one in enumerate(tables):
        start = starts[number] if number < len(starts) else 1
        end = starts[number + 1] - 1 if number + 1 < len(starts) else text.count("\n") + 1
        try:
            rows.append(Row(value=msgspec.convert(one, kind), file=name, line=start))
        except (msgspec.ValidationError, ValueError) as error:
            problems.append(f"{name}:{_named_line(text, str(error), start, end)}: {error}")
    return rows, problems


def starts_of(text: str, table: str) -> list[int]:
    """Lines of the headers."""
    header = re.compile(rf"\s*\[\[\s*{table}\s*\]\]\s*(#.*)?")
    return [number for number, line in enumerate(text.splitlines(), 1) if header.fullmatch(line)]


def line_of(text: str, key: str, start: int = 1, end: int | None = None) -> int:
    """The line that gives `key`, else `start`."""
    for number, line in enumerate(text.splitlines()[start - 1 : end], start):
        bare = line.replace(" ", "")
        if bare.startswith(f"{key}=") or bare.strip("[]").rpartition(".")[2] == key:
            return number
    return start


def _named_line(text: str, message: str, start: int, end: int) -> int:
    """msgspec names an unknown field, and the path to a bad value such as `$.steps[1].verb`, in back ticks."""
    quoted = message.split("`")[1::2]
    path = next((part for part in quoted if part.startswith("$.")), "")
    for name, place in re.findall(r"\.(\w+)(?:\[(\d+)\])?", path):
        headers = [n for n in range(start, end + 1) if _is_header(text, n, name)]
        if len(headers) > int(place or 0):
            start = headers[int(place or 0)]
    for key in (*(part for part in quoted if not part.startswith("$")), path.rpartition(".")[2]):
        if key and (line := line_of(text, key, start, end)) != start:
            return line
    return start


def _is_header(text: str, number: int, name: str) -> bool:
    line = text.splitlines()[number - 1].replace(" ", "") if number <= len(text.splitlines()) else ""
    return line.startswith("[") and line.strip("[]").endswith(f".{name}")


def gather(
    shipped: Iterable[Path], directory: Path, table: str, kind: type[T]
) -> tuple[list[Row[T]], list[str]]:
    """Rows of the operator's `directory` (by file name), then of what ships."""
    rows: list[Row[T]] = []
    problems: list[str] = []
    for path in sorted(directory.glob("*.toml")) if directory.is_dir() else ():
        found, wrong = _checked(directory, path, table, kind)
        rows += found
        problems += wrong
    for path in shipped:
        found, wrong = parse(path.read_text(encoding="utf-8"), str(path), table, kind)
        rows += found
        problems += wrong
    return rows, problems


def _checked(directory: Path, path: Path, table: str, kind: type[T]) -> tuple[list[Row[T]], list[str]]:
    for place in (directory, path):
        if (why := guarded(place)) is not None:
            return [], [why]
    try:
        if path.stat().st_size > MAX_BYTES:
            return [], [f"{path}:1: more than {MAX_BYTES} bytes; split it"]
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return [], [f"{path}:1: {error}"]
    return parse(text, str(path), table, kind)


def refuse(what: str, problems: list[str]) -> None:
    """Raises RuleError with all of them, if there are any."""
    if problems:
        raise RuleError("\n".join([f"{what} cannot be used", *problems]), "See docs/triage.md")

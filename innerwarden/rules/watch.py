# SPDX-License-Identifier: Apache-2.0
"""Which files the loaded rules look at, so that the kernel programs watch those and no others."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from innerwarden.model._wire import OpenFlag
from innerwarden.rules.program import CompiledRule


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """(operator, text) pairs on the canonical path, by what is done to the file.

    `file_names` are tests on last components.
    """

    written: tuple[tuple[str, str], ...] = ()
    read: tuple[tuple[str, str], ...] = ()
    file_names: tuple[tuple[str, str], ...] = ()


def watch_of(rules: Iterable[CompiledRule]) -> Watch:
    """The names that rules look for; what a rule only excludes is not watched for its sake."""
    written: dict[tuple[str, str], None] = {}
    read: dict[tuple[str, str], None] = {}
    names: dict[tuple[str, str], None] = {}
    for rule in rules:
        place = read if _reads(rule) else written
        for field, operator, literal in rule.watched:
            pair = (operator, literal.decode("utf-8", "backslashreplace"))
            (names if field == "file_name" else place)[pair] = None
    return Watch(written=tuple(written), read=tuple(read), file_names=tuple(names))


def _reads(rule: CompiledRule) -> bool:
    return any(
        p.field == "open_flags" and p.operator == "bit_any" and OpenFlag.WATCHED_READ in p.literals
        for p in rule.predicates
    )


class WatchedName(msgspec.Struct, frozen=True, kw_only=True):
    """One path component that the kernel compares: a file's own name, or a directory's above the file."""

    name: str
    directory: bool
    read: bool


def names_of(watch: Watch) -> tuple[tuple[WatchedName, ...], tuple[str, ...]]:
    """Components by which the kernel finds the watched paths, and the tests that name none.

    A whole path is found by its last component, which must hold no wildcard, a directory's prefix by the directory's
    own name.
    """
    names: dict[WatchedName, None] = {}
    without: list[str] = []
    rows = [(test, False) for test in watch.written] + [(test, True) for test in watch.read]
    for (operator, text), read in rows:
        directory = operator in ("startswith", "contains")
        parts = [part for part in text.split("/") if part]
        whole = text.endswith("/") if directory else text.startswith("/")
        if not parts or not whole or set("*?").intersection(parts[-1]):
            without.append(f"path {operator} {text!r}")
            continue
        names[WatchedName(name=parts[-1], directory=directory, read=read)] = None
    for operator, text in watch.file_names:
        if operator == "equals":
            names[WatchedName(name=text, directory=False, read=False)] = None
        else:
            without.append(f"file_name {operator} {text!r}")
    return tuple(names), tuple(without)

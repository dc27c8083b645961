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

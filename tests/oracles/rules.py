# SPDX-License-Identifier: Apache-2.0
"""What a predicate and a decision graph mean, over a dict of field values (bytes, int, or absent)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

Value = bytes | int | None


@dataclass(frozen=True)
class Test:
    """`literals` as given to the native Predicate; of field_equals: field names."""

    field: str
    operator: str
    literals: tuple[bytes | int | str, ...]
    cased: bool = False
    __test__ = False


def fold(text: bytes) -> bytes:
    """bytes.lower() changes A-Z only."""
    return text.lower()


def glob_regex(pattern: bytes) -> re.Pattern[str]:
    """`*` any run, `?` one character, backslash before `*`, `?` or backslash makes it literal."""
    text = pattern.decode()
    out, i = "", 0
    while i < len(text):
        if text[i] == "\\" and text[i + 1 : i + 2] in ("*", "?", "\\"):
            out += re.escape(text[i + 1])
            i += 2
            continue
        out += {"*": ".*", "?": "."}.get(text[i], re.escape(text[i]))
        i += 1
    return re.compile(out, re.DOTALL)


def text_holds(test: Test, value: bytes) -> bool:
    if not test.cased:
        value = fold(value)
    for literal in test.literals:
        assert isinstance(literal, bytes)
        wanted = literal if test.cased else fold(literal)
        if test.operator == "equals" and value == wanted:
            return True
        if test.operator == "contains" and wanted in value:
            return True
        if test.operator == "startswith" and value.startswith(wanted):
            return True
        if test.operator == "endswith" and value.endswith(wanted):
            return True
        if test.operator == "glob" and glob_regex(wanted).fullmatch(value.decode()):
            return True
    return False


def number_holds(operator: str, value: int, literal: int) -> bool:
    return {
        "eq": value == literal,
        "ne": value != literal,
        "lt": value < literal,
        "le": value <= literal,
        "gt": value > literal,
        "ge": value >= literal,
        "bit_all": value & literal == literal,
        "bit_any": value & literal != 0,
    }[operator]


def holds(test: Test, fields: dict[str, Value]) -> bool:
    value = fields.get(test.field)
    if test.operator == "is_null":
        return value is None
    if value is None:
        return False
    if test.operator == "exists":
        return True
    if test.operator == "field_equals":
        others = [fields.get(str(name)) for name in test.literals]
        if isinstance(value, bytes) and not test.cased:
            return any(isinstance(o, bytes) and fold(o) == fold(value) for o in others)
        return any(o == value for o in others if o is not None)
    if test.operator == "cidr":
        assert isinstance(value, bytes)
        address = ipaddress.ip_address(value.decode())
        networks = [ipaddress.ip_network(str(n, "ascii"), strict=False) for n in test.literals]  # type: ignore[arg-type]
        return any(address.version == n.version and address in n for n in networks)
    if isinstance(value, bytes):
        return text_holds(test, value)
    return any(number_holds(test.operator, value, int(n)) for n in test.literals)


def matches(tests: Sequence[Test], nodes: Sequence[tuple[int, int, int]], fields: dict[str, Value]) -> bool:
    at = 0
    while at >= 0:
        predicate, on_true, on_false = nodes[at]
        at = on_true if holds(tests[predicate], fields) else on_false
    return at == -1

# SPDX-License-Identifier: Apache-2.0
"""One Sigma value on one field -> one exact test, or a refusal with the reason."""

from __future__ import annotations

import ipaddress

from sigma.types import (
    CompareOperators,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaRegularExpressionFlag,
    SigmaString,
    SigmaTimestampPart,
    SigmaType,
    SpecialChars,
)

from innerwarden.errors import RuleError
from innerwarden.model.vocabulary import LOG_KINDS, Field, FieldType
from innerwarden.rules.expression import And, Expression, Not, Or, Test
from innerwarden.rules.pipeline import NUMBER_NAMES, Source, resolve, suggest
from innerwarden.rules.regex import folds
from innerwarden.rules.regex_form import engine_pattern
from innerwarden.rules.regex_tree import Flags

_COMPARE = {
    CompareOperators.LT: "lt",
    CompareOperators.LTE: "le",
    CompareOperators.GT: "gt",
    CompareOperators.GTE: "ge",
}
_REFERENCES = {
    (False, False): "field_equals",
    (True, False): "field_startswith",
    (False, True): "field_endswith",
    (True, True): "field_contains",
}
U64_MAX = (1 << 64) - 1
#: Text of the kernel ends at a zero byte; of task records only these fields can hold one.
_BINARY = frozenset({"argv", "payload", "tls_hello"})


def test_of(field: Field, value: SigmaType, source: Source) -> Expression:  # noqa: PLR0911 - one per type
    """Raises RuleError for what can not be said exactly."""
    if isinstance(value, SigmaExpansion):
        return Or(tuple(test_of(field, item, source) for item in value.values))
    if isinstance(value, SigmaNull):
        return Test(field.name, "is_null")
    if isinstance(value, SigmaExists):
        return Test(field.name, "exists" if value else "is_null")
    if isinstance(value, SigmaFieldReference):
        return _field_reference(field, value, source)
    if isinstance(value, SigmaRegularExpression):
        return _regular_expression(field, value)
    if isinstance(value, SigmaCIDRExpression):
        return _cidr(field, value)
    if isinstance(value, SigmaCompareExpression) and value.op in _COMPARE:
        return Test(field.name, _COMPARE[value.op], (_number(field, value.number),))
    if type(value) is SigmaNumber:
        if field.type in (FieldType.NUMBER, FieldType.FLAGS):
            return Test(field.name, "eq", (_number(field, value),))
        return string_test(field, SigmaString(str(value)))
    if isinstance(value, SigmaString):
        return _text(field, value)
    if isinstance(value, SigmaTimestampPart):
        raise RuleError(f"{field.name} is no date", "The modifiers minute to year compare parts of a date")
    raise RuleError(
        f"{field.name}: a value of type {type(value).__name__} is not supported", "Rewrite the test"
    )


def _text(field: Field, value: SigmaString) -> Expression:
    if field.type is FieldType.STRING:
        return string_test(field, value)
    if value.contains_special():
        raise RuleError(
            f"{field.name} is a {field.type}; wildcards and text modifiers do not apply",
            "Use cidr for address ranges, gt/gte/lt/lte for numbers, whole names for flags",
        )
    text = value.to_plain()
    if field.type is FieldType.FLAGS:
        if text.lower() not in field.flags:
            raise RuleError(f"{field.name} has no flag {text!r}", suggest(text, field.flags))
        return Test(field.name, "bit_any", (field.flags[text.lower()],))
    if field.type is FieldType.IP:
        try:
            return Test(field.name, "equals", (str(ipaddress.ip_address(text)).encode(),))
        except ValueError as error:
            raise RuleError(f"{field.name}: {text!r} is not an address", "Write one, or use cidr") from error
    names = NUMBER_NAMES.get(field.name, {})
    if text.lower() in names:
        return Test(field.name, "eq", (names[text.lower()],))
    if not (text.isascii() and text.isdecimal()):
        known = f"a number or one of: {', '.join(names)}" if names else "a number"
        raise RuleError(f"{field.name} is a number, {text!r} is not", f"Write {known}")
    return Test(field.name, "eq", (_bounded(field, int(text)),))


def string_test(field: Field, value: SigmaString) -> Test:
    """Text with wildcards on a string field; without `cased`, ASCII letters compare equal in both cases."""
    parts: list[str] = []
    marks: list[bool] = []
    for part in value.s:
        if isinstance(part, str):
            parts.append(part)
            marks.append(False)
        elif part is SpecialChars.WILDCARD_SINGLE:
            parts.append("?")
            marks.append(True)
        elif not (marks and marks[-1] and parts[-1] == "*"):
            parts.append("*")
            marks.append(True)
    cased = isinstance(value, SigmaCasedString)
    literal = "".join(part for part, mark in zip(parts, marks, strict=True) if not mark)
    if not cased and any(folds(character) for character in literal):
        raise RuleError(
            f"{field.name}: {literal!r} has letters outside ASCII, whose case the engine does not fold",
            "Add the modifier cased, with every spelling that matters",
        )
    if "\0" in literal and field.name not in _BINARY and not field.kinds <= LOG_KINDS:
        raise RuleError(
            f"{field.name} never holds a zero byte, so that UTF-16 cannot occur in it",
            "Add base64offset after wide, utf16 or utf16be, or remove them",
        )
    shape = "".join(part if mark else "s" for part, mark in zip(parts, marks, strict=True))
    simple = {"s": "equals", "s*": "startswith", "*s": "endswith", "*s*": "contains"}
    if shape in simple:
        return Test(field.name, simple[shape], (literal.encode(),), cased)
    if shape == "*":
        return Test(field.name, "exists")
    if not shape:
        raise RuleError(
            f"{field.name}: the value is empty, and an absent field is not an empty one", "Use null"
        )
    escaped = [p if m else _escape(p) for p, m in zip(parts, marks, strict=True)]
    return Test(field.name, "glob", ("".join(escaped).encode(),), cased)


def _regular_expression(field: Field, value: SigmaRegularExpression) -> Test:
    if field.type is not FieldType.STRING:
        raise RuleError(
            f"{field.name} is a {field.type}; a regular expression needs text", "Compare its value"
        )
    flags = Flags(
        i=SigmaRegularExpressionFlag.IGNORECASE in value.flags,
        m=SigmaRegularExpressionFlag.MULTILINE in value.flags,
        s=SigmaRegularExpressionFlag.DOTALL in value.flags,
    )
    try:
        pattern, needs = engine_pattern(str(value.regexp), flags)
    except RuleError as error:
        raise RuleError(f"{field.name}: {error.problem}", error.remedy) from error
    return Test(field.name, "re", (pattern,), True, needs)


def _escape(text: str) -> str:
    """Literal text inside an engine glob, where backslash makes the next byte literal."""
    return "".join("\\" + c if c in "\\*?" else c for c in text)


MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


def _cidr(field: Field, value: SigmaCIDRExpression) -> Expression:
    if field.type is not FieldType.IP:
        raise RuleError(f"{field.name} is not an address; cidr does not apply", "Name an address field")
    test = Test(field.name, "cidr", (str(value.network).encode(),))
    if isinstance(value.network, ipaddress.IPv6Network) and MAPPED.subnet_of(value.network):
        # Records hold v4 in v4-mapped form, which such a network covers; the rule means v6 only.
        return And((test, Not(Test(field.name, "cidr", (b"0.0.0.0/0",)))))
    return test


def _field_reference(field: Field, value: SigmaFieldReference, source: Source) -> Test:
    other = resolve(value.field, source)
    if other.type is not field.type:
        raise RuleError(
            f"{field.name} ({field.type}) and {other.name} ({other.type}) never compare equal",
            "Name fields of one type",
        )
    operator = _REFERENCES[value.starts_with, value.ends_with]
    if operator != "field_equals" and field.type is not FieldType.STRING:
        raise RuleError(f"{field.name} is a {field.type}; only text has parts", "Compare whole fields")
    return Test(field.name, operator, (other.name.encode(),))


def _number(field: Field, value: SigmaNumber) -> int:
    if field.type not in (FieldType.NUMBER, FieldType.FLAGS):
        raise RuleError(f"{field.name} is a {field.type}, not a number", "Name a numeric field")
    if not isinstance(value.number, int):
        raise RuleError(f"{field.name}: {value.number} is not a whole number", "Fields hold whole numbers")
    return _bounded(field, value.number)


def _bounded(field: Field, number: int) -> int:
    if not 0 <= number <= U64_MAX:
        raise RuleError(f"{field.name}: {number} lies outside 0..2^64-1", "Fields are unsigned")
    return number

# SPDX-License-Identifier: Apache-2.0
"""A slow, obvious evaluator of pySigma's own condition tree: what a rule means, without our compiler.

Sigma's text compares without regard to (ASCII) case, `*` is any run, `?` one character; a field that
is absent satisfies nothing but null. Regular expressions are Python's, with ASCII classes.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from sigma.conditions import ConditionAND, ConditionFieldEqualsValueExpression, ConditionNOT, ConditionOR
from sigma.rule import SigmaRule
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
    SigmaString,
    SpecialChars,
)

Record = dict[str, Any]


def matches(rule: SigmaRule, record: Record) -> bool:
    return any(_eval(condition.parse(), record) for condition in rule.detection.parsed_condition)


def _eval(item: Any, record: Record) -> bool:
    if isinstance(item, ConditionAND):
        return all(_eval(argument, record) for argument in item.args)
    if isinstance(item, ConditionOR):
        return any(_eval(argument, record) for argument in item.args)
    if isinstance(item, ConditionNOT):
        return not _eval(item.args[0], record)
    assert isinstance(item, ConditionFieldEqualsValueExpression)
    return _value(record.get(item.field), item.value, record)


def _value(actual: Any, value: Any, record: Record) -> bool:
    if isinstance(value, SigmaExpansion):
        return any(_value(actual, one, record) for one in value.values)
    if isinstance(value, SigmaNull):
        return actual is None
    if isinstance(value, SigmaExists):
        return (actual is not None) == bool(value)
    if actual is None:
        return False
    if isinstance(value, SigmaCIDRExpression):
        address = ipaddress.ip_address(actual)
        return address.version == value.network.version and address in value.network
    if isinstance(value, SigmaCompareExpression):
        other = value.number.number
        return {
            CompareOperators.LT: actual < other,
            CompareOperators.LTE: actual <= other,
            CompareOperators.GT: actual > other,
            CompareOperators.GTE: actual >= other,
        }[value.op]
    if isinstance(value, SigmaFieldReference):
        other = record.get(value.field)
        if isinstance(actual, str) and isinstance(other, str):
            whole, part = _fold(actual), _fold(other)
            if value.starts_with and value.ends_with:
                return part in whole
            if value.starts_with or value.ends_with:
                return whole.startswith(part) if value.starts_with else whole.endswith(part)
            return whole == part
        return other is not None and actual == other
    if isinstance(value, SigmaRegularExpression):
        flags = [SigmaRegularExpression.sigma_to_python_flags[flag] for flag in value.flags]
        return re.search(str(value.regexp), str(actual), sum(flags, start=re.ASCII)) is not None
    if isinstance(value, SigmaNumber):
        return str(actual) == str(value.number)
    assert isinstance(value, SigmaString)
    if isinstance(actual, int):
        return str(actual) == value.to_plain()
    return _pattern(value).fullmatch(actual) is not None


def _pattern(value: SigmaString) -> re.Pattern[str]:
    text = ""
    for part in value.s:
        if part is SpecialChars.WILDCARD_MULTI:
            text += "(?s:.*)"
        elif part is SpecialChars.WILDCARD_SINGLE:
            text += "(?s:.)"
        else:
            text += re.escape(str(part))
    return re.compile(text, re.ASCII if isinstance(value, SigmaCasedString) else re.IGNORECASE | re.ASCII)


def _fold(text: str) -> str:
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in text)

# SPDX-License-Identifier: Apache-2.0
"""pySigma's condition tree -> a compiled rule, exact or refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.policy import SigmaPolicy
from sigma.policy.regex_engine import PythonRegexEngine, RegexPattern
from sigma.rule import SigmaDetection, SigmaDetectionItem, SigmaDetections
from sigma.types import SigmaBool, SigmaExpansion, SigmaNumber, SigmaString, SigmaType, SpecialChars

from innerwarden.errors import RuleError
from innerwarden.model.vocabulary import LOG_KINDS, VOCABULARY
from innerwarden.rules.expression import And, Const, Expression, Not, Or, graph, simplify, wanted
from innerwarden.rules.foreign_fields import foreign_keyword, foreign_test
from innerwarden.rules.pipeline import CONSTANTS, Source, resolve
from innerwarden.rules.program import CompiledRule
from innerwarden.rules.values import string_test, test_of

#: Fields that name files, and the kinds that are about files.
NAMES = frozenset({"path", "old_path", "file_name"})
FILE_KINDS = frozenset({"file.open", "file.rename", "file.delete"})


class _OurRegex(PythonRegexEngine):
    """pySigma's check of regular expressions, left to regex.py, which knows what the engine runs and why not.

    pySigma also looks up the names in conditions (`1 of name_*`) with it.
    """

    def compile(self, pattern: str, flags: int = 0) -> RegexPattern:
        try:
            return super().compile(pattern, flags)
        except (re.error, RecursionError, OverflowError):
            return super().compile("(?!)")


POLICY = SigmaPolicy(regex_engine=_OurRegex())


class FieldError(RuleError):
    """A refusal that knows the field as the rule wrote it, so that its line can be found."""

    def __init__(self, error: RuleError, key: str, value: object = None) -> None:
        super().__init__(error.problem, error.remedy)
        self.key = key
        self.value = value
        self.below: str | None = None
        """The search that has the field."""

    def lies_in(self, name: str, item: SigmaDetectionItem) -> None:
        """Say the search, and the field with its modifiers."""
        plain = item.to_plain()
        self.below = name
        self.key = str(next(iter(plain))) if isinstance(plain, dict) else self.key


def expression_of(detections: SigmaDetections, source: Source) -> Expression:
    """Every condition of a rule, as alternatives, under the category's own guard."""
    try:
        conditions = [_convert(condition.parse(), source) for condition in detections.parsed_condition]
    except FieldError as error:
        for name, item in items_of(detections):
            if any(value is error.value for value in item.value):
                error.lies_in(name, item)
        raise
    return And((source.guard, Or(tuple(conditions))))


def items_of(detections: SigmaDetections) -> Iterator[tuple[str, SigmaDetectionItem]]:
    """(name of the search, one field with its modifiers and values)"""
    waiting: list[tuple[str, object]] = list(detections.detections.items())
    while waiting:
        name, item = waiting.pop()
        if isinstance(item, SigmaDetection):
            waiting += [(name, inner) for inner in item.detection_items]
        elif isinstance(item, SigmaDetectionItem):
            yield name, item


def _convert(item: Any, source: Source) -> Expression:
    if isinstance(item, ConditionAND):
        return And(tuple(_convert(argument, source) for argument in item.args))
    if isinstance(item, ConditionOR):
        return Or(tuple(_convert(argument, source) for argument in item.args))
    if isinstance(item, ConditionNOT):
        return Not(_convert(item.args[0], source))
    if isinstance(item, ConditionFieldEqualsValueExpression):
        return _field(item.field, item.value, source)
    if isinstance(item, ConditionValueExpression):
        return _keyword(item.value, source)
    raise RuleError(f"condition part {type(item).__name__} is not supported", "Rewrite the condition")


def _field(name: str, value: SigmaType, source: Source) -> Expression:
    constant = CONSTANTS.get((source.category or "", name))
    if constant is not None:
        if isinstance(value, SigmaBool):
            value = SigmaString(str(value))
        if not isinstance(value, SigmaString) or value.contains_special():
            raise RuleError(f"{name} is always {constant!r} here; only a plain value compares", "Write it so")
        return Const(value.to_plain().lower() == constant)
    try:
        foreign = foreign_test(name, value, source)
        return test_of(resolve(name, source), value, source) if foreign is None else foreign
    except RuleError as error:
        raise FieldError(error, name, value) from error


def _keyword(value: SigmaType, source: Source) -> Expression:
    """A keyword is text anywhere in a log message; kernel events have no text to search."""
    if not set(source.kinds) <= LOG_KINDS and source.category != "auditd":
        raise RuleError("keywords search log messages, and this log source has none", "Name a field")
    if isinstance(value, SigmaExpansion):
        return Or(tuple(_keyword(item, source) for item in value.values))
    text = SigmaString(str(value)) if type(value) is SigmaNumber else value
    if not isinstance(text, SigmaString):
        raise RuleError(f"a keyword of type {type(value).__name__} is not supported", "Write plain text")
    if not text.startswith(SpecialChars.WILDCARD_MULTI):
        text = SpecialChars.WILDCARD_MULTI + text
    if not text.endswith(SpecialChars.WILDCARD_MULTI):
        text = text + SpecialChars.WILDCARD_MULTI
    return foreign_keyword(text, source) or string_test(VOCABULARY["message"], text)


def compile_rule(
    owner: str,
    expression: Expression,
    source: Source,
    *,
    group_by: tuple[str, ...] = (),
    cooldown_s: int = 0,
    emit: bool = True,
) -> CompiledRule:
    """Narrow the kinds to those that can match. Raises RuleError when none can."""
    folded = {kind: simplify(expression, kind) for kind in source.kinds}
    kinds = tuple(kind for kind, form in folded.items() if form != Const(False))
    if not kinds:
        raise RuleError(
            f"no event of {', '.join(source.kinds)} can match", "A condition contradicts the log source"
        )
    forms = {folded[kind] for kind in kinds}
    whole = forms.pop() if len(forms) == 1 else simplify(expression)
    watched = [
        (test.field, test.operator, literal)
        for test in wanted(whole, NAMES)
        for literal in test.literals
        if isinstance(literal, bytes)
    ]
    predicates, nodes = ((), ()) if isinstance(whole, Const) else graph(whole)
    return CompiledRule(
        owner=owner,
        kinds=kinds,
        predicates=predicates,
        nodes=nodes,
        group_by=group_by,
        cooldown_s=cooldown_s,
        emit=emit,
        watched=tuple(watched) if FILE_KINDS & set(kinds) else (),
    )

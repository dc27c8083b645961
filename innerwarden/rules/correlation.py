# SPDX-License-Identifier: Apache-2.0
"""Sigma correlations -> the engine's windows, exact or refused."""

from __future__ import annotations

from collections.abc import Mapping

from sigma.correlations import (
    SigmaCorrelationCondition,
    SigmaCorrelationConditionOperator,
    SigmaCorrelationRule,
    SigmaCorrelationType,
)

from innerwarden.errors import RuleError
from innerwarden.rules.pipeline import Source, resolve, suggest
from innerwarden.rules.program import CompiledCorrelation
from innerwarden.rules.sigma_file import Extension

_OPERATORS = {
    SigmaCorrelationConditionOperator.GTE: "ge",
    SigmaCorrelationConditionOperator.GT: "gt",
}
_COUNTED = (SigmaCorrelationType.EVENT_COUNT, SigmaCorrelationType.VALUE_COUNT)
_SEQUENCES = (SigmaCorrelationType.TEMPORAL, SigmaCorrelationType.TEMPORAL_ORDERED)

#: Longest window: what the engine keeps in memory is bounded by it. One day.
MAX_TIMESPAN_S = 86400

Parts = Mapping[str, tuple[str, Source]]
"""Name that a correlation may use -> (owner, source) of the rule behind it."""


def compile_correlation(
    sigma: SigmaCorrelationRule, owner: str, parts: Parts, extension: Extension
) -> CompiledCorrelation:
    """Raises RuleError for a form that a stream of events can not decide exactly."""
    if sigma.type not in (*_COUNTED, *_SEQUENCES):
        raise RuleError(
            f"correlation type {sigma.type.name.lower()} is not supported",
            "Use event_count, value_count, temporal or temporal_ordered",
        )
    references = [reference.reference for reference in sigma.rules or ()]
    for name in references:
        if name not in parts:
            raise RuleError(f"correlation names an unknown rule {name!r}", suggest(name, parts))
    rules = tuple(parts[name][0] for name in references)
    sources = [parts[name][1] for name in references]
    if len(set(rules)) != len(rules):
        raise RuleError("correlation names a rule twice", "Name each rule once")
    if sigma.timespan is None or not 1 <= sigma.timespan.seconds <= MAX_TIMESPAN_S:
        raise RuleError("timespan must lie between 1 second and 1 day", "Shorten it")
    group_by = tuple(_group(sigma, name, parts[name][1]) for name in references)
    operator, threshold = _threshold(sigma, len(rules))
    value_field = None
    if sigma.type is SigmaCorrelationType.VALUE_COUNT:
        value_field = _value_field(sigma, sources)
    sample = extension.sample_field
    return CompiledCorrelation(
        owner=owner,
        kind=sigma.type.name.lower(),
        rules=rules,
        group_by=group_by,
        timespan_s=sigma.timespan.seconds,
        operator=operator,
        threshold=threshold,
        value_field=value_field,
        sample_field=resolve(sample, sources[0]).name if sample else None,
        cooldown_s=extension.cooldown_s,
    )


def _group(sigma: SigmaCorrelationRule, reference: str, source: Source) -> tuple[str, ...]:
    """The group fields in one rule's own words."""
    fields = []
    for name in sigma.group_by or ():
        used = name
        if name in sigma.aliases.aliases:
            mapping = {ref.reference: own for ref, own in sigma.aliases.aliases[name].mapping.items()}
            if reference not in mapping:
                raise RuleError(
                    f"alias {name!r} says nothing for rule {reference!r}", "Add the rule to the alias"
                )
            used = mapping[reference]
        fields.append(resolve(used, source).name)
    return tuple(fields)


def _threshold(sigma: SigmaCorrelationRule, rule_count: int) -> tuple[str, int]:
    condition = sigma.condition
    if sigma.type in _SEQUENCES:
        if rule_count < 2:
            raise RuleError("a temporal correlation needs at least two rules", "Name them")
        if condition is not None and not _all_rules(condition, rule_count):
            raise RuleError(
                "a temporal correlation here needs every one of its rules", "Remove the condition"
            )
        return "ge", rule_count
    if not isinstance(condition, SigmaCorrelationCondition):
        raise RuleError("the correlation has no counting condition", "Add `condition: {gte: N}`")
    if condition.op not in _OPERATORS or not isinstance(condition.count, int):
        raise RuleError(
            f"condition {condition.op.name.lower()}: {condition.count} is not decidable at the newest event",
            "Use gte or gt with a whole number",
        )
    operator, threshold = _OPERATORS[condition.op], condition.count
    if threshold < (1 if operator == "ge" else 0):
        raise RuleError(f"condition {condition.op.name.lower()}: {threshold} is always true", "Raise it")
    return operator, threshold


def _all_rules(condition: object, rule_count: int) -> bool:
    return (
        isinstance(condition, SigmaCorrelationCondition)
        and condition.op is SigmaCorrelationConditionOperator.GTE
        and condition.count == rule_count
    )


def _value_field(sigma: SigmaCorrelationRule, sources: list[Source]) -> str:
    condition = sigma.condition
    name = condition.fieldref if isinstance(condition, SigmaCorrelationCondition) else None
    if not isinstance(name, str):
        raise RuleError("value_count needs exactly one condition.field", "Name one field")
    fields = {resolve(name, source).name for source in sources}
    if len(fields) != 1:
        raise RuleError(f"condition.field {name!r} is not one field in every rule", "Name one that is")
    return fields.pop()

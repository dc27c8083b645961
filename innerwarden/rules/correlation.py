# SPDX-License-Identifier: Apache-2.0
"""Sigma correlations -> the engine's windows, exact or refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sigma.correlations import (
    CorrelationConditionAND,
    SigmaCorrelationCondition,
    SigmaCorrelationConditionOperator,
    SigmaCorrelationRule,
    SigmaCorrelationType,
    SigmaExtendedCorrelationCondition,
    SigmaRuleReference,
)

from innerwarden.errors import RuleError
from innerwarden.rules.pipeline import Source, resolve, suggest
from innerwarden.rules.program import CompiledCorrelation
from innerwarden.rules.sigma_file import Extension

_OPERATORS = {
    SigmaCorrelationConditionOperator.GTE: "ge",
    SigmaCorrelationConditionOperator.GT: "gt",
}
_OTHERS = (
    "an event that comes later makes it untrue again, so that the newest event never decides it",
    "Use gte or gt with a whole number",
)
_COUNTED = (SigmaCorrelationType.EVENT_COUNT, SigmaCorrelationType.VALUE_COUNT)
_SEQUENCES = (SigmaCorrelationType.TEMPORAL, SigmaCorrelationType.TEMPORAL_ORDERED)

#: Longest window: what the engine keeps in memory is bounded by it. One day.
MAX_TIMESPAN_S = 86400

Parts = Mapping[str, tuple[str, Source]]
"""Name that a correlation may use -> (owner, source) of the rule behind it."""


@dataclass(frozen=True)
class Known:
    """What the names in a correlation may mean: rules, and what is none that can be used."""

    parts: Parts
    correlations: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()


class CorrelationError(RuleError):
    """A refusal that knows the key of the correlation that it is about."""

    def __init__(self, key: str, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.key = key


def compile_correlation(
    sigma: SigmaCorrelationRule, owner: str, known: Known, extension: Extension
) -> CompiledCorrelation:
    """Raises RuleError for a form that a stream of events can not decide exactly."""
    if sigma.type not in (*_COUNTED, *_SEQUENCES):
        raise CorrelationError(
            "type",
            f"correlation type {sigma.type.name.lower()} is not supported",
            "Use event_count, value_count, temporal or temporal_ordered",
        )
    parts = known.parts
    references = references_of(sigma)
    for name in references:
        if name in known.correlations:
            raise RuleError(f"{name!r} is a correlation itself", "Name the rules that it is made of")
        if name in known.refused:
            raise RuleError(
                f"the rule {name!r} that the correlation is made of is refused", "Correct it first"
            )
        if name not in parts:
            raise RuleError(f"correlation names an unknown rule {name!r}", suggest(name, parts))
    rules = tuple(parts[name][0] for name in references)
    sources = [parts[name][1] for name in references]
    if len(set(rules)) != len(rules):
        raise RuleError("correlation names a rule twice", "Name each rule once")
    if sigma.timespan is None or not 1 <= sigma.timespan.seconds <= MAX_TIMESPAN_S:
        raise CorrelationError(
            "timespan", "timespan must lie between 1 second and 1 day", "The engine remembers one day"
        )
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


def references_of(sigma: SigmaCorrelationRule) -> list[str]:
    """The names of its rules, from the list or from a condition in words."""
    if sigma.rules:
        return [reference.reference for reference in sigma.rules]
    condition = sigma.condition
    if not isinstance(condition, SigmaExtendedCorrelationCondition):
        return []
    return list(condition.get_referenced_rules())


def _threshold(sigma: SigmaCorrelationRule, rule_count: int) -> tuple[str, int]:
    if sigma.type in _SEQUENCES:
        return "ge", _rules_needed(sigma, rule_count)
    condition = sigma.condition
    if not isinstance(condition, SigmaCorrelationCondition):
        raise CorrelationError(
            "condition", "the correlation has no counting condition", "Add `condition: {gte: N}`"
        )
    said = f"condition {condition.op.name.lower()}: {condition.count}"
    if condition.op not in _OPERATORS or not isinstance(condition.count, int):
        raise CorrelationError("condition", f"{said} is not decidable: {_OTHERS[0]}", _OTHERS[1])
    operator, threshold = _OPERATORS[condition.op], condition.count
    if threshold < (1 if operator == "ge" else 0):
        raise CorrelationError("condition", f"{said} is always true", "Raise it")
    return operator, threshold


def _rules_needed(sigma: SigmaCorrelationRule, rule_count: int) -> int:
    """How many of its rules a temporal correlation needs: all of them, unless the condition says fewer."""
    condition = sigma.condition
    ordered = sigma.type is SigmaCorrelationType.TEMPORAL_ORDERED
    if rule_count < 2:
        raise CorrelationError("rules", "a temporal correlation needs at least two rules", "Name them")
    if condition is None:
        return rule_count
    if isinstance(condition, SigmaExtendedCorrelationCondition):
        tree = condition.parsed
        plain = isinstance(tree, CorrelationConditionAND) and all(
            isinstance(item, SigmaRuleReference) for item in tree.args
        )
        if not plain:
            raise CorrelationError(
                "condition",
                "a condition with or, not or parentheses is not decidable with one window",
                "Join all rules with and, or give the number of rules: {gte: N}",
            )
        return rule_count
    count, least = condition.count, condition.op is SigmaCorrelationConditionOperator.GTE
    if condition.op is SigmaCorrelationConditionOperator.GT and isinstance(count, int):
        count, least = count + 1, True
    said = f"condition {condition.op.name.lower()}: {condition.count}"
    if condition.op is SigmaCorrelationConditionOperator.EQ and count == rule_count:
        return rule_count
    if not least or not isinstance(count, int):
        raise CorrelationError("condition", f"{said} is not decidable: {_OTHERS[0]}", _OTHERS[1])
    if not 2 <= count <= rule_count:
        raise CorrelationError("condition", f"{said} of {rule_count} rules", f"Write 2 to {rule_count}")
    if ordered and count != rule_count:
        raise CorrelationError("condition", f"{said}: an order needs every rule", "Remove the condition")
    return count


def _value_field(sigma: SigmaCorrelationRule, sources: list[Source]) -> str:
    condition = sigma.condition
    name = condition.fieldref if isinstance(condition, SigmaCorrelationCondition) else None
    if not isinstance(name, str):
        raise CorrelationError("condition", "value_count needs exactly one condition.field", "Name one field")
    fields = {resolve(name, source).name for source in sources}
    if len(fields) != 1:
        raise CorrelationError(
            "field", f"condition.field {name!r} is not one field in every rule", "Name one that is"
        )
    return fields.pop()

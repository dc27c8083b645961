# SPDX-License-Identifier: Apache-2.0
"""Whether a rule can still match when one field is known: so that a source need not make what nobody reads."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from innerwarden.model.vocabulary import VOCABULARY
from innerwarden.rules.program import MATCH, CompiledPredicate, CompiledRule

#: Values whose answer is remembered.
KNOWN_MAX = 512


def can_match(rule: CompiledRule, kind: str, field: str, value: str) -> bool:
    """False only when no event of the kind whose `field` is `value` matches, whatever its other fields are."""
    waiting, seen = [0], set()
    while waiting:
        node = waiting.pop()
        if node == MATCH:
            return True
        if node < 0 or node in seen:
            continue
        seen.add(node)
        predicate, on_true, on_false = rule.nodes[node]
        known = _holds(rule.predicates[predicate], kind, field, value)
        waiting += [on_true, on_false] if known is None else [on_true if known else on_false]
    return False


class Readers:
    """Whether any rule over `kind` can match an event whose `field` has some value. Answers are remembered, a few."""

    def __init__(self, rules: Iterable[CompiledRule], kind: str, field: str) -> None:
        self._rules = [rule for rule in rules if kind in rule.kinds]
        self._kind, self._field = kind, field
        self._known: dict[str, bool] = {}

    def __call__(self, value: str) -> bool:
        known = self._known.get(value)
        if known is None:
            known = any(can_match(rule, self._kind, self._field, value) for rule in self._rules)
            if len(self._known) < KNOWN_MAX:
                self._known[value] = known
        return known


def _holds(predicate: CompiledPredicate, kind: str, field: str, value: str) -> bool | None:
    """None when it is about another field that the kind has, or cannot be told here."""
    if kind not in VOCABULARY[predicate.field].kinds:
        return predicate.operator == "is_null"
    if predicate.field == "kind_name" and predicate.operator == "equals":
        return kind.encode() in predicate.literals
    if predicate.field != field:
        return None
    if predicate.operator in ("exists", "is_null"):
        return predicate.operator == "exists"
    text = value if predicate.cased else value.lower()
    found = []
    for literal in predicate.literals:
        if not isinstance(literal, bytes):
            return None
        other = literal.decode("utf-8", "replace")
        found.append(_compare(predicate.operator, text, other if predicate.cased else other.lower()))
    return None if None in found else any(found)


def _compare(operator: str, text: str, literal: str) -> bool | None:
    match operator:
        case "equals":
            return text == literal
        case "startswith":
            return text.startswith(literal)
        case "endswith":
            return text.endswith(literal)
        case "contains":
            return literal in text
        case "glob" if not set(literal) & set("[]\\"):
            return fnmatchcase(text, literal)
    return None

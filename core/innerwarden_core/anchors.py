# SPDX-License-Identifier: Apache-2.0
"""Find values of which a rule needs at least one to match: what the indexes look for.

For a decision graph, walked from its end: a match from node i needs a value of the node's own test, or
whatever a match from its true branch needs; and, when the test fails, whatever a match from its false branch
needs. So one pass gives a set of values of which every matching record has at least one: pieces of text that a
field holds, or numbers that a field is. The rule is looked at only when the record has one of them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from innerwarden_core.rules import FIELDS, OPERATORS, field_shape

MATCH, NO_MATCH = -1, -2
#: Bytes of a literal that the index can find.
MIN_LITERAL = 2
MAX_LITERALS = 512
#: With fewer rules on a kind than this, looking at each is cheaper than the indexes.
INDEX_FROM = 6
#: A short literal is in many texts: it counts as this many long ones.
SHORT_COST = 8
#: So is the name of a program: rules are about those that run all day.
PROGRAM_COST = 8
PROGRAMS = {
    FIELDS[name]
    for name in ("exe_path", "exe_name", "parent_exe_path", "parent_exe_name", "comm", "parent_comm")
}

_WHOLE = {OPERATORS[name] for name in ("equals", "contains", "startswith", "endswith")}


class PredicateLike(Protocol):
    field: int
    operator: int
    literals: tuple[Any, ...]
    needs: tuple[bytes, ...]
    key: tuple[object, ...]


class RuleLike(Protocol):
    predicates: Sequence[PredicateLike]
    nodes: Sequence[tuple[int, int, int]]


Anchor = tuple[int, bytes | int]
"""(field id, folded literal or number)"""


def glob_literal(pattern: bytes) -> bytes:
    """The longest run of literal bytes in a wildcard pattern."""
    runs, current, i = [b""], bytearray(), 0
    while i < len(pattern):
        byte = pattern[i : i + 1]
        if byte == b"\\" and pattern[i + 1 : i + 2] in (b"*", b"?", b"\\"):
            current += pattern[i + 1 : i + 2]
            i += 2
            continue
        if byte in (b"*", b"?"):
            runs.append(bytes(current))
            current.clear()
        else:
            current += byte
        i += 1
    return max([*runs, bytes(current)], key=len)


def literals_of(predicate: PredicateLike) -> tuple[Anchor, ...] | None:
    """What the field must hold one of, when the test is true; None when there is no such thing."""
    if predicate.operator == OPERATORS["eq"]:
        return tuple((predicate.field, number) for number in predicate.literals)
    if field_shape(predicate.field) != "text":
        return None
    if predicate.operator in _WHOLE:
        found = [literal.lower() for literal in predicate.literals]
    elif predicate.operator == OPERATORS["glob"]:
        found = [glob_literal(pattern).lower() for pattern in predicate.literals]
    elif predicate.operator == OPERATORS["re"] and predicate.needs:
        found = list(predicate.needs)
    else:
        return None
    if any(len(literal) < MIN_LITERAL for literal in found):
        return None
    return tuple((predicate.field, literal) for literal in found)


def anchors(rules: Iterable[RuleLike]) -> list[frozenset[Anchor] | None]:
    """For each rule its anchors; None when it must be looked at always, empty when it can never match."""
    rules = list(rules)
    tests: dict[object, tuple[Anchor, ...] | None] = {}
    used: Counter[Anchor] = Counter()
    for rule in rules:
        for predicate in rule.predicates:
            if predicate.key not in tests:
                tests[predicate.key] = literals_of(predicate)
            used.update(tests[predicate.key] or ())

    def cost(anchor: Anchor) -> float:
        """How often events have it: the more rules look for it, the commoner it will be."""
        field, value = anchor
        often = 1 + math.log2(used[anchor])
        if isinstance(value, bytes) and len(value) < 4:
            return often * SHORT_COST
        return often * PROGRAM_COST if field in PROGRAMS else often

    return [_of_rule(rule, tests, cost) for rule in rules]


def _of_rule(
    rule: RuleLike, tests: Mapping[object, tuple[Anchor, ...] | None], cost: Callable[[Anchor], float]
) -> frozenset[Anchor] | None:
    needed: dict[int, frozenset[Anchor] | None] = {MATCH: None, NO_MATCH: frozenset()}
    for index in range(len(rule.nodes) - 1, -1, -1):
        predicate, on_true, on_false = rule.nodes[index]
        own = tests[rule.predicates[predicate].key]
        if_true = needed[on_true]
        if own is not None and if_true != frozenset():
            candidate = frozenset(own)
            if if_true is None or sum(map(cost, candidate)) < sum(map(cost, if_true)):
                if_true = candidate
        if_false = needed[on_false]
        both = None if if_true is None or if_false is None else if_true | if_false
        needed[index] = None if both is not None and len(both) > MAX_LITERALS else both
    return needed[0 if rule.nodes else MATCH]


Places = dict[int, dict[bytes | int, list[int]]]


def plan(numbers: Sequence[int], needed: Sequence[frozenset[Anchor] | None]) -> tuple[list[int], Places]:
    """(rules to look at always, {field: {literal or number: [rules]}}) for the rules of one kind."""
    if len(numbers) < INDEX_FROM:
        return list(numbers), {}
    always: list[int] = []
    fields: Places = {}
    for number in numbers:
        anchor = needed[number]
        if anchor is None:
            always.append(number)
            continue
        for field, value in sorted(anchor, key=repr):
            fields.setdefault(field, {}).setdefault(value, []).append(number)
    return always, fields

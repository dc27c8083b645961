# SPDX-License-Identifier: Apache-2.0
"""Boolean expressions over field tests, and the decision graph they become."""

from __future__ import annotations

from dataclasses import dataclass, replace

from innerwarden.model.vocabulary import VOCABULARY
from innerwarden.rules.program import MATCH, NO_MATCH, CompiledPredicate

#: Operators whose literals are alternatives, so that an OR of equal tests is one test.
_MERGED = frozenset({"equals", "contains", "startswith", "endswith", "glob", "cidr", "eq"})

#: Of one literal, where it is not a comparison of a number or of one end of a text.
_COSTS = {"contains": 10, "glob": 20, "cidr": 2, "re": 1000}


@dataclass(frozen=True)
class Test:
    field: str
    operator: str
    literals: tuple[bytes | int, ...] = ()
    cased: bool = False
    needs: tuple[bytes, ...] = ()
    """Of a regular expression: text of which every match holds one, in lower case."""


@dataclass(frozen=True)
class Const:
    value: bool


@dataclass(frozen=True)
class Not:
    item: Expression


@dataclass(frozen=True)
class And:
    items: tuple[Expression, ...]


@dataclass(frozen=True)
class Or:
    items: tuple[Expression, ...]


Expression = Test | Const | Not | And | Or
TRUE = Const(True)
FALSE = Const(False)


def simplify(expression: Expression, kind: str | None = None) -> Expression:
    """Fold constants; with a kind also the tests of fields that records of the kind never carry."""
    match expression:
        case Test(field=name, operator=operator, literals=literals):
            if kind is not None and kind not in VOCABULARY[name].kinds:
                return Const(operator == "is_null")
            if kind is not None and name == "kind_name" and operator == "equals":
                return Const(kind.encode() in literals)
            return expression
        case Not(item=item):
            inner = simplify(item, kind)
            return Const(not inner.value) if isinstance(inner, Const) else Not(inner)
        case And(items=items) | Or(items=items):
            return _simplify_list(type(expression), items, kind)
    return expression


def _simplify_list(shape: type[And | Or], items: tuple[Expression, ...], kind: str | None) -> Expression:
    neutral = shape is And
    kept: list[Expression] = []
    for item in items:
        inner = simplify(item, kind)
        if isinstance(inner, Const):
            if inner.value != neutral:
                return inner
            continue
        kept.extend(inner.items if isinstance(inner, And | Or) and type(inner) is shape else (inner,))
    if shape is Or:
        kept = _merge(kept)
    kept.sort(key=_cost)
    if not kept:
        return Const(neutral)
    return kept[0] if len(kept) == 1 else shape(tuple(kept))


def _cost(item: Expression) -> int:
    """About how many nanoseconds its tests take on a path; what is cheap is asked first."""
    match item:
        case Test(field=name, operator=operator, literals=literals):
            own = _COSTS.get(operator, 1)
            # Of the process and its ancestors somebody has to look for the entry first.
            looked_up = name.startswith(("parent_", "grandparent_", "container_", "pod_"))
            return 2 + own * max(1, len(literals)) + 20 * looked_up
        case Not(item=inner):
            return _cost(inner)
        case And(items=items) | Or(items=items):
            return sum(map(_cost, items))
    return 0


def _merge(items: list[Expression]) -> list[Expression]:
    """Join alternatives on one field into one test; order of first appearance is kept."""
    out: list[Expression] = []
    first: dict[tuple[str, str, bool], tuple[int, Test | None]] = {}
    for item in items:
        if not isinstance(item, Test) or item.operator not in _MERGED:
            out.append(item)
            continue
        key = (item.field, item.operator, item.cased)
        place, old = first.get(key, (len(out), None))
        joined = item
        if old is None:
            out.append(item)
        else:
            joined = replace(old, literals=tuple(dict.fromkeys(old.literals + item.literals)))
            out[place] = joined
        first[key] = (place, joined)
    return out


def wanted(expression: Expression, fields: frozenset[str], positive: bool = True) -> list[Test]:
    """Tests on the given fields whose success can make the expression true."""
    match expression:
        case Test():
            return [expression] if positive and expression.field in fields else []
        case Not(item=item):
            return wanted(item, fields, not positive)
        case And(items=items) | Or(items=items):
            return [test for item in items for test in wanted(item, fields, positive)]
    return []


Graph = tuple[tuple[CompiledPredicate, ...], tuple[tuple[int, int, int], ...]]


def graph(expression: Expression) -> Graph:
    """Predicates and nodes of a simplified expression that is neither always true nor never.

    Built from the end, so that every target exists when a node is made; numbering is then turned round,
    which makes every target greater than its node.
    """
    predicates: dict[CompiledPredicate, int] = {}
    nodes: list[tuple[int, int, int]] = []
    _emit(expression, MATCH, NO_MATCH, predicates, nodes)
    last = len(nodes) - 1

    def turned(target: int) -> int:
        return target if target < 0 else last - target

    return tuple(predicates), tuple((p, turned(a), turned(b)) for p, a, b in reversed(nodes))


def _emit(
    expression: Expression,
    on_true: int,
    on_false: int,
    predicates: dict[CompiledPredicate, int],
    nodes: list[tuple[int, int, int]],
) -> int:
    """Append the nodes that decide `expression`; returns the entry."""
    match expression:
        case Const(value=value):
            return on_true if value else on_false
        case Not(item=item):
            return _emit(item, on_false, on_true, predicates, nodes)
        case And(items=items):
            for item in reversed(items):
                on_true = _emit(item, on_true, on_false, predicates, nodes)
            return on_true
        case Or(items=items):
            for item in reversed(items):
                on_false = _emit(item, on_true, on_false, predicates, nodes)
            return on_false
    predicate = CompiledPredicate(
        expression.field, expression.operator, expression.literals, expression.cased, expression.needs
    )
    index = predicates.setdefault(predicate, len(predicates))
    nodes.append((index, on_true, on_false))
    return len(nodes) - 1

# SPDX-License-Identifier: Apache-2.0
"""Find values of which a rule needs at least one to match: what the indexes look for.

For a decision graph, walked from its end: a match from node i needs a value of the node's own test, or
whatever a match from its true branch needs; and, when the test fails, whatever a match from its false branch
needs. So one pass gives a set of values of which every matching record has at least one: pieces of text that a
field holds, or numbers that a field is. The rule is looked at only when the record has one of them. What the kind alone
decides, its name and fields that it never has, is followed on one side only.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from innerwarden_core.decode import KIND_NAMES
from innerwarden_core.rules import FIELDS, OPERATORS, field_shape, has_field

MATCH, NO_MATCH = -1, -2
#: Bytes of a literal that the index can find.
MIN_LITERAL = 2
MAX_LITERALS = 512
#: With fewer rules on a kind than this, looking at each is cheaper than the indexes.
INDEX_FROM = 6
#: A short literal is in many texts: it counts as this many long ones, and one of two bytes as many more.
SHORT_COST = 8
SHORTEST_COST = 64
#: So is the name of a program: rules are about those that run all day.
PROGRAM_COST = 8
PROGRAMS = {
    FIELDS[name]
    for name in ("exe_path", "exe_name", "parent_exe_path", "parent_exe_name", "comm", "parent_comm")
}
#: And zero: root, no terminal, no flag.
ZERO_COST = 64

#: Where in a text a literal is. Also in grams.pyx.
ANYWHERE, BEGIN, END, WHOLE = range(4)
_PLACES = {
    OPERATORS["equals"]: WHOLE,
    OPERATORS["contains"]: ANYWHERE,
    OPERATORS["startswith"]: BEGIN,
    OPERATORS["endswith"]: END,
}
_ARGV, _LINE, _ARG0, _KIND = (FIELDS[name] for name in ("argv", "command_line", "arg0", "kind_name"))
_ARGUMENTS = {FIELDS[f"arg{number}"] for number in range(10)}


class PredicateLike(Protocol):
    field: int
    operator: int
    literals: tuple[Any, ...]
    needs: tuple[bytes, ...]
    key: tuple[object, ...]


class RuleLike(Protocol):
    predicates: Sequence[PredicateLike]
    nodes: Sequence[tuple[int, int, int]]


class Anchor(NamedTuple):
    """`value`: a folded literal that the text of `field` has at `place`, or the number that the field is."""

    field: int
    value: bytes | int
    place: int = ANYWHERE


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
        return tuple(Anchor(predicate.field, number) for number in predicate.literals)
    if field_shape(predicate.field) != "text":
        return None
    if predicate.operator in _PLACES:
        found = [literal.lower() for literal in predicate.literals]
    elif predicate.operator == OPERATORS["glob"]:
        found = [glob_literal(pattern).lower() for pattern in predicate.literals]
    elif predicate.operator == OPERATORS["re"] and predicate.needs:
        found = list(predicate.needs)
    else:
        return None
    place = _PLACES.get(predicate.operator, ANYWHERE)
    anchors = [anchor for literal in found for anchor in _in_line(predicate.field, literal, place)]
    if any(isinstance(anchor.value, bytes) and len(anchor.value) < MIN_LITERAL for anchor in anchors):
        return None
    return tuple(dict.fromkeys(anchors))


def _in_line(field: int, text: bytes, place: int) -> tuple[Anchor, ...]:
    """The literal where it is, or for arguments what the command line then has: all are looked for in one text.

    The line is the arguments with a space for each zero byte, but for the last one's terminator.
    """
    if field in _ARGUMENTS:
        return (Anchor(_LINE, text, BEGIN if field == _ARG0 and place in (BEGIN, WHOLE) else ANYWHERE),)
    if field != _ARGV:
        return (Anchor(field, text, place),)
    inner = text[:-1].replace(b"\0", b" ")
    if text.endswith(b"\0"):
        return (Anchor(_LINE, inner + b" "), Anchor(_LINE, inner, END))
    return (Anchor(_LINE, inner + text[-1:]),)


def known_of(predicate: PredicateLike, kind: int) -> bool | None:
    """What the test says of every record of the kind; None when records differ."""
    if not has_field(kind, predicate.field):
        return predicate.operator == OPERATORS["is_null"]
    if predicate.field != _KIND or predicate.operator != OPERATORS["equals"]:
        return None
    return KIND_NAMES[kind].encode() in predicate.literals


class Finder:
    """Anchors of a set of rules, by kind."""

    def __init__(self, rules: Iterable[RuleLike]) -> None:
        self._rules = list(rules)
        self._tests: dict[object, tuple[Anchor, ...] | None] = {}
        self._used: Counter[tuple[int, bytes | int]] = Counter()
        for rule in self._rules:
            for predicate in rule.predicates:
                if predicate.key not in self._tests:
                    self._tests[predicate.key] = literals_of(predicate)
                self._used.update({anchor[:2] for anchor in self._tests[predicate.key] or ()})

    def __len__(self) -> int:
        return len(self._rules)

    def __call__(self, number: int, kind: int | None = None) -> frozenset[Anchor] | None:
        """Of one rule, where records of the kind (None: of any) come; see `anchors`."""
        rule = self._rules[number]
        known: list[bool | None] = [
            None if kind is None else known_of(predicate, kind) for predicate in rule.predicates
        ]
        return _of_rule(rule, self._tests, known, self._cost)

    def _cost(self, anchor: Anchor) -> float:
        """How often events have it: the more rules look for it, the commoner it will be."""
        field, value, place = anchor
        often = 1 + math.log2(self._used[field, value])
        if isinstance(value, int):
            return often if value else often * ZERO_COST
        if field in PROGRAMS and place in (END, WHOLE):
            return often * PROGRAM_COST
        if len(value) < 4:
            return often * (SHORT_COST if len(value) > MIN_LITERAL else SHORTEST_COST)
        return often * PROGRAM_COST if field in PROGRAMS else often


def anchors(rules: Iterable[RuleLike]) -> list[frozenset[Anchor] | None]:
    """For each rule its anchors; None when it must be looked at always, empty when it can never match."""
    find = Finder(rules)
    return [find(number) for number in range(len(find))]


def _of_rule(
    rule: RuleLike,
    tests: Mapping[object, tuple[Anchor, ...] | None],
    known: Sequence[bool | None],
    cost: Callable[[Anchor], float],
) -> frozenset[Anchor] | None:
    needed: dict[int, frozenset[Anchor] | None] = {MATCH: None, NO_MATCH: frozenset()}
    for index in range(len(rule.nodes) - 1, -1, -1):
        predicate, on_true, on_false = rule.nodes[index]
        if known[predicate] is not None:
            needed[index] = needed[on_true if known[predicate] else on_false]
            continue
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


Places = dict[int, dict[tuple[bytes | int, int], list[int]]]


def plan(numbers: Sequence[int], needed: Mapping[int, frozenset[Anchor] | None]) -> tuple[list[int], Places]:
    """(rules to look at always, {field: {(literal or number, place): [rules]}}) for the rules of one kind.

    `needed`: rule -> its anchors, where it can match at all.
    """
    if len(numbers) < INDEX_FROM:
        return [number for number in numbers if needed[number] != frozenset()], {}
    always: list[int] = []
    fields: Places = {}
    for number in numbers:
        anchor = needed[number]
        if anchor is None:
            always.append(number)
            continue
        for field, value, place in sorted(anchor, key=repr):
            fields.setdefault(field, {}).setdefault((value, place), []).append(number)
    return always, fields

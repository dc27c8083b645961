# SPDX-License-Identifier: Apache-2.0
"""The named parts of a rule's detection, each as a rule of its own, so that the engine itself says which of them hold.

Nothing is evaluated here: a part is compiled like any rule, and what it is worth on a record is what the engine says.
A rule holds where its guard holds and its condition does, given the selections.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import yaml
from sigma.conditions import ConditionIdentifier, ConditionNOT, ConditionSelector
from sigma.rule import SigmaDetections

from innerwarden.errors import RuleError
from innerwarden.rules.backend import POLICY, compile_rule, expression_of
from innerwarden.rules.compiler import rule_of
from innerwarden.rules.expand import expand
from innerwarden.rules.expression import TRUE
from innerwarden.rules.lists import ValueList
from innerwarden.rules.pipeline import Source, source_of_kinds
from innerwarden.rules.program import CompiledRule, RuleSource
from innerwarden.rules.sigma_file import read

CLAUSE_CHARACTERS = 160


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """`owner` is what the engine calls it; without `rule` no event of the rule's kinds can ever match it.

    `clause` is empty for a whole selection. `path` says where a clause lies in a selection that is made of
    alternatives.
    """

    owner: str
    selection: str
    clause: str = ""
    path: tuple[int, ...] = ()
    rule: CompiledRule | None = None


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """One rule. `guard` is what its log source demands besides the kind, None when nothing."""

    owner: str
    place: str
    condition: str
    guard: Part | None
    parts: tuple[Part, ...]
    negated: frozenset[str]
    """Selections that speak against the rule: those behind an odd number of `not`."""


def parts_of(sources: Iterable[RuleSource]) -> dict[str, Parts]:
    """Rule id -> its parts. Sources that do not compile are left out: whoever loads them says why."""
    found: dict[str, Parts] = {}
    for source in sources:
        try:
            for parts in _of_source(source):
                found.setdefault(parts.owner, parts)
        except RuleError:
            continue
    return found


def _of_source(source: RuleSource) -> Iterator[Parts]:
    if source.kinds:
        tree = yaml.safe_load(source.text) if source.text else None
        if tree:
            yield _parts(source, (source.stem, source.name), tree, source_of_kinds(source.kinds))
        return
    for document in read(source.text, source.name, source.stem):
        if document.is_correlation:
            continue
        try:
            entry = rule_of(document, set(), source.lists)
        except RuleError:
            continue
        named = (document.owner, document.at("detection"))
        yield _parts(source, named, document.tree["detection"], entry.source)


def _parts(text: RuleSource, named: tuple[str, str], tree: dict[str, Any], source: Source) -> Parts:
    owner, place = named
    conditions = tree["condition"] if isinstance(tree["condition"], list) else [tree["condition"]]
    plain = replace(source, guard=TRUE)
    guard = None
    if source.guard != TRUE:
        try:
            rule = compile_rule(f"{owner}/", source.guard, source)
        except RuleError:
            rule = None
        guard = Part(owner=f"{owner}/", selection="", clause=f"log source {source.category}", rule=rule)
    parts: list[Part] = []
    for name, detection in tree.items():
        if name in ("condition", "timeframe"):
            continue
        whole = f"{owner}/{name}"
        parts.append(Part(owner=whole, selection=name, rule=_compile(whole, detection, plain, text.lists)))
        for number, (path, clause) in enumerate(_clauses(detection)):
            one = f"{whole}/{number}"
            rule = _compile(one, clause, plain, text.lists)
            parts.append(Part(owner=one, selection=name, clause=_text(clause), path=path, rule=rule))
    return Parts(
        owner=owner,
        place=place,
        condition=" or ".join(map(str, conditions)),
        guard=guard,
        parts=tuple(parts),
        negated=_negated(tree),
    )


def _negated(tree: dict[str, Any]) -> frozenset[str]:
    detections = SigmaDetections.from_dict(tree, policy=POLICY)
    found: set[str] = set()

    def walk(item: Any, against: bool) -> None:
        if isinstance(item, ConditionSelector):
            for one in item.resolve_referenced_detections(detections):
                walk(one, against)
        elif isinstance(item, ConditionIdentifier):
            found.update([item.identifier] if against else [])
        else:
            for one in item.args:
                walk(one, against != isinstance(item, ConditionNOT))

    for condition in detections.parsed_condition:
        walk(condition.parse(postprocess=False), False)
    return frozenset(found)


def _clauses(detection: Any, path: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Any]]:
    """One field with its values, or the keywords of a list."""
    if isinstance(detection, dict):
        yield from ((path, {key: value}) for key, value in detection.items())
    elif isinstance(detection, list) and any(isinstance(item, dict) for item in detection):
        for number, item in enumerate(detection):
            yield from _clauses(item, (*path, number))
    else:
        yield path, detection


def _compile(owner: str, detection: Any, source: Source, lists: Sequence[ValueList]) -> CompiledRule | None:
    """None where no event can match. Raises RuleError for a part that cannot stand alone."""
    detections = SigmaDetections.from_dict({"part": detection, "condition": "part"}, policy=POLICY)
    expand(detections, lists)
    expression = expression_of(detections, source)
    try:
        return compile_rule(owner, expression, source)
    except RuleError:
        return None


def _text(clause: Any) -> str:
    """The clause as its author wrote it, on one line."""
    if isinstance(clause, dict):
        ((key, value),) = clause.items()
        text = f"{key}: {_value(value)}"
    else:
        text = f"keywords {_value(clause)}"
    return text if len(text) <= CLAUSE_CHARACTERS else text[: CLAUSE_CHARACTERS - 3] + "..."


def _value(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(str, value)) + "]"
    return "null" if value is None else str(value)

# SPDX-License-Identifier: Apache-2.0
"""The mutants of a Sigma document: the same document with one small fault."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from tests.mutation import condition

Path = tuple[str | int, ...]
Tree = dict[str, Any]

#: The three ways for a text to lie in another.
_PLACES = ("contains", "startswith", "endswith")
_COMPARED = {"gt": "gte", "gte": "gt", "lt": "lte", "lte": "lt"}
_TIMESPAN = re.compile(r"(\d+)([smhd])")


@dataclass(frozen=True)
class Mutation:
    """`kind` is one word for the table, `what` says it all, `tree` is the document after it."""

    kind: str
    what: str
    tree: Tree


def mutations(tree: Tree) -> Iterator[Mutation]:
    """Every mutant of one document, a rule or a correlation."""
    if "correlation" in tree:
        yield from _correlation(tree)
        return
    detection: Tree = tree["detection"]
    conditions = detection["condition"]
    for place, text in enumerate(conditions if isinstance(conditions, list) else [conditions]):
        path: Path = ("detection", "condition", *([place] if isinstance(conditions, list) else []))
        for kind, what, changed in condition.mutants(condition.parse(text)):
            mutant = replaced(tree, path, condition.render(changed))
            yield Mutation(kind, f"condition: {what}", pruned(mutant))
    for name, search in detection.items():
        if name != "condition":
            yield from _search(tree, ("detection", name), search)


def replaced(tree: Tree, path: Path, value: object) -> Tree:
    """A copy with another value at the path."""
    out = deepcopy(tree)
    holder: Any = out
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    return out


def pruned(tree: Tree) -> Tree:
    """Without the searches that the condition no longer names: the compiler refuses a search that nothing uses."""
    detection: Tree = tree["detection"]
    conditions = detection["condition"]
    text = " ".join(conditions if isinstance(conditions, list) else [conditions])
    words = set(re.findall(r"[\w*]+", text))
    if "them" in words:
        return tree
    patterns = [re.compile(re.escape(word).replace(r"\*", ".*")) for word in words]
    kept = {
        name: search
        for name, search in detection.items()
        if name == "condition" or any(pattern.fullmatch(name) for pattern in patterns)
    }
    return {**tree, "detection": kept}


def _search(tree: Tree, path: Path, search: object) -> Iterator[Mutation]:
    """A mapping of fields, or a list of alternatives."""
    where = ".".join(str(step) for step in path[1:])
    if isinstance(search, list):
        for place, item in enumerate(search):
            if len(search) > 1:
                rest = search[:place] + search[place + 1 :]
                said = f"alternative {place + 1}" if isinstance(item, dict) else repr(item)
                kind = "item" if isinstance(item, dict) else "value"
                yield Mutation(kind, f"{where}: {said} dropped", replaced(tree, path, rest))
            if isinstance(item, dict):
                yield from _search(tree, (*path, place), item)
    elif isinstance(search, dict):
        for key, value in search.items():
            if len(search) > 1:
                left = {name: kept for name, kept in search.items() if name != key}
                yield Mutation("item", f"{where}: {key} dropped", replaced(tree, path, left))
            yield from _values(tree, (*path, key), value)
            for other in _other_keys(key):
                changed = {other if name == key else name: kept for name, kept in search.items()}
                kind = "compared" if other.rpartition("|")[2] in _COMPARED else "modifier"
                yield Mutation(kind, f"{where}: {key} becomes {other}", replaced(tree, path, changed))


def _values(tree: Tree, path: Path, value: object) -> Iterator[Mutation]:
    if isinstance(value, list) and len(value) > 1:
        where = ".".join(str(step) for step in path[1:])
        for place, item in enumerate(value):
            rest = value[:place] + value[place + 1 :]
            yield Mutation("value", f"{where}: {item!r} dropped", replaced(tree, path, rest))


def _other_keys(key: str) -> Iterator[str]:
    """The key with each modifier that stands for the same with a small difference."""
    name, *modifiers = key.split("|")
    for place, modifier in enumerate(modifiers):
        others = [_COMPARED[modifier]] if modifier in _COMPARED else []
        if modifier in _PLACES:
            others = [other for other in _PLACES if other != modifier]
        for other in others:
            yield "|".join([name, *modifiers[:place], other, *modifiers[place + 1 :]])


def _correlation(tree: Tree) -> Iterator[Mutation]:
    path: Path = ("correlation",)
    body: Tree = tree["correlation"]
    if match := _TIMESPAN.fullmatch(str(body.get("timespan", ""))):
        for number in (int(match[1]) - 1, int(match[1]) + 1):
            text = f"{number}{match[2]}"
            yield Mutation("timespan", f"timespan {text}", replaced(tree, (*path, "timespan"), text))
    bounds = body.get("condition")
    if isinstance(bounds, dict):
        for key, value in bounds.items():
            if key not in _COMPARED or not isinstance(value, int):
                continue
            for number in (value - 1, value + 1):
                changed = replaced(tree, (*path, "condition", key), number)
                yield Mutation("threshold", f"condition {key}: {number}", changed)
            other = {_COMPARED[key] if name == key else name: kept for name, kept in bounds.items()}
            changed = replaced(tree, (*path, "condition"), other)
            yield Mutation("compared", f"condition {key} becomes {_COMPARED[key]}", changed)
    for key, kind in (("rules", "clause"), ("group-by", "group")):
        items = body.get(key)
        if isinstance(items, list) and len(items) > 1:
            for place, item in enumerate(items):
                rest = items[:place] + items[place + 1 :]
                yield Mutation(kind, f"{key}: {item} dropped", replaced(tree, (*path, key), rest))

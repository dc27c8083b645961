# SPDX-License-Identifier: Apache-2.0
"""A Sigma condition as a tree, its mutants, and the tree as a condition again.

Source: https://github.com/SigmaHQ/sigma-specification, "condition".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(r"\(|\)|[^\s()]+")


@dataclass(frozen=True)
class Search:
    """A name, or `1 of x*` and its like."""

    text: str


@dataclass(frozen=True)
class Not:
    item: Tree


@dataclass(frozen=True)
class Join:
    """`word` is and, or."""

    word: str
    items: tuple[Tree, ...]


Tree = Search | Not | Join


def parse(text: str) -> Tree:
    """Raises ValueError for what is no condition."""
    tokens = _TOKEN.findall(text)
    tree, rest = _join(tokens, "or")
    if rest:
        raise ValueError(f"condition {text!r}: {rest[0]!r} is not expected")
    return tree


def _join(tokens: list[str], word: str) -> tuple[Tree, list[str]]:
    """A chain of one word; `and` binds closer than `or`."""
    items: list[Tree] = []
    while True:
        item, tokens = _join(tokens, "and") if word == "or" else _operand(tokens)
        items.append(item)
        if not tokens or tokens[0].lower() != word:
            break
        tokens = tokens[1:]
    return (items[0] if len(items) == 1 else Join(word, tuple(items))), tokens


def _operand(tokens: list[str]) -> tuple[Tree, list[str]]:
    if not tokens:
        raise ValueError("a condition ends where an operand is expected")
    first, rest = tokens[0], tokens[1:]
    if first.lower() == "not":
        item, rest = _operand(rest)
        return Not(item), rest
    if first == "(":
        item, rest = _join(rest, "or")
        if not rest or rest[0] != ")":
            raise ValueError("a parenthesis is not closed")
        return item, rest[1:]
    if len(rest) > 1 and rest[0].lower() == "of":
        return Search(f"{first} of {rest[1]}"), rest[2:]
    return Search(first), rest


def render(tree: Tree) -> str:
    match tree:
        case Search(text=text):
            return text
        case Not(item=item):
            return f"not {_inner(item)}"
    return f" {tree.word} ".join(map(_inner, tree.items))


def _inner(tree: Tree) -> str:
    return f"({render(tree)})" if isinstance(tree, Join) else render(tree)


def mutants(tree: Tree) -> Iterator[tuple[str, str, Tree]]:
    """(kind, what was done, the condition after it): each operand negated, each operand of a chain left out."""
    match tree:
        case Search():
            yield "negated", f"{render(tree)} negated", Not(tree)
        case Not(item=item):
            yield "negated", f"not removed before {_inner(item)}", item
            if not isinstance(item, Search):
                for kind, what, inner in mutants(item):
                    yield kind, what, Not(inner)
        case Join(word=word, items=items):
            yield "negated", f"({render(tree)}) negated", Not(tree)
            for place, item in enumerate(items):
                before, after = items[:place], items[place + 1 :]
                rest = before + after
                left = rest[0] if len(rest) == 1 else Join(word, rest)
                yield "clause", f"{word} {_inner(item)} dropped", left
                for kind, what, inner in mutants(item):
                    yield kind, what, Join(word, (*before, inner, *after))

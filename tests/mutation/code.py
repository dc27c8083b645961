# SPDX-License-Identifier: Apache-2.0
"""The mutants of a Python detector: the same file with one small fault in what it decides.

What a finding says (its text, evidence, entities) decides nothing and is left alone, and so are tables that serve that
alone, and the spec, whose numbers are shifted apart from the code.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

_NEGATED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.GtE,
    ast.GtE: ast.Lt,
    ast.Gt: ast.LtE,
    ast.LtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_BESIDE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}
#: Arguments of Finding(...) that a person reads and no case counts.
_SAID = frozenset({"title", "count", "entities", "attack", "evidence", "values", "tags"})


@dataclass(frozen=True)
class Fault:
    """`text` is the whole file after it."""

    kind: str
    what: str
    text: str


def faults(source: str) -> Iterator[Fault]:
    """Every mutant of the file's code, in the order of its lines."""
    tree = ast.parse(source)
    tested = {id(node.test) for node in ast.walk(tree) if isinstance(node, ast.If | ast.IfExp)}
    for node in _deciding(tree):
        made = list(_of(node))
        if not made and id(node) in tested:
            made = [("negated", f"{ast.unparse(node)} negated", ast.UnaryOp(ast.Not(), node))]
        for kind, what, other in made:
            yield Fault(kind, f"line {node.lineno}: {what}", _replaced(source, node, other))


def constant(source: str, name: str) -> str | None:
    """The text that the file gives a name at its top, e.g. its prefilter."""
    node = _assigned(ast.parse(source), name)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def with_constant(source: str, name: str, text: str) -> str:
    """The file with another text behind that name."""
    node = _assigned(ast.parse(source), name)
    assert node is not None, f"the file assigns no {name}"
    return _replaced(source, node, ast.Constant(text))


def _assigned(tree: ast.Module, name: str) -> ast.expr | None:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == name for t in node.targets
        ):
            return node.value
    return None


def _deciding(tree: ast.Module) -> Iterator[ast.expr]:
    """Expressions of the code, without annotations, the spec, the prefilter, and what a finding says."""
    code = [node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    tables = [
        node for node in tree.body if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    ]
    used = {name.id for node in code for name in _below(node) if isinstance(name, ast.Name)}
    for table in tables:
        if isinstance(table.targets[0], ast.Name) and table.targets[0].id in used - {"spec", "prefilter"}:
            yield from _below(table.value)
    for node in code:
        yield from _below(node)


def _below(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.expr):
        yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _only_says(child):
                yield from _below(child)


def _only_says(node: ast.AST) -> bool:
    """An argument of Finding that decides nothing, or a docstring."""
    if isinstance(node, ast.keyword):
        return node.arg in _SAID
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _of(node: ast.expr) -> Iterator[tuple[str, str, ast.expr]]:
    match node:
        case ast.Compare(ops=[operator]):
            for kind, table in (("negated", _NEGATED), ("compared", _BESIDE)):
                if other := table.get(type(operator)):
                    changed = ast.Compare(node.left, [other()], node.comparators)
                    yield kind, f"{ast.unparse(node)} becomes {ast.unparse(changed)}", changed
        case ast.UnaryOp(op=ast.Not()):
            yield "negated", f"not removed before {ast.unparse(node.operand)}", node.operand
        case ast.BoolOp(values=values):
            word = "and" if isinstance(node.op, ast.And) else "or"
            for place, value in enumerate(values):
                left = values[:place] + values[place + 1 :]
                changed_to = left[0] if len(left) == 1 else ast.BoolOp(node.op, left)
                yield "clause", f"{word} {ast.unparse(value)} dropped", changed_to
        case ast.Set(elts=items) | ast.Tuple(elts=items) | ast.List(elts=items):
            if len(items) > 1 and all(isinstance(item, ast.Constant) for item in items):
                for place, item in enumerate(items):
                    rest = items[:place] + items[place + 1 :]
                    yield "value", f"{ast.unparse(item)} dropped", _collection(node, rest)
        case ast.Dict(keys=keys) if len(keys) > 1 and all(isinstance(key, ast.Constant) for key in keys):
            for place, key in enumerate(keys):
                rest_keys = keys[:place] + keys[place + 1 :]
                rest_values = node.values[:place] + node.values[place + 1 :]
                assert key is not None
                yield "value", f"{ast.unparse(key)} dropped", ast.Dict(rest_keys, rest_values)


def _collection(like: ast.expr, items: list[ast.expr]) -> ast.expr:
    if isinstance(like, ast.Set):
        return ast.Set(items)
    return ast.Tuple(items, ast.Load()) if isinstance(like, ast.Tuple) else ast.List(items, ast.Load())


def _replaced(source: str, node: ast.expr, other: ast.expr) -> str:
    """The file with the node's text exchanged. Offsets of the ast are bytes of UTF-8."""
    lines = source.encode().splitlines(keepends=True)
    assert node.end_lineno is not None and node.end_col_offset is not None
    begin = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
    end = sum(map(len, lines[: node.end_lineno - 1])) + node.end_col_offset
    text = ast.unparse(ast.fix_missing_locations(other))
    return (source.encode()[:begin] + f"({text})".encode() + source.encode()[end:]).decode()

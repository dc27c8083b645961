# SPDX-License-Identifier: Apache-2.0
"""Reading a Sigma file: documents with line numbers, and our own `innerwarden:` key, typed."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import msgspec
import yaml

from innerwarden.errors import RuleError
from innerwarden.model.detector import CooldownSeconds
from innerwarden.model.severity import Severity

#: Of one document, everything in it counted; the largest of known rule sets has some 3,000.
MAX_VALUES = 20_000
MAX_DEPTH = 24
LEVELS = {
    "informational": Severity.INFO,
    "low": Severity.LOW,
    "medium": Severity.MEDIUM,
    "high": Severity.HIGH,
    "critical": Severity.CRITICAL,
}


class Extension(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `innerwarden:` key of a Sigma document: what Sigma has no word for."""

    id: str | None = None
    kinds: tuple[str, ...] = ()
    group_by: tuple[str, ...] = ()
    cooldown_s: CooldownSeconds = 300
    summary: str = ""
    checks: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    blind_spots: tuple[str, ...] = ()
    sample_field: str | None = None
    emit: bool | None = None
    """None: unless a correlation that does not say `generate: true` is made of the rule."""


@dataclass(frozen=True)
class Document:
    """One YAML document; `owner` is the detector or building block it defines."""

    name: str
    line: int
    tree: dict[str, Any]
    owner: str
    extension: Extension
    text: str

    @property
    def is_correlation(self) -> bool:
        return "correlation" in self.tree

    @property
    def names(self) -> frozenset[str]:
        """What a correlation may call it by."""
        given = (self.tree.get("name"), self.tree.get("id"))
        return frozenset({self.owner, *(str(name) for name in given if name)})

    def at(self, word: str | None = None, *, below: str | None = None) -> str:
        """`file:line` of the first line that has `word` as a key or an item, or anywhere; of the document otherwise.

        Of a field with modifiers the whole is looked for, then the field. Lines above the key `below` are passed over.
        """
        lines = list(enumerate(self.text.splitlines()))
        start = next((at for at, line in lines if below and _key(below).search(line)), 0)
        if word:
            field = word.partition("|")[0]
            for looked in (_key(word), _key(field), re.compile(re.escape(word))):
                for offset, line in lines[start:]:
                    if looked.search(line):
                        return f"{self.name}:{self.line + offset}"
        return f"{self.name}:{self.line + start}"


def _key(word: str) -> re.Pattern[str]:
    """The word as a key or an item of YAML."""
    return re.compile(rf"""(^|[\s{{\[,'"-]){re.escape(word)}(['"]?\s*:|\||['"]?\s*(,|\]|$))""")


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice, which YAML would silently overwrite."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen = set()
    for key_node, _ in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise yaml.MarkedYAMLError(problem="a key is one text", problem_mark=key_node.start_mark)
        key = loader.construct_object(key_node, deep=True)
        if key in seen:
            raise yaml.MarkedYAMLError(
                problem=f"the key {key!r} is given twice", problem_mark=key_node.start_mark
            )
        seen.add(key)
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read(text: str, name: str, stem: str) -> list[Document]:
    """Documents of one file. Raises RuleError with `name:line` for what is not a Sigma document."""
    out = []
    try:
        loader = _Loader(text)
        while loader.check_node():
            node = loader.get_node()
            if node is None:
                break
            tree = loader.construct_document(node)
            first, last = node.start_mark.line, node.end_mark.line
            out.append(_document(tree, text, name, stem, (first, last)))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise RuleError(f"{name}:{line}: {error.problem}", "Correct the YAML there") from error
    except yaml.YAMLError as error:
        raise RuleError(f"{name}:1: {error}", "Correct the YAML") from error
    except (ValueError, OverflowError, RecursionError) as error:  # of a date, a number or nesting
        raise RuleError(f"{name}:1: a value cannot be read: {error}", "Correct the YAML") from error
    if not out:
        raise RuleError(f"{name}:1: the file holds no Sigma document", "Add one or remove the file")
    return out if len(out) == 1 else [_with_owner(document, stem, out) for document in out]


def _with_owner(document: Document, stem: str, others: list[Document]) -> Document:
    """A document of several without `innerwarden.id`: the only correlation has the file's name, a rule its own."""
    if document.extension.id is not None:
        return document
    if document.is_correlation and sum(other.is_correlation for other in others) == 1:
        return document
    name, uuid = str(document.tree.get("name", "")), str(document.tree.get("id", ""))
    if re.fullmatch(r"[a-z][a-z0-9_]*", name):
        return replace(document, owner=name)
    if re.fullmatch(r"[0-9a-fA-F]{8}-.*", uuid):
        return replace(document, owner=f"{stem}_{uuid[:8].lower()}")
    raise RuleError(
        f"{document.at()}: one of several documents of a file has no innerwarden.id, name or id",
        "Add one; it names the detector",
    )


def _is_small(tree: Any) -> bool:
    """Whether what is made of it ends: an alias may mean itself, or ten of what means ten of what means ten."""
    level, seen = [tree], 0
    for _ in range(MAX_DEPTH):
        seen += len(level)
        if seen > MAX_VALUES:
            return False
        inside = (
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        )
        level = list(islice(inside, MAX_VALUES + 1))
        if not level:
            return True
    return False


def _document(tree: Any, text: str, name: str, stem: str, span: tuple[int, int]) -> Document:
    line = span[0] + 1
    if not isinstance(tree, dict):
        raise RuleError(f"{name}:{line}: a Sigma document is a mapping", "Write `title:`, `detection:` ...")
    if not _is_small(tree):
        raise RuleError(
            f"{name}:{line}: more than {MAX_VALUES} values or {MAX_DEPTH} levels (aliases count as what they mean)",
            "Split the document",
        )
    body = "\n".join(text.splitlines()[span[0] : span[1] + 1])
    try:
        extension = msgspec.convert(tree.pop("innerwarden", {}), Extension)
    except msgspec.ValidationError as error:
        raise RuleError(
            f"{name}:{line}: innerwarden: {error}", "See docs/module-authoring.md for its keys"
        ) from error
    return Document(name, line, tree, extension.id or stem, extension, body)

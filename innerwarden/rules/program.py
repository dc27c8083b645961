# SPDX-License-Identifier: Apache-2.0
"""Compiled rules: plain data that is saved, and turned into the engine's objects without any parser."""

from __future__ import annotations

import msgspec
from innerwarden_core import FIELDS, OPERATORS, Correlation, Predicate, Rule

from innerwarden.model._wire import KINDS
from innerwarden.rules.lists import ValueList

MATCH = -1
NO_MATCH = -2


class RuleSource(msgspec.Struct, frozen=True, kw_only=True):
    """One text to compile: a Sigma file, or (with `kinds`) the prefilter of a Python detector."""

    name: str
    stem: str
    text: str
    module: str = ""
    kinds: tuple[str, ...] = ()
    lists: tuple[ValueList, ...] = ()


class CompiledPredicate(msgspec.Struct, frozen=True, array_like=True):
    """One test; a literal of `field_equals` and its like is a field name, of a flag or number test an integer."""

    field: str
    operator: str
    literals: tuple[bytes | int, ...]
    cased: bool = False
    needs: tuple[bytes, ...] = ()
    """Of a regular expression: text of which every match holds one, in lower case."""

    def native(self) -> Predicate:
        literals = self.literals
        if self.operator.startswith("field_"):
            literals = tuple(FIELDS[name.decode()] for name in literals if isinstance(name, bytes))
        return Predicate(FIELDS[self.field], OPERATORS[self.operator], literals, self.cased, self.needs)


class CompiledRule(msgspec.Struct, frozen=True, kw_only=True):
    """A decision graph: node i is (predicate, target if true, target if false), targets greater than i.

    Without nodes every record of the kinds matches.
    """

    owner: str
    kinds: tuple[str, ...]
    predicates: tuple[CompiledPredicate, ...]
    nodes: tuple[tuple[int, int, int], ...]
    group_by: tuple[str, ...] = ()
    cooldown_s: int = 0
    emit: bool = True
    watched: tuple[tuple[str, str, bytes], ...] = ()
    """(field, operator, literal) of the names of files that the rule looks for."""

    def native(self) -> Rule:
        return Rule(
            self.owner,
            [int(KINDS[kind]) for kind in self.kinds],
            [predicate.native() for predicate in self.predicates],
            list(self.nodes),
            group_by=[FIELDS[name] for name in self.group_by],
            cooldown_ns=self.cooldown_s * 1_000_000_000,
            emit=self.emit,
        )


class CompiledCorrelation(msgspec.Struct, frozen=True, kw_only=True):
    """A Sigma correlation with aliases resolved: one tuple of group fields for each rule of `rules`."""

    owner: str
    kind: str
    rules: tuple[str, ...]
    group_by: tuple[tuple[str, ...], ...]
    timespan_s: int
    operator: str = "ge"
    threshold: int = 1
    value_field: str | None = None
    sample_field: str | None = None
    cooldown_s: int = 0

    def native(self) -> Correlation:
        return Correlation(
            self.owner,
            self.kind,
            list(self.rules),
            [[FIELDS[name] for name in group] for group in self.group_by],
            self.timespan_s * 1_000_000_000,
            operator=self.operator,
            threshold=self.threshold,
            value_field=FIELDS[self.value_field] if self.value_field else -1,
            sample_field=FIELDS[self.sample_field] if self.sample_field else -1,
            cooldown_ns=self.cooldown_s * 1_000_000_000,
        )

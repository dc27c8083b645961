# SPDX-License-Identifier: Apache-2.0
"""Why a case did not fire: each test of its rules is put to the case's events by a real engine of its own."""

from __future__ import annotations

from datetime import UTC, datetime

from innerwarden_core import Engine, Rule

from innerwarden.model._wire import KINDS
from innerwarden.model.detector import DetectorSpec
from innerwarden.modules.cases import Case, Result, records_of, split
from innerwarden.modules.loader import ModuleSet
from innerwarden.modules.log_sources import parser_of
from innerwarden.rules.program import CompiledPredicate, CompiledRule

SHOWN_LITERALS = 3


def why(modules: ModuleSet, spec: DetectorSpec, result: Result) -> list[str]:
    """Sentences about a case that did not give what it expects; none for one that passed."""
    if result.passed:
        return []
    out = list(result.errors)
    if result.findings > result.case.expect:
        groups = {", ".join(hit.group) for hit in result.hits}
        out.append(f"it fired {result.findings} times, for {'; '.join(sorted(groups)) or 'one group'}")
        return out
    if result.findings == result.case.expect and result.case.severity is not None:
        return [*out, f"it is told as {result.gravest}, and the case wants {result.case.severity}"]
    rules = {rule.owner: rule for rule in modules.compiled_rules}
    correlation = next((c for c in modules.compiled_correlations if c.owner == spec.id), None)
    names = correlation.rules if correlation else (spec.id,)
    for name in names:
        if name in rules:
            out += _of_rule(rules[name], result.case)
    if correlation is not None:
        out.append(
            f"the correlation wants {correlation.operator} {correlation.threshold} within "
            f"{correlation.timespan_s} s for one value of {', '.join(correlation.group_by[0]) or 'nothing'}"
        )
    if spec.form == "python" and result.passed_prefilter:
        out.append(
            f"{result.passed_prefilter} events passed the prefilter, and process() gave a Finding for "
            f"{result.findings} of them outside the cooldown of {spec.cooldown_s} s"
        )
    return out


def _of_rule(rule: CompiledRule, case: Case) -> list[str]:
    whole, events = _matches(rule, case, rule.predicates, list(rule.nodes))
    out = [f"{rule.owner}: matches {whole} of {events} events of {', '.join(rule.kinds)}"]
    if whole:
        return out
    if not events:
        return [f"{rule.owner}: the case has no event of {', '.join(rule.kinds)}"]
    for number, predicate in enumerate(rule.predicates):
        count, _ = _matches(rule, case, rule.predicates, [(number, -1, -2)])
        out.append(f"  {_text(predicate)}: true of {count}")
    return out


def _matches(
    rule: CompiledRule,
    case: Case,
    predicates: tuple[CompiledPredicate, ...],
    nodes: list[tuple[int, int, int]],
) -> tuple[int, int]:
    """(events that match, events of the rule's kinds)."""
    engine = Engine()
    kinds = [int(KINDS[kind]) for kind in rule.kinds]
    tests = [predicate.native() for predicate in predicates]
    engine.configure([Rule("it", kinds, tests, nodes)], [], [])
    hits = 0
    if case.lines:
        parser = parser_of(case.source, int(datetime.now(UTC).timestamp()))
        hits += len(engine.feed_lines("".join(f"{line}\n" for line in case.lines).encode(), parser)[0])
    for record in split(records_of(case)):
        hits += len(engine.feed(record))
    counted = engine.stats()["records"]
    return hits, sum(counted.get(kind, 0) for kind in rule.kinds)


def _text(predicate: CompiledPredicate) -> str:
    shown = [
        repr(one.decode("utf-8", "backslashreplace")) if isinstance(one, bytes) else str(one)
        for one in predicate.literals[:SHOWN_LITERALS]
    ]
    more = len(predicate.literals) - len(shown)
    rest = f" or {more} more" if more > 0 else ""
    return f"{predicate.field} {predicate.operator} {' or '.join(shown)}{rest}".strip()

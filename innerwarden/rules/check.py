# SPDX-License-Identifier: Apache-2.0
"""What a directory of Sigma rules is worth here: which compile, which can fire, and why the others do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from innerwarden.errors import RuleError
from innerwarden.rules.backend import FILE_KINDS
from innerwarden.rules.compiler import Compiled, compile_sources
from innerwarden.rules.pipeline import UNREAD
from innerwarden.rules.program import CompiledRule, RuleSource
from innerwarden.rules.refusals import Refusal
from innerwarden.rules.sigma_file import Document, read
from innerwarden.rules.watch import names_of, watch_of

#: Kinds whose source keeps every message.
WHOLE = frozenset({"process.exec", "audit.record", "cloud.api_call", "tool.alert"})
FIRES, IN_PART, REFUSED = "fires", "in part", "refused"
STATES = (FIRES, IN_PART, REFUSED)


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """One document. `reasons` say why it is refused, or what of it cannot fire."""

    file: str
    line: int
    id: str
    title: str
    source: str
    state: str
    reasons: tuple[str, ...] = ()


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A reason with the documents that it holds for."""

    state: str
    reason: str
    count: int
    files: tuple[str, ...]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    rules: tuple[Checked, ...]
    groups: tuple[Group, ...]
    by_source: dict[str, dict[str, int]]

    @property
    def totals(self) -> Counter[str]:
        return Counter(rule.state for rule in self.rules)


def check(sources: Sequence[RuleSource]) -> Report:
    compiled = compile_sources(sources)
    rules = [row for source in sources for row in _rows(source, compiled)]
    found: dict[tuple[str, str], list[str]] = {}
    for rule in rules:
        for reason in rule.reasons:
            found.setdefault((rule.state, reason), []).append(f"{rule.file}:{rule.line}")
    groups = [
        Group(state=state, reason=reason, count=len(places), files=tuple(places))
        for (state, reason), places in found.items()
    ]
    by_source: dict[str, dict[str, int]] = {}
    for rule in rules:
        counts = by_source.setdefault(rule.source, dict.fromkeys(STATES, 0))
        counts[rule.state] += 1
    order = sorted(groups, key=lambda g: (STATES.index(g.state), -g.count, g.reason))
    return Report(rules=tuple(rules), groups=tuple(order), by_source=dict(sorted(by_source.items())))


def _rows(source: RuleSource, compiled: Compiled) -> list[Checked]:
    refusals = [refusal for refusal in compiled.refusals if refusal.file == source.name]
    try:
        documents = read(source.text, source.name, source.stem)
    except RuleError:
        first = refusals[0]
        return [
            Checked(
                file=source.name,
                line=first.line,
                id=source.stem,
                title="",
                source="-",
                state=REFUSED,
                reasons=(first.reason,),
            )
        ]
    rows = []
    for number, document in enumerate(documents):
        end = documents[number + 1].line if number + 1 < len(documents) else None
        mine = [r for r in refusals if document.line <= r.line and (end is None or r.line < end)]
        rows.append(_row(document, mine, compiled))
    return rows


def _row(document: Document, refusals: Sequence[Refusal], compiled: Compiled) -> Checked:
    if refusals:
        state, line = REFUSED, refusals[0].line
        reasons = tuple(dict.fromkeys(refusal.reason for refusal in refusals))
    else:
        line = document.line
        reasons = tuple(dict.fromkeys(_limits(document.owner, compiled)))
        state = IN_PART if reasons else FIRES
    return Checked(
        file=document.name,
        line=line,
        id=document.owner,
        title=str(document.tree.get("title", "")),
        source=_source(document),
        state=state,
        reasons=reasons,
    )


def _source(document: Document) -> str:
    if document.is_correlation:
        return "correlation"
    log = document.tree.get("logsource")
    if not isinstance(log, dict):
        return "-"
    return str(log.get("category") or log.get("service") or log.get("product") or "-")


def _limits(owner: str, compiled: Compiled) -> Iterable[str]:
    """What of a compiled rule, or of the rules that a correlation is made of, has no event."""
    parts = {owner}
    for correlation in compiled.correlations:
        if correlation.owner == owner:
            parts = set(correlation.rules)
    used = {name for correlation in compiled.correlations for name in correlation.rules}
    for rule in compiled.rules:
        if rule.owner in parts:
            yield from limits_of(rule)
            if not rule.emit and rule.owner not in used:
                yield "says nothing itself, and no correlation that compiles is made of it"


def limits_of(rule: CompiledRule) -> Iterable[str]:
    """Events that the rule waits for and nothing gives."""
    for kind in sorted(set(rule.kinds) & set(UNREAD)):
        yield f"no events of {kind}: {UNREAD[kind]}"
    if any(test.field == "message" for test in rule.predicates) and not set(rule.kinds) <= WHOLE:
        yield "searches log messages, of which only those that the log parser knows are kept"
    if set(rule.kinds) <= FILE_KINDS | {"file.link"}:
        names, without = names_of(watch_of([rule]))
        if not names:
            yield "names no file by a whole component, by which the kernel would look for it"
        elif without:
            yield "some of its files have no whole component, by which the kernel would look for them"

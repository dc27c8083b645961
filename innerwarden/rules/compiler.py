# SPDX-License-Identifier: Apache-2.0
"""Sigma documents -> compiled rules, correlations and detector specs; every problem is collected."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import yaml
from sigma.correlations import SigmaCorrelationRule
from sigma.rule import SigmaDetections, SigmaRule

from innerwarden.errors import RuleError
from innerwarden.model.detector import MATURITIES, DetectorSpec, check_templates
from innerwarden.model.severity import Severity
from innerwarden.rules.backend import POLICY, compile_rule, expression_of
from innerwarden.rules.correlation import Known, compile_correlation, references_of
from innerwarden.rules.expand import expand
from innerwarden.rules.foreign_fields import audit_source, fields_of
from innerwarden.rules.lint import detections_are_used, modifiers_agree, one_rule
from innerwarden.rules.lists import ValueList
from innerwarden.rules.pipeline import Source, resolve, source_of, source_of_kinds
from innerwarden.rules.program import CompiledCorrelation, CompiledRule, RuleSource
from innerwarden.rules.refusals import Refusal, collected, located, refusal_of
from innerwarden.rules.sigma_file import LEVELS, Document, Extension, read


class Compiled(msgspec.Struct, frozen=True, kw_only=True):
    """What a set of sources became; `problems` are `file:line: text` of what was refused, `refusals` their parts."""

    rules: tuple[CompiledRule, ...] = ()
    correlations: tuple[CompiledCorrelation, ...] = ()
    specs: tuple[DetectorSpec, ...] = ()
    problems: tuple[str, ...] = ()
    refusals: tuple[Refusal, ...] = ()


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """A compiled rule by the names that a correlation may use, with what resolves its fields."""

    document: Document
    sigma: SigmaRule
    source: Source
    rule: CompiledRule


def compile_sources(sources: Iterable[RuleSource]) -> Compiled:
    """Compile everything that can be; a refused document never takes another one with it."""
    problems: list[RuleError] = []
    rules: list[CompiledRule] = []
    specs: list[DetectorSpec] = []
    named: dict[str, Named] = {}
    owners: dict[str, str] = {}
    parts: set[str] = set()
    single: list[tuple[RuleSource, Document]] = []
    correlations: list[tuple[RuleSource, Document]] = []
    for text in sources:
        if text.kinds:
            with collected(problems):
                _claim(text.stem, f"{text.name}:1", owners)
                rules.append(compile_prefilter(text))
            continue
        documents: list[Document] = []
        with collected(problems):
            documents = read(text.text, text.name, text.stem)
        parts |= parts_of(documents)
        for document in documents:
            with collected(problems):
                _claim(document.owner, document.at(), owners)
                (correlations if document.is_correlation else single).append((text, document))
    for text, document in single:
        with collected(problems):
            entry = rule_of(document, parts, text.lists)
            _name(entry, named)
            rules.append(entry.rule)
            if entry.rule.emit:
                specs.append(_rule_spec(entry, text.module))
    compiled = []
    known = Known(
        parts={key: (entry.document.owner, entry.source) for key, entry in named.items()},
        correlations=frozenset(name for _, document in correlations for name in document.names),
        refused=frozenset(name for _, document in single for name in document.names) - set(named),
    )
    for text, document in correlations:
        with collected(problems):
            one, spec = _correlation(document, named, text.module, known)
            compiled.append(one)
            specs.append(spec)
    return Compiled(
        rules=tuple(rules),
        correlations=tuple(compiled),
        specs=tuple(specs),
        problems=tuple(map(str, problems)),
        refusals=tuple(map(refusal_of, problems)),
    )


def parts_of(documents: Iterable[Document]) -> set[str]:
    """Names of the rules that are parts of correlations only: Sigma's `generate` is false unless it is given.

    They stay so when their correlation is refused: they were never written to be told of one by one.
    """
    names: set[str] = set()
    for document in documents:
        tree = document.tree.get("correlation")
        if isinstance(tree, dict) and tree.get("generate") is not True:
            condition = tree.get("condition")
            rules = tree.get("rules") or (re.findall(r"\w+", condition) if isinstance(condition, str) else [])
            names.update(map(str, rules if isinstance(rules, list) else [rules]))
    return names


def rule_of(document: Document, parts: set[str], lists: Sequence[ValueList] = ()) -> Named:
    """Compile one rule. `parts` are the names that only correlations use. Raises RuleError with file and line."""
    emit = document.extension.emit
    if emit is None:
        emit = not parts & document.names
    with located(document):
        one_rule(document)
        sigma = SigmaRule.from_dict(document.tree, policy=POLICY)
        expand(sigma.detection, lists)
        log = sigma.logsource
        source = source_of(log.category, log.product, log.service)
        extension = document.extension
        if extension.kinds:
            source = source_of_kinds(extension.kinds, source)
        if source.category == "auditd":
            source = audit_source(fields_of(sigma.detection), source)
        expression = expression_of(sigma.detection, source)
        detections_are_used(sigma.detection, document)
        modifiers_agree(sigma.detection)
        rule = compile_rule(
            document.owner,
            expression,
            source,
            group_by=tuple(resolve(name, source).name for name in extension.group_by),
            cooldown_s=extension.cooldown_s if emit else 0,
            emit=emit,
        )
        return Named(document=document, sigma=sigma, source=source, rule=rule)


def _claim(owner: str, place: str, owners: dict[str, str]) -> None:
    """One detector to an id, the first: two would be one to the engine."""
    if owner in owners:
        raise RuleError(
            f"{place}: the id {owner!r} is taken by {owners[owner]}",
            "Rename the file, or give innerwarden.id",
        )
    owners[owner] = place


def _name(entry: Named, named: dict[str, Named]) -> None:
    for key in sorted(entry.document.names):
        if key in named:
            raise RuleError(f"{entry.document.at()}: the name {key!r} is taken by {named[key].document.at()}")
        named[key] = entry


def compile_prefilter(source: RuleSource) -> CompiledRule:
    """A Python detector's prefilter: the `detection` part of a Sigma rule over the spec's kinds."""
    text = source.text or "every:\n  kind_name: '*'\ncondition: every\n"
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RuleError(f"{source.name}: prefilter: {error}", "Correct the YAML") from error
    document = Document(source.name, 1, {"detection": tree}, source.stem, Extension(), text)
    with located(document):
        where = source_of_kinds(source.kinds)
        detections = SigmaDetections.from_dict(tree, policy=POLICY)
        expand(detections, source.lists)
        expression = expression_of(detections, where)
        detections_are_used(detections, document)
        modifiers_agree(detections)
        return compile_rule(source.stem, expression, where)


def _rule_spec(entry: Named, module: str) -> DetectorSpec:
    document, sigma = entry.document, entry.sigma
    return _spec(
        document, sigma, module, kinds=entry.rule.kinds, group_key=entry.rule.group_by, parameters={}
    )


def _correlation(
    document: Document, named: dict[str, Named], module: str, known: Known
) -> tuple[CompiledCorrelation, DetectorSpec]:
    with located(document):
        sigma = SigmaCorrelationRule.from_dict(document.tree)
        compiled = compile_correlation(sigma, document.owner, known, document.extension)
        kinds: dict[str, None] = {}
        for name in references_of(sigma):
            kinds.update(dict.fromkeys(named[name].rule.kinds))
        parameters = {"timespan_s": compiled.timespan_s}
        if compiled.kind in ("event_count", "value_count"):
            parameters["threshold_count"] = compiled.threshold
        spec = _spec(
            document,
            sigma,
            module,
            kinds=tuple(kinds),
            group_key=compiled.group_by[0],
            parameters=parameters,
        )
        return compiled, spec


def _spec(
    document: Document,
    sigma: SigmaRule | SigmaCorrelationRule,
    module: str,
    *,
    kinds: tuple[str, ...],
    group_key: tuple[str, ...],
    parameters: dict[str, int],
) -> DetectorSpec:
    extension = document.extension
    with located(document):
        if sigma.level is None:
            raise RuleError("the rule has no level", "Add one of " + ", ".join(LEVELS))
        status = sigma.status.name.lower() if sigma.status else "experimental"
        tags = [str(tag) for tag in sigma.tags]
        spec = DetectorSpec(
            id=document.owner,
            title=sigma.title,
            severity=Severity(LEVELS[sigma.level.name.lower()]),
            kinds=kinds,
            summary=extension.summary or _plain(sigma.description or sigma.title),
            attack=tuple(t[7:].upper() for t in tags if t.startswith("attack.t")),
            blind_spots=extension.blind_spots,
            false_positives=tuple(sigma.falsepositives or ()),
            checks=extension.checks,
            group_key=group_key,
            cooldown_s=extension.cooldown_s,
            parameters=parameters,
            entities=extension.entities,
            tags=tuple(tags),
            maturity=status if status in MATURITIES else "experimental",
            form="sigma",
            module=module,
        )
        check_templates(spec)
        return spec


def _plain(text: str) -> str:
    """Text as a template that says just this text; rules of others have no summary of ours."""
    return " ".join(text.replace("{", "{{").replace("}", "}}").split())


def compile_file(path: Path) -> Compiled:
    """One file alone, for a person who checks a rule."""
    return compile_sources([RuleSource(name=str(path), stem=path.stem, text=path.read_text("utf-8"))])

# SPDX-License-Identifier: Apache-2.0
"""Sigma documents -> compiled rules, correlations and detector specs; every problem is collected."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import yaml
from sigma.correlations import SigmaCorrelationRule
from sigma.exceptions import SigmaError
from sigma.modifiers import SigmaCaseSensitiveModifier, SigmaFieldReferenceModifier
from sigma.rule import SigmaDetectionItem, SigmaDetections, SigmaRule

from innerwarden.errors import RuleError
from innerwarden.model.detector import MATURITIES, DetectorSpec, check_templates
from innerwarden.model.severity import Severity
from innerwarden.rules.backend import POLICY, FieldError, compile_rule, expression_of, items_of
from innerwarden.rules.correlation import CorrelationError, compile_correlation
from innerwarden.rules.pipeline import Source, resolve, source_of, source_of_kinds
from innerwarden.rules.program import CompiledCorrelation, CompiledRule, RuleSource
from innerwarden.rules.sigma_file import LEVELS, Document, Extension, read


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why a document was not compiled, and the way out."""

    file: str
    line: int
    reason: str
    remedy: str


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
    single: list[tuple[RuleSource, Document]] = []
    correlations: list[tuple[RuleSource, Document]] = []
    for text in sources:
        if text.kinds:
            with _collect(problems):
                rules.append(compile_prefilter(text))
            continue
        documents: list[Document] = []
        with _collect(problems):
            documents = read(text.text, text.name, text.stem)
        for document in documents:
            (correlations if document.is_correlation else single).append((text, document))
    parts = parts_of(document for _, document in correlations)
    for text, document in single:
        with _collect(problems):
            entry = _rule(document, parts)
            rules.append(entry.rule)
            _name(entry, named)
            if entry.rule.emit:
                specs.append(_rule_spec(entry, text.module))
    compiled = []
    taken = frozenset(name for _, document in correlations for name in document.names)
    for text, document in correlations:
        with _collect(problems):
            one, spec = _correlation(document, named, text.module, taken)
            compiled.append(one)
            specs.append(spec)
    return Compiled(
        rules=tuple(rules),
        correlations=tuple(compiled),
        specs=tuple(specs),
        problems=tuple(map(str, problems)),
        refusals=tuple(map(_refusal, problems)),
    )


@contextmanager
def _collect(problems: list[RuleError]) -> Iterator[None]:
    try:
        yield
    except RuleError as error:
        problems.append(error)


def _refusal(error: RuleError) -> Refusal:
    found = re.match(r"(.*?):(\d+): ", error.problem)
    if found is None:
        return Refusal(file="", line=0, reason=error.problem, remedy=error.remedy)
    reason = error.problem[found.end() :]
    return Refusal(file=found[1], line=int(found[2]), reason=reason, remedy=error.remedy)


@contextmanager
def located(document: Document) -> Iterator[None]:
    """Give errors of pySigma and of ours the file and line of the key they name."""
    try:
        yield
    except RuleError as error:
        if error.problem.startswith(f"{document.name}:"):
            raise
        if isinstance(error, FieldError):
            place = document.at(error.key, below=error.below)
        elif isinstance(error, CorrelationError):
            place = document.at(error.key, below="correlation")
        else:
            place = document.at(_word(error.problem))
        raise RuleError(f"{place}: {error.problem}", error.remedy) from error
    except (SigmaError, ValueError, TypeError, AttributeError, KeyError) as error:
        text = str(error).split(" in /")[0]
        below = "correlation" if document.is_correlation else None
        key = _broken_item(document.tree.get("detection")) or _word(text)
        if below and key is None:
            key = next((key for word, key in _CORRELATION_WORDS.items() if word in text.lower()), None)
        raise RuleError(f"{document.at(key, below=below)}: {text}", "Correct the rule there") from error


#: Words of pySigma's errors about a correlation -> the key that they are about.
_CORRELATION_WORDS = {
    "field reference": "condition",
    "condition": "condition",
    "timespan": "timespan",
    "type": "type",
    "group": "group-by",
    "alias": "aliases",
    "rule": "rules",
}


def _broken_item(tree: object) -> str | None:
    """The `field|modifiers` that pySigma refuses; its errors do not say."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            if isinstance(value, dict | list) and (inner := _broken_item(value)):
                return inner
            if "|" in str(key):
                try:
                    SigmaDetectionItem.from_mapping(key, value, policy=POLICY)
                except (SigmaError, ValueError, TypeError, AttributeError):
                    return str(key)
    if isinstance(tree, list):
        return next((inner for item in tree if (inner := _broken_item(item))), None)
    return None


def _audit_records(detections: SigmaDetections) -> None:
    """Refuse what is about other records of auditd than EXECVE."""
    types = [(name, item) for name, item in items_of(detections) if item.field == "type"]
    if not types:
        raise RuleError("an auditd rule without `type: EXECVE` is about other records too", "Add it")
    for name, item in types:
        for value in item.value:
            if str(value).upper() != "EXECVE":
                problem = f"auditd records of type {value} have no counterpart here, only EXECVE has"
                error = FieldError(RuleError(problem, "Use process_creation or file_event"), "type")
                error.lies_in(name, item)
                raise error


def _modifiers_agree(detections: SigmaDetections) -> None:
    """Refuse what pySigma takes and forgets."""
    for name, item in items_of(detections):
        if {SigmaCaseSensitiveModifier, SigmaFieldReferenceModifier} <= set(item.modifiers):
            problem = f"{item.field}: a field reference has no case to heed"
            error = FieldError(RuleError(problem, "Remove cased"), str(item.field))
            error.lies_in(name, item)
            raise error


def _word(problem: str) -> str | None:
    """The key an error speaks of: the first quoted word."""
    return problem.split("'")[1].strip() if problem.count("'") > 1 else None


_OTHER_DOCUMENTS = {
    "filter": "a Sigma filter changes other rules, and is not applied here",
    "action": "documents that change the ones after them are no longer Sigma",
}


def parts_of(correlations: Iterable[Document]) -> frozenset[str]:
    """Names of the rules that are parts of correlations only: Sigma's `generate` is false unless it is given."""
    names: set[str] = set()
    for document in correlations:
        tree = document.tree.get("correlation")
        if isinstance(tree, dict) and tree.get("generate") is not True:
            condition = tree.get("condition")
            rules = tree.get("rules") or (re.findall(r"\w+", condition) if isinstance(condition, str) else [])
            names.update(map(str, rules if isinstance(rules, list) else [rules]))
    return frozenset(names)


def _rule(document: Document, parts: frozenset[str]) -> Named:
    emit = document.extension.emit
    if emit is None:
        emit = not parts & document.names
    with located(document):
        for key, what in _OTHER_DOCUMENTS.items():
            if key in document.tree:
                raise RuleError(f"{key!r}: {what}", "Put what it says into the rules themselves")
        sigma = SigmaRule.from_dict(document.tree, policy=POLICY)
        log = sigma.logsource
        source = source_of(log.category, log.product, log.service)
        extension = document.extension
        if extension.kinds:
            source = source_of_kinds(extension.kinds, source)
        if source.category == "auditd":
            _audit_records(sigma.detection)
        expression = expression_of(sigma.detection, source)
        _detections_exist(sigma.detection, document)
        _modifiers_agree(sigma.detection)
        rule = compile_rule(
            document.owner,
            expression,
            source,
            group_by=tuple(resolve(name, source).name for name in extension.group_by),
            cooldown_s=extension.cooldown_s if emit else 0,
            emit=emit,
        )
        return Named(document=document, sigma=sigma, source=source, rule=rule)


def _detections_exist(detections: SigmaDetections, document: Document) -> None:
    """Refuse a named search that no condition uses: it is most often a misspelt condition."""
    used = " ".join(detections.condition)
    for name in detections.detections:
        covered = name in used.replace("(", " ").replace(")", " ").split() or "them" in used.split()
        patterns = [word.rstrip("*") for word in used.replace(")", " ").split() if word.endswith("*")]
        if not covered and not any(name.startswith(pattern) for pattern in patterns):
            raise RuleError(f"{document.at(name)}: no condition uses {name!r}", "Use it or remove it")


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
        expression = expression_of(detections, where)
        _detections_exist(detections, document)
        _modifiers_agree(detections)
        return compile_rule(source.stem, expression, where)


def _rule_spec(entry: Named, module: str) -> DetectorSpec:
    document, sigma = entry.document, entry.sigma
    return _spec(
        document, sigma, module, kinds=entry.rule.kinds, group_key=entry.rule.group_by, parameters={}
    )


def _correlation(
    document: Document, named: dict[str, Named], module: str, taken: frozenset[str]
) -> tuple[CompiledCorrelation, DetectorSpec]:
    with located(document):
        sigma = SigmaCorrelationRule.from_dict(document.tree)
        parts = {key: (entry.document.owner, entry.source) for key, entry in named.items()}
        compiled = compile_correlation(sigma, document.owner, parts, document.extension, taken)
        kinds: dict[str, None] = {}
        for reference in sigma.rules or ():
            kinds.update(dict.fromkeys(named[reference.reference].rule.kinds))
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

# SPDX-License-Identifier: Apache-2.0
"""Mutants of one detector file, compiled by the real compiler and put before the detector's own cases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

from innerwarden import paths
from innerwarden.config import Config
from innerwarden.model.detector import DetectorSpec
from innerwarden.modules.cases import Case, read_cases, run_case
from innerwarden.modules.loader import ModuleSet, load_modules
from innerwarden.modules.manifest import FILE
from innerwarden.modules.native import build, read_native
from innerwarden.rules.compiler import Compiled, compile_sources
from innerwarden.rules.lists import DIRECTORY, SUFFIX, Shelf, ValueList, read_list
from innerwarden.rules.program import CompiledPredicate, RuleSource
from tests.mutation.sigma import mutations

MODULES = paths.REPOSITORY / "modules"

#: Whether a text that matches because of the first literal matches because of the second as well.
_COVERS: dict[str, Callable[[bytes, bytes], bool]] = {
    "equals": bytes.__eq__,
    "contains": bytes.__contains__,
    "startswith": bytes.startswith,
    "endswith": bytes.endswith,
}

#: The set of one detector file, for a spec with other parameters.
Prepare = Callable[[DetectorSpec], ModuleSet]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one mutant that counts."""

    module: str
    file: str
    kind: str
    mutant: str
    killed: bool


class BaselineError(Exception):
    """Cases that fail before anything is changed say nothing about mutants."""


def outcomes_of(directory: Path) -> Iterator[Outcome]:
    """Every mutant of a module that compiles and is not the same program. Raises BaselineError."""
    if directory.name == DIRECTORY:
        yield from _of_shared_lists(directory)
        return
    if not (directory / FILE).is_file():
        raise BaselineError(f"{directory} has no {FILE}")
    for path in sorted((directory / "detectors").glob("*")):
        found: Iterator[tuple[str, str, bool]] = iter(())
        if path.suffix == ".yml":
            found = _of_rules(path)
        elif path.suffix == ".toml":
            found = _of_native(path)
        elif path.suffix == ".py":
            found = _of_python(path)
        name = str(path.relative_to(directory.parent))
        for kind, what, killed in found:
            yield Outcome(module=directory.name, file=name, kind=kind, mutant=what, killed=killed)


def _of_rules(path: Path) -> Iterator[tuple[str, str, bool]]:
    documents = list(yaml.safe_load_all(path.read_text("utf-8")))
    beside: list[RuleSource] = []
    compiled = compile_sources([_source(path, documents)])
    if compiled.problems:
        # A correlation may be made of rules of another file of its module.
        beside = [_text(other) for other in sorted(path.parent.glob("*.yml")) if other != path]
        compiled = compile_sources([_source(path, documents), *beside])
    if compiled.problems:
        raise BaselineError("\n".join(compiled.problems))
    specs = {spec.id: spec for spec in compiled.specs}
    cases = _cases(path, [name for name in specs if name in _owners(documents, path)])
    _must_pass(path, _set(compiled), cases)
    seen = {_program(compiled)}
    for number, document in enumerate(documents):
        for mutation in mutations(document):
            changed = [*documents[:number], mutation.tree, *documents[number + 1 :]]
            mutant = compile_sources([_source(path, changed), *beside])
            if mutant.problems or _program(mutant) in seen:
                continue
            seen.add(_program(mutant))
            title = f"{_owner(document, path)}: " if len(documents) > 1 else ""
            yield mutation.kind, title + mutation.what, _is_killed(_set(mutant), cases)
    source = _source(path, documents)
    for one in source.lists:
        if Path(one.file).is_relative_to(path.parent.parent):
            for value, fewer in _fewer(one):
                mutant = compile_sources([_with(source, fewer), *beside])
                yield "list", f"%{one.name}%: {value!r} dropped", _is_killed(_set(mutant), cases)


def _of_shared_lists(directory: Path) -> Iterator[Outcome]:
    """Each value of each list that lies beside the modules; the cases of any rule with the list may notice."""
    rules = sorted(directory.parent.glob("*/detectors/*.yml"))
    for file in sorted(directory.glob(f"*{SUFFIX}")):
        using = [source for path in rules for source in [_text(path)] if read_list(file) in source.lists]
        for value, fewer in _fewer(read_list(file)):
            yield Outcome(
                module=directory.name,
                file=f"{directory.name}/{file.name}",
                kind="list",
                mutant=f"{value!r} dropped",
                killed=any(_notices(_with(source, fewer)) for source in using),
            )


def _notices(changed: RuleSource) -> bool:
    path = Path(changed.name)
    beside = [_text(other) for other in sorted(path.parent.glob("*.yml")) if other != path]
    mutant = compile_sources([changed, *beside])
    owners = _owners(list(yaml.safe_load_all(changed.text)), path)
    mine = [spec.id for spec in mutant.specs if spec.id in owners]
    return _is_killed(_set(mutant), _cases(path, mine))


def _fewer(one: ValueList) -> Iterator[tuple[str, ValueList]]:
    """The list without each of its values; a list of one has no shorter one."""
    for value in one.values:
        left = tuple(other for other in one.values if other != value)
        if left:
            yield value, msgspec.structs.replace(one, values=left)


def _with(source: RuleSource, changed: ValueList) -> RuleSource:
    lists = tuple(changed if one.name == changed.name else one for one in source.lists)
    return msgspec.structs.replace(source, lists=lists)


def _of_native(path: Path) -> Iterator[tuple[str, str, bool]]:
    native = read_native(path, path.parent.parent.name)
    spec, cases = native.spec, _cases(path, [path.stem])

    def prepared(changed: DetectorSpec) -> ModuleSet:
        return _set(Compiled(specs=(changed,)), natives=[build(native, changed)])

    yield from _of_parameters(path, spec, cases, prepared)


def _of_python(path: Path) -> Iterator[tuple[str, str, bool]]:
    """Its numbers only; the code itself is left alone."""
    whole = load_modules([MODULES], Config())
    if path.stem not in whole.specs or not whole.specs[path.stem].parameters:
        return
    spec, cases = whole.specs[path.stem], _cases(path, [path.stem])
    kind = type(whole.python[path.stem])

    def prepared(changed: DetectorSpec) -> ModuleSet:
        python = {path.stem: kind(changed.parameters)}
        rules = tuple(rule for rule in whole.compiled_rules if rule.owner == path.stem)
        return _set(Compiled(specs=(changed,), rules=rules), python=python)

    yield from _of_parameters(path, spec, cases, prepared)


def _of_parameters(
    path: Path, spec: DetectorSpec, cases: list[tuple[str, Case]], prepared: Prepare
) -> Iterator[tuple[str, str, bool]]:
    _must_pass(path, prepared(spec), cases)
    for name, value in spec.parameters.items():
        kind = "timespan" if name.endswith("_s") else "threshold"
        for number in (value - 1, value + 1):
            changed = msgspec.structs.replace(spec, parameters={**spec.parameters, name: number})
            try:
                mutant = prepared(changed)
            except ValueError:
                continue
            yield kind, f"{name} {number}", _is_killed(mutant, cases)


def _source(path: Path, documents: list[Any]) -> RuleSource:
    text = yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True)
    return _named(path, text)


def _text(path: Path) -> RuleSource:
    return _named(path, path.read_text("utf-8"))


def _named(path: Path, text: str) -> RuleSource:
    module = path.parent.parent
    lists = Shelf([module.parent]).of(text, module)
    return RuleSource(name=str(path), stem=path.stem, text=text, module=module.name, lists=lists)


def _owners(documents: list[Any], path: Path) -> set[str]:
    return {_owner(document, path) for document in documents}


def _owner(document: Any, path: Path) -> str:
    return str(document.get("innerwarden", {}).get("id", path.stem))


def _program(compiled: Compiled) -> bytes:
    """What the engine would run, to tell mutants that change nothing from others."""
    rules = [
        msgspec.structs.replace(rule, predicates=tuple(map(least, rule.predicates)), watched=())
        for rule in compiled.rules
    ]
    return msgspec.msgpack.encode((rules, compiled.correlations))


def least(predicate: CompiledPredicate) -> CompiledPredicate:
    """Without the literals that another one covers: `contains` of ab is true wherever that of abc is."""
    covers = _COVERS.get(predicate.operator)
    if covers is None or not all(isinstance(literal, bytes) for literal in predicate.literals):
        return predicate
    texts = [literal for literal in predicate.literals if isinstance(literal, bytes)]
    if not predicate.cased:
        texts = [text.lower() for text in texts]
    texts = sorted(set(texts))
    kept = [text for text in texts if not any(covers(text, other) for other in texts if other != text)]
    return msgspec.structs.replace(predicate, literals=tuple(kept))


def _cases(path: Path, detectors: list[str]) -> list[tuple[str, Case]]:
    directory = path.parent.parent / "tests"
    return [(name, case) for name in detectors for case in read_cases(directory / f"{name}.toml")]


def _set(compiled: Compiled, *, natives: Any = (), python: Any = None) -> ModuleSet:
    """A set of this file alone, as the engine takes it."""
    empty = load_modules([], Config())
    return msgspec.structs.replace(
        empty,
        specs={spec.id: spec for spec in compiled.specs},
        rules=[rule.native() for rule in compiled.rules],
        correlations=[correlation.native() for correlation in compiled.correlations],
        natives=list(natives),
        python=python or {},
    )


def _must_pass(path: Path, modules: ModuleSet, cases: list[tuple[str, Case]]) -> None:
    for name, case in cases:
        result = run_case(modules, modules.specs[name], case)
        if not result.passed:
            raise BaselineError(f"{path}: case {case.name!r} fails before anything is changed")


def _is_killed(modules: ModuleSet, cases: list[tuple[str, Case]]) -> bool:
    return any(not run_case(modules, modules.specs[name], case).passed for name, case in cases)

# SPDX-License-Identifier: Apache-2.0
"""Mutants of one detector file, compiled by the real compiler and put before the detector's own cases."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

from innerwarden import paths
from innerwarden.config import Config
from innerwarden.errors import InnerWardenError
from innerwarden.logs.recipe import Recipe
from innerwarden.model.detector import DetectorSpec
from innerwarden.modules.cases import Case, read_cases, run_case
from innerwarden.modules.loader import ModuleSet, load_modules
from innerwarden.modules.manifest import FILE
from innerwarden.modules.native import build, read_native
from innerwarden.modules.python import PythonModule, load_text
from innerwarden.rules.compiler import Compiled, compile_sources
from innerwarden.rules.lists import DIRECTORY, SUFFIX, Shelf, ValueList, read_list
from innerwarden.rules.program import CompiledPredicate, RuleSource
from tests.mutation import code
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
    for part in parts_of(directory):
        yield from outcomes_of_part(part)


def parts_of(directory: Path) -> list[Path]:
    """What can be measured apart from the rest of a module: its detectors' files; a shared list. Raises
    BaselineError."""
    if directory.name == DIRECTORY:
        return sorted(directory.glob(f"*{SUFFIX}"))
    if not (directory / FILE).is_file():
        raise BaselineError(f"{directory} has no {FILE}")
    return [path for path in sorted((directory / "detectors").glob("*")) if path.suffix in _FORMS]


def outcomes_of_part(path: Path) -> Iterator[Outcome]:
    """Every mutant of one of `parts_of`. Raises BaselineError."""
    directory = path.parent if path.suffix == SUFFIX else path.parent.parent
    name = str(path.relative_to(directory.parent))
    of_form = _of_shared_list if path.suffix == SUFFIX else _FORMS[path.suffix]
    for kind, what, killed in of_form(path):
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


def _of_shared_list(file: Path) -> Iterator[tuple[str, str, bool]]:
    """Each value of a list that lies beside the modules; the cases of any rule with the list may notice."""
    rules = sorted(file.parent.parent.glob("*/detectors/*.yml"))
    using = [source for path in rules for source in [_text(path)] if read_list(file) in source.lists]
    for value, fewer in _fewer(read_list(file)):
        yield "list", f"{value!r} dropped", any(_notices(_with(source, fewer)) for source in using)


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
    """Its numbers, what it decides in its code, and its prefilter."""
    text, cases = path.read_text("utf-8"), _cases(path, [path.stem])
    spec = _loaded(path, text).spec

    def prepared(changed: DetectorSpec) -> ModuleSet:
        return _python_set(path, text, changed.parameters)

    yield from _of_parameters(path, spec, cases, prepared)
    for fault in code.faults(text):
        yield f"code {fault.kind}", fault.what, _code_is_killed(path, fault.text, cases)
    prefilter = code.constant(text, "prefilter")
    if prefilter is None:
        return
    detection = yaml.safe_load(prefilter)
    seen = {_program(_prefilter(path, _loaded(path, text)))}
    for mutation in mutations({"detection": detection}):
        changed_text = code.with_constant(text, "prefilter", yaml.safe_dump(mutation.tree["detection"]))
        mutant = _prefilter(path, _loaded(path, changed_text))
        if mutant.problems or _program(mutant) in seen:
            continue
        seen.add(_program(mutant))
        modules = _python_set(path, changed_text)
        yield mutation.kind, f"prefilter: {mutation.what}", _is_killed(modules, cases)


def _loaded(path: Path, text: str) -> PythonModule:
    return load_text(str(path), path.stem, text, path.parent.parent.name)


def _prefilter(path: Path, loaded: PythonModule) -> Compiled:
    text, module = loaded.prefilter or "", path.parent.parent
    lists = Shelf([module.parent]).of(text, module)
    source = RuleSource(
        name=str(path), stem=path.stem, text=text, module=module.name, kinds=loaded.spec.kinds, lists=lists
    )
    return compile_sources([source])


def _python_set(path: Path, text: str, parameters: dict[str, int] | None = None) -> ModuleSet:
    """The set of a Python detector alone. Raises what its constructor raises."""
    loaded = _loaded(path, text)
    spec = msgspec.structs.replace(loaded.spec, parameters=parameters or loaded.spec.parameters)
    rules = _prefilter(path, loaded).rules
    return _set(Compiled(specs=(spec,), rules=rules), python={path.stem: loaded.detector(spec.parameters)})


def _code_is_killed(path: Path, text: str, cases: list[tuple[str, Case]]) -> bool:
    """Also when the detector raises, with or without an event."""
    try:
        modules = _python_set(path, text)
    except Exception:
        # A mutant is a border: whatever it raises, somebody notices.
        return True
    return _is_killed(modules, cases)


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
        recipes=_recipes(),
    )


@functools.cache
def _recipes() -> tuple[Recipe, ...]:
    """What reads the lines of other tools in cases."""
    return load_modules([MODULES], Config()).recipes


def _must_pass(path: Path, modules: ModuleSet, cases: list[tuple[str, Case]]) -> None:
    for name, case in cases:
        try:
            passed = run_case(modules, modules.specs[name], case).passed
        except InnerWardenError as error:
            raise BaselineError(f"{path}: case {case.name!r}: {error}") from error
        if not passed:
            raise BaselineError(f"{path}: case {case.name!r} fails before anything is changed")


def _is_killed(modules: ModuleSet, cases: list[tuple[str, Case]]) -> bool:
    return any(not run_case(modules, modules.specs[name], case).passed for name, case in cases)


#: Suffix of a detector's file -> its mutants: (kind, what was done, whether a case notices).
_FORMS: dict[str, Callable[[Path], Iterator[tuple[str, str, bool]]]] = {
    ".yml": _of_rules,
    ".toml": _of_native,
    ".py": _of_python,
}

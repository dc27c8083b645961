# SPDX-License-Identifier: Apache-2.0
"""Every problem of a module at once, each as `file:line: text`."""

from __future__ import annotations

import re
from pathlib import Path

from innerwarden.config import Config
from innerwarden.errors import InnerWardenError
from innerwarden.model.detector import MATURITIES, PLACEHOLDERS, DetectorSpec, placeholders
from innerwarden.model.entity import EntityType
from innerwarden.model.vocabulary import VOCABULARY
from innerwarden.modules import manifest as manifests
from innerwarden.modules.cases import read_cases, run_file
from innerwarden.modules.loader import ModuleSet, load_modules
from innerwarden.modules.manifest import SNAKE
from innerwarden.rules.pipeline import source_of_kinds

TECHNIQUE = re.compile(r"T\d{4}(\.\d{3})?")
DOC_MIN_CHARACTERS = 300
DOC_SECTIONS = ("Overview", "Configuration", "Security")


def validate(directory: Path, *, run_cases: bool = True) -> list[str]:
    """Problems of one module, none when it is good. The module's own Python is run."""
    modules = load_modules([directory.parent], Config(), trusted=[directory.parent])
    mine = [module for module in modules.modules if Path(module.directory) == directory]
    problems = [text for text in modules.problems if text.startswith(str(directory))]
    if not mine:
        return problems or [f"{directory}:1: no {manifests.FILE}"]
    module = mine[0]
    specs = [spec for spec in modules.specs.values() if spec.module == module.id]
    problems += _docs(directory, specs)
    for spec in specs:
        problems += check_spec(spec, _place(directory, spec))
        problems += _cases(directory, spec, modules if run_cases else None)
    problems += _stray_cases(directory, {spec.id for spec in specs})
    problems += _permissions(directory)
    return problems


def _place(directory: Path, spec: DetectorSpec) -> str:
    for suffix in (".yml", ".py", ".toml"):
        path = directory / "detectors" / f"{spec.id}{suffix}"
        if path.exists():
            text = path.read_text("utf-8")
            number = next((i for i, line in enumerate(text.splitlines(), 1) if spec.title in line), 1)
            return f"{path}:{number}"
    return f"{directory}:1"


def check_spec(spec: DetectorSpec, where: str) -> list[str]:
    """What a spec must say, whatever its form."""
    out = []
    if not SNAKE.fullmatch(spec.id):
        out.append(f"{where}: id {spec.id!r} is not snake_case")
    for name in ("title", "summary", "kinds", "attack", "blind_spots", "false_positives", "checks"):
        if not getattr(spec, name):
            out.append(f"{where}: {spec.id}: {name} is empty")
    out += [
        f"{where}: {spec.id}: {technique!r} is not an ATT&CK id such as T1059.004"
        for technique in spec.attack
        if not TECHNIQUE.fullmatch(technique)
    ]
    if spec.maturity not in MATURITIES:
        out.append(f"{where}: {spec.id}: maturity {spec.maturity!r} is not one of {', '.join(MATURITIES)}")
    try:
        source_of_kinds(spec.kinds)
    except InnerWardenError as error:
        out.append(f"{where}: {spec.id}: {error}")
    out += _names(spec, where)
    return out


def _names(spec: DetectorSpec, where: str) -> list[str]:
    """Fields that the spec's texts, entities and group key name must exist on its kinds."""
    out = []
    used: list[tuple[str, str]] = [("group_key", name) for name in spec.group_key]
    for pair in spec.entities:
        kind, _, name = pair.partition(":")
        if kind not in list(EntityType):
            out.append(f"{where}: {spec.id}: entity {pair!r} has no known type")
        used.append(("entities", name))
    free = {*PLACEHOLDERS, *spec.parameters}
    for key, template in [("summary", spec.summary), *(("checks", text) for text in spec.checks)]:
        try:
            names = placeholders(template)
        except ValueError as error:
            out.append(f"{where}: {spec.id}: {key}: {error}")
            continue
        used += [(key, name) for name in names if name not in free]
    for key, name in used:
        field = VOCABULARY.get(name)
        if field is None:
            out.append(f"{where}: {spec.id}: {key}: unknown field {name!r}")
        elif not field.kinds & set(spec.kinds):
            out.append(f"{where}: {spec.id}: {key}: {name!r} is never part of {', '.join(spec.kinds)}")
    return out


def _cases(directory: Path, spec: DetectorSpec, modules: ModuleSet | None) -> list[str]:
    path = directory / "tests" / f"{spec.id}.toml"
    if not path.exists():
        return [f"{path}:1: detector {spec.id} has no cases"]
    try:
        cases = read_cases(path)
    except InnerWardenError as error:
        return [str(problem) for problem in getattr(error, "problems", (str(error),))]
    out = []
    if not any(case.expect == 0 for case in cases):
        out.append(f"{path}:1: no benign case (expect = 0)")
    if not any(case.expect > 0 for case in cases):
        out.append(f"{path}:1: no case that fires")
    if modules is None:
        return out
    try:
        results = run_file(modules, spec, path)
    except InnerWardenError as error:
        return [*out, str(error)]
    out += [
        f"{path}:1: case {r.case.name!r}: {r.findings} findings, expected {r.case.expect}"
        for r in results
        if not r.passed
    ]
    return out


def _stray_cases(directory: Path, ids: set[str]) -> list[str]:
    return [
        f"{path}:1: cases of a detector that the module does not have"
        for path in sorted((directory / "tests").glob("*.toml"))
        if path.stem not in ids
    ]


def _docs(directory: Path, specs: list[DetectorSpec]) -> list[str]:
    path = directory / "docs" / "README.md"
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return [f"{path}:1: {error}"]
    out = []
    if len(text) < DOC_MIN_CHARACTERS:
        out.append(f"{path}:1: {len(text)} characters; at least {DOC_MIN_CHARACTERS} are needed")
    for section in DOC_SECTIONS:
        if not re.search(rf"^#+ {section}\s*$", text, re.MULTILINE):
            out.append(f"{path}:1: no section {section!r}")
    out += [f"{path}:1: detector {spec.id} is not mentioned" for spec in specs if spec.id not in text]
    return out


def _permissions(directory: Path) -> list[str]:
    """A file that others may write would let them decide what the sensor runs."""
    return [
        f"{path}:1: writable by others (mode {path.stat().st_mode & 0o777:o}); run chmod o-w"
        for path in sorted(directory.rglob("*"))
        if not path.is_symlink() and path.stat().st_mode & 0o002
    ]

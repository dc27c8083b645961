# SPDX-License-Identifier: Apache-2.0
"""Every problem of a module at once, each as `file:line: text`."""

from __future__ import annotations

import ast
import contextlib
import re
import stat
from pathlib import Path
from typing import cast

import msgspec
from innerwarden_core.anchors import RuleLike, anchors

from innerwarden import paths
from innerwarden.config import Config
from innerwarden.errors import InnerWardenError
from innerwarden.model.detector import MATURITIES, PLACEHOLDERS, DetectorSpec, placeholders
from innerwarden.model.entity import EntityType
from innerwarden.model.severity import Severity
from innerwarden.model.vocabulary import VOCABULARY
from innerwarden.modules import manifest as manifests
from innerwarden.modules.apart.pool import Workers
from innerwarden.modules.cases import read_cases, run_file
from innerwarden.modules.loader import Live, Module, ModuleSet, load_modules
from innerwarden.modules.manifest import SNAKE, Manifest
from innerwarden.modules.state import ModuleState
from innerwarden.rules.pipeline import source_of_kinds
from innerwarden.rules.program import CompiledRule

TECHNIQUE = re.compile(r"T\d{4}(\.\d{3})?")
DOC_MIN_CHARACTERS = 300
DOC_SECTIONS = ("Overview", "Configuration", "Security")


class Examined(msgspec.Struct, kw_only=True):
    """`problems`: each `file:line: text`, with the remedy where the text does not say it."""

    modules: ModuleSet
    module: Module | None
    problems: list[str]

    def specs(self) -> list[DetectorSpec]:
        """The module's detectors by id."""
        own = self.module.id if self.module else None
        return sorted((s for s in self.modules.specs.values() if s.module == own), key=lambda s: s.id)


def examine(directory: Path, workers: Workers) -> Examined:
    """Load one module alone. Its Python runs in a worker, whose caller closes it, never in this process."""
    # The other places are there for the lists of values that a rule may share with what ships.
    places = [
        directory.parent,
        *(p for p in paths.shipped_modules() if p.resolve() != directory.parent.resolve()),
    ]
    shipped = {
        path.parent.name for place in paths.shipped_modules() for path in place.glob(f"*/{manifests.FILE}")
    }
    here = {path.parent.name for path in directory.parent.glob(f"*/{manifests.FILE}")}
    off = (shipped | here) - {directory.name}
    state = ModuleState(enabled={directory.name: ""}, disabled=tuple(sorted(off)))
    live = Live(state=state, workers=workers, owned=False)
    modules = load_modules(places, Config(), live=live)
    workers.commit(modules.specs, modules.remote)
    asked = workers.asked(modules.specs, modules.remote)
    modules = msgspec.structs.replace(modules, python={**modules.python, **asked})
    mine = next((module for module in modules.modules if Path(module.directory) == directory), None)
    problems = [text for text in modules.problems if text.startswith(str(directory))]
    if mine is None and not problems:
        problems.append(f"{directory}:1: no {manifests.FILE}; make a module with: innerwarden module new")
    return Examined(modules=modules, module=mine, problems=problems)


def validate(directory: Path, *, run_cases: bool = True) -> list[str]:
    """Problems of one module, none when it is good."""
    with contextlib.closing(Workers()) as workers:
        found = examine(directory, workers)
        problems = found.problems
        if found.module is None:
            return problems
        specs = found.specs()
        problems += _docs(directory, specs)
        for spec in specs:
            problems += check_spec(spec, _place(directory, spec))
            problems += _cases(directory, spec, found.modules if run_cases else None)
        files = {path.stem for path in (directory / "detectors").glob("*")}
        problems += _stray_cases(directory, files | {spec.id for spec in specs})
        problems += _permissions(directory)
        problems += cost_problems(directory, found.modules, {spec.id for spec in specs})
        problems += skill_problems(directory, found.module.manifest)
    return list(dict.fromkeys(problems))


#: Kinds of which a busy host makes thousands a second.
FREQUENT = frozenset(
    {
        *("process.exec", "process.fork", "process.exit", "process.memory_exec", "file.open", "log.line"),
        *("network.connect", "network.accept", "network.socket", "web.request"),
    }
)


#: Tests that read a whole text; the others look at an end of it.
TEXT_TESTS = frozenset(("contains", "glob", "re"))


def cost_problems(directory: Path, modules: ModuleSet, ids: set[str]) -> list[str]:
    """Rules that would be looked at for every event of a frequent kind, because no text of theirs can be looked for."""
    mine = [r for r in modules.compiled_rules if r.owner in ids or _is_below(r.owner, directory)]
    needed = anchors(cast("list[RuleLike]", [rule.native() for rule in mine]))
    out = []
    for rule, anchor in zip(mine, needed, strict=True):
        kinds = sorted(FREQUENT & set(rule.kinds))
        if anchor is None and kinds and _reads_text(rule):
            out.append(
                f"{_file_of(directory, rule.owner)}:1: {rule.owner}: reads text of every {', '.join(kinds)}, since no "
                "text of two bytes or more must be in a match; add a test on such text, or on a number or flag"
            )
    return out


def _reads_text(rule: CompiledRule) -> bool:
    """A flag or number is compared in a nanosecond; text is read, and an expression runs over all of it."""
    if any(p.operator == "re" and not p.needs for p in rule.predicates):
        return True
    return all(p.operator in TEXT_TESTS for p in rule.predicates)


def _is_below(owner: str, directory: Path) -> bool:
    return any((directory / "detectors" / f"{owner}{end}").exists() for end in (".yml", ".py"))


def _file_of(directory: Path, owner: str) -> Path:
    for path in sorted((directory / "detectors").glob("*")):
        if path.stem == owner:
            return path
    return directory / "detectors"


def skill_problems(directory: Path, manifest: Manifest) -> list[str]:
    """Skills are there, never hand a string to a shell, and can say what they would do and undo it."""
    out = []
    where = f"{directory / manifests.FILE}:1"
    for name in manifest.provides.skills:
        path = directory / "skills" / f"{name}.py"
        if not path.is_file():
            out.append(f"{where}: provides.skills: {name} has no file; add skills/{name}.py")
            continue
        try:
            tree = ast.parse(path.read_text("utf-8"))
        except (SyntaxError, UnicodeDecodeError, ValueError) as error:
            out.append(f"{path}:{getattr(error, 'lineno', None) or 1}: {error}; correct it there")
            continue
        out += _shell_problems(path, tree)
        functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        out += [
            f"{path}:1: there is no {wanted}(); a skill {text}"
            for wanted, text in (
                ("dry_run", "says what it would do before it does it: add one that touches nothing"),
                ("undo", "can be taken back: add one"),
            )
            if wanted not in functions
        ]
    return out


#: Functions that take a command line as one text.
SHELLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "pty.spawn"}


def _shell_problems(path: Path, tree: ast.AST) -> list[str]:
    out = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        through_shell = any(
            k.arg == "shell" and not (isinstance(k.value, ast.Constant) and k.value.value is False)
            for k in node.keywords
        )
        text = bool(node.args) and isinstance(node.args[0], ast.JoinedStr | ast.Constant | ast.BinOp)
        if name in SHELLS or through_shell or (name.startswith("subprocess.") and text):
            out.append(f"{path}:{node.lineno}: {name} runs a shell's text; give a list of arguments")
    return out


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
        # A fact is no attack.
        if not getattr(spec, name) and not (name == "attack" and spec.severity is Severity.DEBUG):
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
        f"{path}:1: case {r.case.name!r}: {_told(r.findings, r.gravest)}, "
        f"expected {_told(r.case.expect, r.case.severity)}"
        for r in results
        if not r.passed
    ]
    return out


def _told(findings: int, severity: Severity | None) -> str:
    return f"{findings} findings" if severity is None else f"{findings} findings, {severity} at most"


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
    """What would let others decide what the sensor runs, or would not be part of a package."""
    out = []
    for path in sorted(directory.rglob("*")):
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            out.append(f"{path}:1: is a link; replace it by what it points to")
        elif not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            out.append(f"{path}:1: is neither file nor directory; remove it")
        elif mode & stat.S_IWOTH:
            out.append(f"{path}:1: writable by others (mode {mode & 0o777:o}); run chmod o-w")
        elif mode & (stat.S_ISUID | stat.S_ISGID) and stat.S_ISREG(mode):
            out.append(f"{path}:1: has a set-user-id or set-group-id bit; run chmod ug-s")
    return out

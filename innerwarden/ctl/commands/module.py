# SPDX-License-Identifier: Apache-2.0
"""`innerwarden module new|validate|test|list`: writing and checking detections."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from innerwarden.ctl.options import ConfigFile, Json
from innerwarden.ctl.output import emit_json, note, shown, table

group = typer.Typer(help="Write, check, test and list modules.", no_args_is_help=True)

Directory = Annotated[Path, typer.Argument(help="The module's directory.", show_default=False)]


class CaseResult(msgspec.Struct, frozen=True, kw_only=True):
    detector: str
    case: str
    expected: int
    found: int
    passed: bool


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    version: str
    tier: str
    description: str
    directory: str
    detectors: tuple[str, ...]


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    modules: tuple[Listed, ...]
    problems: tuple[str, ...]


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="module")


@group.command("new")
def new(
    directory: Annotated[
        Path, typer.Argument(help="Where; its last part becomes the module's id (kebab-case).")
    ],
) -> None:
    """Make a module with one working Sigma detector, its cases and its page."""
    from innerwarden.ctl.scaffold import create

    made = create(directory)
    for path in made:
        print(shown(str(path)))
    note(f"now edit it, then: innerwarden module validate {directory}")


@group.command("validate")
def validate(directory: Directory, json: Json = False) -> None:
    """Print every problem as file:line: text (exit code 1), or nothing when the module is good."""
    from innerwarden.modules.validator import validate as problems_of

    problems = problems_of(_existing(directory))
    if json:
        emit_json("module validate", {"directory": str(directory), "problems": problems})
    else:
        for problem in problems:
            print(shown(problem))
        note(f"{len(problems)} problems" if problems else f"{directory.name}: no problem")
    raise typer.Exit(1 if problems else 0)


@group.command("test")
def test(directory: Directory, json: Json = False) -> None:
    """Run every case of every detector through a real engine."""
    from innerwarden.config import Config
    from innerwarden.modules.cases import run_file
    from innerwarden.modules.loader import load_modules

    directory = _existing(directory)
    modules = load_modules([directory.parent], Config(), trusted=[directory.parent])
    own = next((m.id for m in modules.modules if Path(m.directory) == directory), None)
    results = []
    for spec in sorted((s for s in modules.specs.values() if s.module == own), key=lambda s: s.id):
        path = directory / "tests" / f"{spec.id}.toml"
        if path.exists():
            results += [
                CaseResult(
                    detector=spec.id,
                    case=r.case.name,
                    expected=r.case.expect,
                    found=r.findings,
                    passed=r.passed,
                )
                for r in run_file(modules, spec, path)
            ]
    problems = [text for text in modules.problems if text.startswith(str(directory))]
    if json:
        emit_json("module test", {"results": results, "problems": problems})
    else:
        rows = [
            (r.detector, r.case, str(r.expected), str(r.found), "ok" if r.passed else "failed")
            for r in results
        ]
        table("", ("detector", "case", "expected", "found", "result"), rows, styled=4)
        for problem in problems:
            note(problem)
    raise typer.Exit(0 if results and not problems and all(r.passed for r in results) else 1)


@group.command("list")
def list_(config: ConfigFile = None, json: Json = False) -> None:
    """List the modules that are found, and what of them does not load (exit code 1)."""
    from innerwarden import paths
    from innerwarden.config import load
    from innerwarden.modules.loader import load_modules

    modules = load_modules(paths.modules_dirs(), load(config))
    listed = tuple(
        Listed(
            id=module.id,
            version=module.manifest.module.version,
            tier=module.manifest.module.tier,
            description=module.manifest.module.description,
            directory=str(module.directory),
            detectors=tuple(sorted(s.id for s in modules.specs.values() if s.module == module.id)),
        )
        for module in modules.modules
    )
    if json:
        emit_json("module list", Listing(modules=listed, problems=tuple(modules.problems)))
    else:
        rows = [(m.id, m.version, m.tier, str(len(m.detectors)), m.description) for m in listed]
        table("", ("module", "version", "tier", "detectors", "what it is for"), rows)
        for problem in modules.problems:
            note(f"not loaded: {problem}")
    raise typer.Exit(1 if modules.problems else 0)


def _existing(directory: Path) -> Path:
    from innerwarden.errors import UsageError

    if not (directory / "module.toml").is_file():
        raise UsageError(
            f"{directory} has no module.toml", f"Make a module with: innerwarden module new {directory}"
        )
    return directory.resolve()

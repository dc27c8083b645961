# SPDX-License-Identifier: Apache-2.0
"""`innerwarden module ...`: writing, checking, packing, installing and switching detections."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from innerwarden.ctl.options import ConfigFile, DataDir, Json, data_dir_of
from innerwarden.ctl.output import emit_json, note, shown, table

if TYPE_CHECKING:
    from innerwarden.ctl.switching import Switched
    from innerwarden.model.detector import DetectorSpec
    from innerwarden.modules.validator import Examined

group = typer.Typer(help="Write, check, pack, install, and switch modules on and off.", no_args_is_help=True)

Directory = Annotated[Path, typer.Argument(help="The module's directory.", show_default=False)]


Id = Annotated[str, typer.Argument(help="The module's id.", show_default=False, metavar="MODULE")]


class CaseResult(msgspec.Struct, frozen=True, kw_only=True):
    """`fired`: of each finding its group; `others`: detectors of the module that fired too; `why`: what to look at."""

    detector: str
    case: str
    expected: int
    found: int
    passed: bool
    fired: tuple[str, ...] = ()
    others: dict[str, int] = msgspec.field(default_factory=dict)
    why: tuple[str, ...] = ()


class Located(msgspec.Struct, frozen=True, kw_only=True):
    file: str
    line: int
    text: str


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """`state`: on or off. `health`: off, no sensor, running, not running, or what is wrong."""

    id: str
    state: str
    version: str
    tier: str
    description: str
    directory: str
    detectors: tuple[str, ...]
    health: str


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
    python: Annotated[
        bool, typer.Option("--python", help="With a Python detector in place of a Sigma rule.")
    ] = False,
) -> None:
    """Make a module with one working detector, its cases and its page."""
    from innerwarden.ctl.scaffold import create

    made = create(directory, python=python)
    for path in made:
        print(shown(str(path)))
    note(f"now edit it, then: innerwarden module validate {directory}")


@group.command("validate")
def validate(directory: Directory, json: Json = False) -> None:
    """Print every problem as file:line: text (exit code 1), or nothing when the module is good."""
    from innerwarden.modules.validator import validate as problems_of

    problems = problems_of(_existing(directory))
    if json:
        located = [_located(problem) for problem in problems]
        emit_json("module validate", {"directory": str(directory), "problems": problems, "located": located})
    else:
        for problem in problems:
            print(shown(problem))
        note(f"{len(problems)} problems" if problems else f"{directory.name}: no problem")
    raise typer.Exit(1 if problems else 0)


@group.command("test")
def test(directory: Directory, json: Json = False) -> None:
    """Run every case of every detector through a real engine, and say why one did not fire."""
    import contextlib

    from innerwarden.modules.apart.pool import Workers
    from innerwarden.modules.validator import examine

    directory = _existing(directory)
    with contextlib.closing(Workers()) as workers:
        examined = examine(directory, workers)
        results = [result for spec in examined.specs() for result in _results(directory, examined, spec)]
    problems = examined.problems
    if json:
        emit_json("module test", {"results": results, "problems": problems})
    else:
        rows = [
            (r.detector, r.case, str(r.expected), str(r.found), "ok" if r.passed else "failed")
            for r in results
        ]
        table("", ("detector", "case", "expected", "found", "result"), rows, styled=4)
        for one in results:
            for number, text in enumerate(one.why):
                print(shown(f"{one.case}: {text}" if number == 0 else f"  {text}"))
        for problem in problems:
            note(problem)
    raise typer.Exit(0 if results and not problems and all(r.passed for r in results) else 1)


def _results(directory: Path, examined: Examined, spec: DetectorSpec) -> list[CaseResult]:
    from innerwarden.modules.cases import run_file
    from innerwarden.modules.explain import why

    path = directory / "tests" / f"{spec.id}.toml"
    if not path.exists():
        return []
    return [
        CaseResult(
            detector=spec.id,
            case=one.case.name,
            expected=one.case.expect,
            found=one.findings,
            passed=one.passed,
            fired=tuple(", ".join(hit.group) for hit in one.hits),
            others=one.others,
            why=tuple(why(examined.modules, spec, one)),
        )
        for one in run_file(examined.modules, spec, path)
    ]


@group.command("list")
def list_(data_dir: DataDir = None, config: ConfigFile = None, json: Json = False) -> None:
    """List the modules that are found: on or off, and what of them does not load (exit code 1)."""
    import contextlib

    from innerwarden import paths
    from innerwarden.config import load
    from innerwarden.ctl.listing import listing
    from innerwarden.modules.apart.pool import Workers

    with contextlib.closing(Workers()) as workers:
        found = listing(paths.modules_dirs(), load(config), data_dir_of(data_dir), workers)
    if json:
        emit_json("module list", found)
    else:
        rows = [
            (m.id, m.state, m.version, m.tier, str(len(m.detectors)), m.health, m.description)
            for m in found.modules
        ]
        columns = ("module", "state", "version", "tier", "detectors", "health", "what it is for")
        table("", columns, rows, styled=5)
        for problem in found.problems:
            note(f"not loaded: {problem}")
    raise typer.Exit(1 if found.problems else 0)


@group.command("enable")
def enable(module: Id, data_dir: DataDir = None, config: ConfigFile = None, json: Json = False) -> None:
    """Switch a module on, in the running sensor too; one with a problem changes nothing (exit code 1)."""
    from innerwarden.config import load
    from innerwarden.ctl.switching import enable as switch_on

    _tell("module enable", switch_on(module, load(config), data_dir_of(data_dir)), json)


@group.command("disable")
def disable(module: Id, data_dir: DataDir = None, json: Json = False) -> None:
    """Switch a module off, in the running sensor too; all others keep what they have counted so far."""
    from innerwarden.ctl.switching import disable as switch_off

    _tell("module disable", switch_off(module, data_dir_of(data_dir)), json)


def _tell(command: str, done: Switched, json: bool) -> None:
    if json:
        emit_json(command, done)
        return
    word = "on" if done.on else "off"
    if done.live:
        print(f"{done.id} is {word}")
        note(f"the running sensor took it over in {done.took_s:.1f} s, held up for {done.swap_ms:.0f} ms")
    else:
        print(f"{done.id} is {word}")
        note("no sensor runs on this data directory; the next one starts with it")
    if done.lacks:
        note(f"its worker could not be confined in every way: {done.lacks}")


@group.command("package")
def package(
    directory: Directory,
    output: Annotated[
        Path | None, typer.Option("--output", help="The file to write (default: ID-VERSION.iwm here).")
    ] = None,
    json: Json = False,
) -> None:
    """Write the module as one file, the same bytes for the same content; refuses one with a problem."""
    import hashlib

    from innerwarden.errors import ModuleError
    from innerwarden.modules.package import SUFFIX, of_directory, pack
    from innerwarden.modules.validator import validate as problems_of

    directory = _existing(directory)
    made = of_directory(directory)
    if problems := problems_of(directory):
        raise ModuleError(f"{directory.name} is not packed", problems, "Correct these")
    data = pack(made)
    target = output or Path(f"{made.contents.id}-{made.contents.version}{SUFFIX}")
    _write(target, data)
    digest = hashlib.sha256(data).hexdigest()
    if json:
        emit_json("module package", {"file": str(target), "sha256": digest, "files": len(made.files)})
    else:
        print(shown(f"{digest}  {target}"))


def _write(target: Path, data: bytes) -> None:
    from innerwarden.errors import UnavailableError

    scratch = target.with_name(f".{target.name}.new")
    try:
        scratch.write_bytes(data)
        scratch.replace(target)
    except OSError as error:
        raise UnavailableError(
            f"cannot write {target}: {error.strerror}", "Give another file with --output"
        ) from error


@group.command("install")
def install(
    source: Annotated[Path, typer.Argument(help="A package, or a module's directory.", metavar="SOURCE")],
    replace: Annotated[
        bool, typer.Option("--replace", help="In place of an installed one that is off.")
    ] = False,
    json: Json = False,
) -> None:
    """Check a package and put it into the operator's directory; it stays off until it is switched on."""
    from innerwarden.modules.install import install as put
    from innerwarden.modules.install import read_source

    found = read_source(source)
    directory = put(found, replace=replace)
    if json:
        emit_json("module install", {"id": found.contents.id, "directory": str(directory)})
    else:
        print(shown(f"{found.contents.id} {found.contents.version} is installed, and off"))
        note(f"now: innerwarden module enable {found.contents.id}")


@group.command("remove")
def remove(module: Id, json: Json = False) -> None:
    """Take an installed module that is off out of the operator's directory."""
    from innerwarden.modules.install import remove as take_out

    directory = take_out(module)
    if json:
        emit_json("module remove", {"id": module, "directory": str(directory)})
    else:
        print(shown(f"{module} is removed"))


@group.command("keygen")
def keygen(
    file: Annotated[Path, typer.Argument(help="The private key to write; FILE.pub becomes the public one.")],
    json: Json = False,
) -> None:
    """Make an Ed25519 key to sign modules with. Nothing is overwritten."""
    import os

    from innerwarden.libbpf.libcrypto import KEY_BYTES, public_of
    from innerwarden.modules import keys

    seed = os.urandom(KEY_BYTES)
    public = public_of(seed)
    public_file = file.with_name(f"{file.name}.pub")
    keys.write_new(file, keys.private_pem(seed), 0o600)
    keys.write_new(public_file, keys.public_pem(public), 0o644)
    if json:
        emit_json("module keygen", {"key": keys.id_of(public), "file": str(file), "public": str(public_file)})
    else:
        print(shown(f"{keys.id_of(public)}  {file}"))
        note(f"who trusts it puts {public_file} into the directory modules.keys, with the ending .pem")


@group.command("sign")
def sign(
    directory: Directory,
    key: Annotated[Path, typer.Option("--key", help="The private key, made by keygen.", show_default=False)],
    json: Json = False,
) -> None:
    """Write module.sig: a signature over every file of the module. Sign before you pack it."""
    from innerwarden.modules import keys, signature
    from innerwarden.modules.package import of_directory

    directory = _existing(directory)
    made = signature.sign(of_directory(directory), keys.read_private(key))
    _write(directory / signature.FILE, made)
    if json:
        emit_json("module sign", {"directory": str(directory), "file": str(directory / signature.FILE)})
    else:
        print(shown(str(directory / signature.FILE)))


@group.command("verify")
def verify(
    source: Annotated[
        str, typer.Argument(help="A package, a module's directory, or an installed module's id.")
    ],
    key: Annotated[
        Path | None, typer.Option("--key", help="A public key, in place of the trusted ones.")
    ] = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Say which trusted key signed it, or what is wrong (exit code 1)."""
    from innerwarden.config import load
    from innerwarden.modules import keys, signature
    from innerwarden.modules.install import find, read_source

    there = find(source)
    package = read_source(there[0] if there else Path(source))
    if key is not None:
        public = keys.read_public(key)
        trusted = {keys.id_of(public): public}
    else:
        trusted = keys.trusted(Path(load(config).modules.keys))
    verdict = signature.judge(package, trusted)
    module = package.contents.id
    if json:
        emit_json("module verify", {"id": module, "signed_by": verdict.signed_by, "problem": verdict.problem})
    elif verdict.signed_by is not None:
        print(shown(f"{module} {package.contents.version} is signed by {verdict.signed_by}"))
    else:
        print(shown(f"{module}: {verdict.problem}"))
    raise typer.Exit(0 if verdict.signed_by is not None else 1)


def _located(problem: str) -> Located:
    found = re.match(r"(.+?):(\d+): (.*)", problem, re.DOTALL)
    if found is None:
        return Located(file="", line=0, text=problem)
    return Located(file=found[1], line=int(found[2]), text=found[3])


def _existing(directory: Path) -> Path:
    from innerwarden.errors import UsageError

    if not (directory / "module.toml").is_file():
        raise UsageError(
            f"{directory} has no module.toml", f"Make a module with: innerwarden module new {directory}"
        )
    return directory.resolve()

# SPDX-License-Identifier: Apache-2.0
"""Modules on disk -> everything the engine and the detection host run, with the operator's overrides."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
from innerwarden_core import Correlation, NativeDetector, Rule

from innerwarden import paths
from innerwarden.config import CollectorsConfig, Config
from innerwarden.errors import InnerWardenError, ModuleError, RuleError
from innerwarden.logs.recipe import Recipe
from innerwarden.model.detector import MAX_COOLDOWN_S, Detector, DetectorSpec
from innerwarden.model.severity import Severity
from innerwarden.modules import manifest as manifests
from innerwarden.modules import ownership, signature
from innerwarden.modules.apart.pool import Workers
from innerwarden.modules.apart.protocol import Described, File
from innerwarden.modules.manifest import Manifest
from innerwarden.modules.native import NativeSpec, build, read_native
from innerwarden.modules.python import PythonModule, check_parts, load_text
from innerwarden.modules.recipes import Origin, read_recipe
from innerwarden.modules.signature import Verdict
from innerwarden.modules.state import ModuleState
from innerwarden.rules.compiled import Compile, Saved, compile_or_load
from innerwarden.rules.files import sources_below
from innerwarden.rules.lists import DIRECTORY as LISTS
from innerwarden.rules.lists import Shelf
from innerwarden.rules.program import CompiledCorrelation, CompiledRule, RuleSource
from innerwarden.rules.watch import Watch, watch_of

Built = TypeVar("Built")


class Module(msgspec.Struct, frozen=True, kw_only=True):
    directory: str
    manifest: Manifest

    @property
    def id(self) -> str:
        return self.manifest.module.id


class PythonFile(msgspec.Struct, frozen=True):
    """A detector file as it was loaded into this process."""

    text: str
    loaded: PythonModule


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """What a running sensor loads with: what is switched on, where other people's Python runs, what runs already.

    `before`: detectors of this process whose files and parameters did not change go over with their state.
    `compile`: replaces the compiler, e.g. by a child's.
    """

    state: ModuleState
    workers: Workers
    before: ModuleSet | None = None
    compile: Compile | None = None
    owned: bool = True
    """Refuse what somebody else could change; an author's own directory is nobody's business."""


class ModuleSet(msgspec.Struct, frozen=True, kw_only=True):
    """`problems` are `file:line: text`; what they speak of is left out, the rest runs."""

    modules: tuple[Module, ...]
    specs: dict[str, DetectorSpec]
    rules: list[Rule]
    correlations: list[Correlation]
    natives: list[NativeDetector]
    python: dict[str, Detector]
    problems: tuple[str, ...]
    watch: Watch
    compiled_rules: tuple[CompiledRule, ...] = ()
    compiled_correlations: tuple[CompiledCorrelation, ...] = ()
    remote: dict[str, str] = {}
    """Python detectors that run in a worker: id -> module."""
    python_files: dict[str, PythonFile] = {}
    recipes: tuple[Recipe, ...] = ()
    notices: tuple[str, ...] = ()
    """`file:line: text` of what was loaded all the same."""
    signed: dict[str, str | None] = {}
    """Module that did not ship -> id of the trusted key that signed it, None without one; empty with signatures off."""


class _Found(msgspec.Struct):
    """What the directories hold, before compilation."""

    modules: list[Module]
    sources: list[RuleSource]
    natives: dict[str, NativeSpec]
    python: dict[str, PythonModule]
    problems: list[str]
    shelf: Shelf
    remote: dict[str, DetectorSpec]
    python_files: dict[str, PythonFile]
    recipes: list[Recipe]
    notices: list[str] = []
    signed: dict[str, str | None] = {}


def trusted_python_dirs() -> tuple[Path, ...]:
    """Only Python that came with the product runs inside the sensor, which is root."""
    return paths.shipped_modules()


def load_modules(
    directories: Sequence[Path],
    config: Config,
    *,
    cache: Path | None = None,
    trusted: Sequence[Path] | None = None,
    live: Live | None = None,
) -> ModuleSet:
    """Load every module of the directories; the first of an id wins. Never raises for a bad module.

    `cache` is the file for compiled rules; `trusted` the directories that came with the product, whose Python may run
    here. With `live` only what is switched on is loaded, and of other directories only what nobody else can change.
    """
    found = _find(directories, config, trusted, live)
    saved = compile_or_load(found.sources, cache, live.compile if live else None)
    return _assemble(found, saved, config, live.before if live else None)


def rule_sources(
    directories: Sequence[Path], config: Config, trusted: Sequence[Path] | None = None
) -> list[RuleSource]:
    """The texts that `load_modules` may compile: rules, and prefilters of Python detectors that shipped."""
    return _find(directories, config, trusted, None).sources


def _find(
    directories: Sequence[Path], config: Config, trusted: Sequence[Path] | None, live: Live | None
) -> _Found:
    trust = [path.resolve() for path in (trusted_python_dirs() if trusted is None else trusted)]
    problems: list[str] = []
    signatures = config.modules.signatures if live is not None and live.owned else "off"
    shelves = [
        root
        for root in directories
        if root.resolve() in trust or (signatures != "require" and _is_safe(root / LISTS, live, problems))
    ]
    found = _Found([], [], {}, {}, problems, Shelf(shelves), {}, {}, [])
    seen: set[str] = set()
    for root in directories:
        shipped = root.resolve() in trust
        for directory in sorted(path.parent for path in root.glob(f"*/{manifests.FILE}")):
            if directory.name.startswith("."):
                continue  # about to be installed, or to be removed
            if directory.name in seen or directory.name in config.modules.disabled:
                continue
            if live is not None and not is_on(directory.name, live.state, shipped=shipped):
                continue
            seen.add(directory.name)
            if (
                live is not None
                and live.owned
                and not shipped
                and (unsafe := ownership.problems_of(directory))
            ):
                found.problems += unsafe
                continue
            verdict = None
            if signatures != "off" and not shipped:
                verdict = signature.check(directory, config.modules)
                found.signed[directory.name] = verdict.signed_by
                if verdict.signed_by is None:
                    text = f"{directory / signature.FILE}:1: {verdict.problem}"
                    (found.problems if signatures == "require" else found.notices).append(text)
                    if signatures == "require":
                        continue
            _scan(_source_of(directory, shipped, verdict), found, live)
    if live is not None:
        found.problems += [
            f"{name}: is switched on but not installed; install it, or run: innerwarden module disable {name}"
            for name in sorted(set(live.state.enabled) - seen - set(config.modules.disabled))
        ]
    for name in config.rules.directories:
        _scan_rules(Path(name), found, live)
    found.problems += found.shelf.problems
    return found


def _is_safe(lists: Path, live: Live | None, problems: list[str]) -> bool:
    """Whether nobody else can change the lists that the modules of one place share."""
    if live is None or not live.owned or not lists.is_dir():
        return True
    unsafe = ownership.problems_of(lists)
    problems += unsafe
    return not unsafe


def is_on(module: str, state: ModuleState, *, shipped: bool) -> bool:
    """Modules that shipped run unless switched off, all others only when switched on."""
    return module not in state.disabled if shipped else module in state.enabled


def _scan_rules(directory: Path, found: _Found, live: Live | None) -> None:
    where = "configuration: rules.directories"
    if not directory.is_dir():
        found.problems.append(f"{where}: {directory} is no directory; correct or remove it")
        return
    if live is not None and (unsafe := ownership.problems_of(directory)):
        found.problems += [f"{where}: {text}" for text in unsafe]
        return
    try:
        for source in sources_below(directory):
            lists = found.shelf.of(source.text, directory)
            found.sources.append(msgspec.structs.replace(source, lists=lists))
    except OSError as error:
        found.problems.append(f"{where}: {error}")


class _Source(msgspec.Struct, frozen=True):
    """One module's files: as they lie on the disk, or the very bytes that a signature was compared with."""

    directory: Path
    shipped: bool
    held: dict[Path, bytes] | None = None

    def text(self, path: Path) -> str:
        if self.held is None:
            return manifests.on_disk(path)
        if path not in self.held:
            raise FileNotFoundError(errno.ENOENT, "it was not there when the signature was verified")
        return self.held[path].decode("utf-8")

    def files(self, part: str, suffixes: tuple[str, ...]) -> list[Path]:
        """Of one folder, in order."""
        place = self.directory / part
        there = place.glob("*") if self.held is None else (path for path in self.held if path.parent == place)
        return sorted(path for path in there if path.suffix in suffixes)


def _source_of(directory: Path, shipped: bool, verdict: Verdict | None) -> _Source:
    if verdict is None or verdict.signed_by is None:
        return _Source(directory, shipped)
    return _Source(directory, shipped, {directory / name: data for name, data in verdict.files.items()})


def _scan(source: _Source, found: _Found, live: Live | None) -> None:
    directory = source.directory
    manifest, problems = manifests.read(directory, source.text)
    found.problems += problems
    if manifest is None:
        return
    if source.held is not None:
        lists = {path.name: data for path, data in source.held.items() if path.parent == directory / LISTS}
        found.shelf.hold(directory, lists)
    found.modules.append(Module(directory=str(directory), manifest=manifest))
    module, present = manifest.module.id, set()
    others: list[File] = []
    for path in source.files("detectors", (".yml", ".py", ".toml")):
        present.add(path.stem)
        try:
            if path.suffix == ".py" and not source.shipped and live is not None:
                others.append(File(str(path), path.stem, source.text(path)))
            else:
                _read(path, source, module, found, live)
        except (InnerWardenError, OSError, UnicodeDecodeError) as error:
            found.problems.append(
                f"{path}:1: {error}" if isinstance(error, OSError | ValueError) else str(error)
            )
    if others and live is not None:
        for file, described in zip(others, live.workers.prepare(module, others), strict=True):
            _describe(file, described, module, found)
    _compare(source, "detectors", set(manifest.provides.detectors), present, found)
    _scan_recipes(source, manifest, found)


def _compare(source: _Source, part: str, named: set[str], present: set[str], found: _Found) -> None:
    """What module.toml names and what lies in the folder of that name are the same."""
    where = source.directory / manifests.FILE
    line = manifests.line_of(source.text(where), part)
    for name in sorted(named ^ present):
        how = "is named but has no file in" if name not in present else "is not named, but lies in"
        found.problems.append(f"{where}:{line}: provides.{part}: {name} {how} {part}/")


def _scan_recipes(source: _Source, manifest: Manifest, found: _Found) -> None:
    files = source.files("collectors", (".toml",))
    for path in files:
        origin = Origin(
            module=manifest.module.id,
            shipped=source.shipped,
            allowed_commands=manifest.security.allowed_commands,
            taken=frozenset({*CollectorsConfig.__struct_fields__, *(one.recipe.id for one in found.recipes)}),
        )
        try:
            found.recipes.append(read_recipe(path, origin, source.text))
        except ModuleError as error:
            found.problems += error.problems
    _compare(source, "collectors", set(manifest.provides.collectors), {path.stem for path in files}, found)


def _describe(file: File, described: Described, module: str, found: _Found) -> None:
    """Take what a worker says of one file; none of it is believed unchecked."""
    try:
        if described.problem or described.spec is None or described.stem != file.stem:
            raise RuleError(described.problem or f"{file.path}:1: its worker described another file")
        check_parts(file.path, file.stem, described.spec, described.prefilter)
    except RuleError as error:
        found.problems.append(str(error))
        return
    spec = msgspec.structs.replace(described.spec, form="python", module=module)
    found.remote[file.stem] = spec
    found.sources.append(_prefilter(file.path, spec, described.prefilter, found.shelf))


def _prefilter(path: str, spec: DetectorSpec, text: str | None, shelf: Shelf) -> RuleSource:
    text = text or ""
    return RuleSource(
        name=path,
        stem=spec.id,
        text=text,
        module=spec.module,
        kinds=spec.kinds,
        lists=shelf.of(text, Path(path).parent.parent),
    )


def _read(path: Path, source: _Source, module: str, found: _Found, live: Live | None) -> None:
    text = source.text(path)
    if path.suffix == ".yml":
        lists = found.shelf.of(text, path.parent.parent)
        found.sources.append(
            RuleSource(name=str(path), stem=path.stem, text=text, module=module, lists=lists)
        )
    elif path.suffix == ".toml":
        found.natives[path.stem] = read_native(path, module, source.text)
    elif not source.shipped:
        found.problems.append(
            f"{path}:1: Python of a module that did not come with the product is not run inside the sensor, only in "
            "a worker of its own, and there is none here"
        )
    else:
        old = live.before.python_files.get(str(path)) if live and live.before else None
        file = (
            old
            if old and old.text == text
            else PythonFile(text, load_text(str(path), path.stem, text, module))
        )
        found.python_files[str(path)] = file
        found.python[path.stem] = file.loaded
        found.sources.append(_prefilter(str(path), file.loaded.spec, file.loaded.prefilter, found.shelf))


def _assemble(found: _Found, saved: Saved, config: Config, before: ModuleSet | None) -> ModuleSet:
    problems = [*found.problems, *saved.problems]
    specs: dict[str, DetectorSpec] = {}
    # Native and Python detectors come first: a rule that took their place would be one of their form to the host.
    candidates = [n.spec for n in found.natives.values()]
    candidates += [*(p.spec for p in found.python.values()), *found.remote.values(), *saved.specs]
    for spec in candidates:
        if spec.id in specs:
            problems.append(
                f"{spec.module}: detector {spec.id} is already defined by {specs[spec.id].module}"
            )
            continue
        specs[spec.id] = spec
    compiled_owners = {rule.owner for rule in saved.rules}
    for name in (*found.python, *found.remote):
        if name not in compiled_owners:
            specs.pop(name, None)
    for name in sorted(set(config.detectors) - set(specs)):
        problems.append(f"configuration: detectors.{name}: no such detector")
    specs = {spec.id: one for spec in specs.values() if (one := _override(spec, config, problems))}
    correlations = tuple(
        _tuned(c, specs[c.owner])
        for c in saved.correlations
        if c.owner in specs and specs[c.owner].form == "sigma"
    )
    used = {name for correlation in correlations for name in correlation.rules}
    rules = tuple(
        _rule(rule, specs, used)
        for rule in saved.rules
        if (rule.owner in specs or rule.owner in used) and rule.owner not in found.natives
    )
    python, natives = {}, []
    for name, spec in specs.items():
        if name in found.python:
            python[name] = _detector(name, found, spec, before)
        elif name in found.natives:
            natives += _built(name, partial(build, found.natives[name], spec), problems)
    native_rules = [one for rule in rules for one in _built(rule.owner, rule.native, problems)]
    native_correlations = [one for c in correlations for one in _built(c.owner, c.native, problems)]
    return ModuleSet(
        modules=tuple(found.modules),
        specs=specs,
        rules=native_rules,
        correlations=native_correlations,
        natives=natives,
        python=python,
        problems=tuple(problems),
        watch=watch_of(rules),
        compiled_rules=rules,
        compiled_correlations=correlations,
        remote={name: spec.module for name, spec in specs.items() if name in found.remote},
        python_files=found.python_files,
        recipes=tuple(found.recipes),
        notices=tuple(found.notices),
        signed=found.signed,
    )


def _detector(name: str, found: _Found, spec: DetectorSpec, before: ModuleSet | None) -> Detector:
    """The one that runs already, where nothing of it changed, or a new one."""
    loaded = found.python[name]
    running = before.python.get(name) if before else None
    if running is not None and type(running) is loaded.detector and running.parameters == spec.parameters:
        return running
    return loaded.detector(spec.parameters)


def _built(owner: str, build: Callable[[], Built], problems: list[str]) -> list[Built]:
    """The engine's own object, or none and a problem when the engine refuses a value."""
    try:
        return [build()]
    except ValueError as error:
        problems.append(f"detector {owner}: the engine refuses it: {error}")
        return []


def _override(spec: DetectorSpec, config: Config, problems: list[str]) -> DetectorSpec | None:
    """The spec as the operator wants it; None when disabled. A bad override is reported and ignored."""
    chosen = config.detectors.get(spec.id)
    if chosen is None:
        return spec
    if not chosen.enabled:
        return None
    where = f"configuration: detectors.{spec.id}"
    changes: dict[str, object] = {}
    if chosen.severity is not None:
        try:
            changes["severity"] = severity = Severity(chosen.severity)
            changes["variants"] = {
                name: msgspec.structs.replace(variant, severity=severity)
                for name, variant in spec.variants.items()
            }
        except ValueError:
            problems.append(f"{where}.severity: {chosen.severity!r} is not one of {', '.join(Severity)}")
    if chosen.cooldown_s is not None and not 0 <= chosen.cooldown_s <= MAX_COOLDOWN_S:
        problems.append(f"{where}.cooldown_s is {chosen.cooldown_s}; it must lie in 0..{MAX_COOLDOWN_S}")
    elif chosen.cooldown_s is not None:
        changes["cooldown_s"] = chosen.cooldown_s
    known = {name: value for name, value in chosen.parameters.items() if name in spec.parameters}
    for name in sorted(set(chosen.parameters) - set(known)):
        have = ", ".join(spec.parameters) or "none"
        problems.append(f"{where}.parameters: no parameter {name!r}; it has {have}")
    changes["parameters"] = {**spec.parameters, **known}
    return msgspec.structs.replace(spec, **changes)


def _rule(rule: CompiledRule, specs: dict[str, DetectorSpec], used: set[str]) -> CompiledRule:
    """Apply the cooldown; a rule whose own detector is off stays for the correlations that use it."""
    spec = specs.get(rule.owner)
    if spec is None:
        return msgspec.structs.replace(rule, emit=False)
    if spec.form == "python" or not rule.emit:
        return rule
    return msgspec.structs.replace(rule, cooldown_s=spec.cooldown_s)


def _tuned(correlation: CompiledCorrelation, spec: DetectorSpec) -> CompiledCorrelation:
    return msgspec.structs.replace(
        correlation,
        cooldown_s=spec.cooldown_s,
        timespan_s=spec.parameters["timespan_s"],
        threshold=spec.parameters.get("threshold_count", correlation.threshold),
    )

# SPDX-License-Identifier: Apache-2.0
"""Switching modules on and off, and waiting until the running sensor has done it or said why not."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import time
from pathlib import Path

import msgspec

from innerwarden import __version__, paths
from innerwarden.config import Config
from innerwarden.ctl.reading import locked_by
from innerwarden.errors import ModuleError, UnavailableError, UsageError
from innerwarden.model.health import ModulesHealth, read
from innerwarden.modules import manifest as manifests
from innerwarden.modules import ownership, signature
from innerwarden.modules import state as states
from innerwarden.modules.install import find
from innerwarden.modules.manifest import Manifest
from innerwarden.modules.state import ModuleState
from innerwarden.modules.validator import validate

#: A busy machine compiles a few hundred rules in some seconds.
SENSOR_WITHIN_S = 60.0


class Switched(msgspec.Struct, frozen=True, kw_only=True):
    """`live`: a sensor runs on the data directory and has taken it over, in `took_s`, held up for `swap_ms`."""

    id: str
    on: bool
    live: bool
    took_s: float = 0.0
    swap_ms: float = 0.0
    lacks: str = ""
    """Of Python of a module that did not ship: what the machine could not take from its worker."""


def enable(module: str, config: Config, data_dir: Path) -> Switched:
    """Switch on what is valid. Raises ModuleError with every problem, and then nothing is changed."""
    directory, shipped = _known(module)
    if module in config.modules.disabled:
        raise UsageError(
            f"{module} is switched off in the configuration", "Remove it from modules.disabled there"
        )
    state = states.read(paths.module_state())
    if shipped:
        return _apply(module, state, state.with_shipped(module, on=True), data_dir, on=True)
    problems = [] if (unsafe := ownership.problems_of(directory)) else validate(directory.resolve())
    manifest, _ = manifests.read(directory)
    if not unsafe and config.modules.signatures == "require":
        verdict = signature.check(directory, config.modules)
        problems += (
            [f"{directory / signature.FILE}:1: {verdict.problem}"] if verdict.signed_by is None else []
        )
    if not unsafe and manifest is not None:
        problems += _needs(directory, manifest, state, config)
    if unsafe or problems:
        raise ModuleError(f"{module} is not switched on", [*unsafe, *problems], "Correct these")
    return _apply(module, state, state.with_enabled(module, states.digest_of(directory)), data_dir, on=True)


def disable(module: str, data_dir: Path) -> Switched:
    """Raises UsageError when there is no such module, or another one that is on needs it."""
    state = states.read(paths.module_state())
    shipped = False
    if module not in state.enabled:
        _, shipped = _known(module)
    for other in sorted(state.enabled):
        found = find(other)
        manifest = manifests.read(found[0])[0] if found else None
        if manifest is not None and module in manifest.requires.modules:
            raise UsageError(f"{other} needs {module}", f"Run first: innerwarden module disable {other}")
    new = state.with_shipped(module, on=False) if shipped else state.without(module)
    return _apply(module, state, new, data_dir, on=False)


def is_on(module: str, state: ModuleState, config: Config, *, shipped: bool) -> bool:
    if module in config.modules.disabled:
        return False
    return module not in state.disabled if shipped else module in state.enabled


def _known(module: str) -> tuple[Path, bool]:
    there = find(module)
    if there is None:
        remedy = "See: innerwarden module list"
        if (Path(module) / manifests.FILE).is_file():
            remedy = f"Install it first: innerwarden module install {module}"
        raise UsageError(f"no module {module!r} is installed", remedy)
    return there


def _needs(directory: Path, manifest: Manifest, state: ModuleState, config: Config) -> list[str]:
    """What the module asks for and this machine, product or set of modules lacks."""
    where = directory / manifests.FILE
    text = where.read_text("utf-8")
    out = []
    if _numbers(manifest.module.min_innerwarden) > _numbers(__version__):
        line = manifests.line_of(text, "min_innerwarden")
        out.append(
            f"{where}:{line}: needs InnerWarden {manifest.module.min_innerwarden}, this is {__version__}"
        )
    kernel = manifest.requires.min_kernel
    if kernel and _numbers(kernel) > _numbers(os.uname().release.split("-")[0]):
        out.append(f"{where}:{manifests.line_of(text, 'min_kernel')}: needs Linux {kernel}")
    line = manifests.line_of(text, "modules")
    for other in manifest.requires.modules:
        there = find(other)
        if there is None or not is_on(other, state, config, shipped=there[1]):
            out.append(f"{where}:{line}: needs the module {other}; run: innerwarden module enable {other}")
    line = manifests.line_of(text, "preflights")
    for check in manifest.preflights:
        if not _holds(check.kind, check.value):
            out.append(f"{where}:{line}: needs the {check.kind} {check.value}; {check.remedy}")
    return out + _taken(where, text, manifest, state, config)


def _taken(where: Path, text: str, manifest: Manifest, state: ModuleState, config: Config) -> list[str]:
    """Detector ids that another module which is on has already."""
    out = []
    line = manifests.line_of(text, "detectors")
    for root in paths.modules_dirs():
        shipped = root.resolve() in {path.resolve() for path in paths.shipped_modules()}
        for other in sorted(root.glob(f"*/{manifests.FILE}")):
            name = other.parent.name
            if name == manifest.module.id or not is_on(name, state, config, shipped=shipped):
                continue
            theirs, _ = manifests.read(other.parent)
            common = set(manifest.provides.detectors) & set(theirs.provides.detectors if theirs else ())
            out += [
                f"{where}:{line}: the detector id {one!r} is taken by {name}; choose another"
                for one in sorted(common)
            ]
    return out


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int("".join(filter(str.isdigit, part)) or 0) for part in version.split("."))


def _holds(kind: str, value: str) -> bool:
    if kind == "file":
        return Path(value).exists()
    if kind == "command":
        return shutil.which(value) is not None
    for lookup in (pwd.getpwnam, grp.getgrnam):
        try:
            lookup(value)
        except KeyError:
            continue
        return True
    return False


def _apply(module: str, old: ModuleState, new: ModuleState, data_dir: Path, *, on: bool) -> Switched:
    """Write the switches and wait for the sensor; what it refuses is switched back."""
    path = paths.module_state()
    states.write(path, new)
    if locked_by(data_dir / "sensor.lock") is None:
        return Switched(id=module, on=on, live=False)
    began = time.monotonic()
    told = _wait(data_dir, states.stamp_of(new))
    took_s = round(time.monotonic() - began, 2)
    if told is None:
        raise UnavailableError(
            f"the sensor on {data_dir} has not taken the change over within {SENSOR_WITHIN_S:.0f} s",
            "See innerwarden status; a sensor that was started with another INNERWARDEN_MODULES never does",
        )
    if told.refused_state == states.stamp_of(new):
        states.write(path, old)
        raise ModuleError(
            f"{module}: the sensor refuses the change, and runs on as it was", told.refused, "Correct these"
        )
    return Switched(
        id=module, on=on, live=True, took_s=took_s, swap_ms=told.swap_ms, lacks=_lacks(told, module)
    )


def _lacks(told: ModulesHealth, module: str) -> str:
    for worker in told.workers:
        if worker.module == module:
            return ", ".join(f"{what}: {how}" for what, how in worker.confinement.items() if "(" in how)
    return ""


def _wait(data_dir: Path, stamp: str) -> ModulesHealth | None:
    deadline = time.monotonic() + SENSOR_WITHIN_S
    while time.monotonic() < deadline:
        report = read(paths.sensor_health(data_dir))
        if report is not None and stamp in (report.modules.state, report.modules.refused_state):
            return report.modules
        if locked_by(data_dir / "sensor.lock") is None:
            return None
        time.sleep(0.05)
    return None

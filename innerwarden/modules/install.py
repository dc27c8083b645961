# SPDX-License-Identifier: Apache-2.0
"""Putting a module into the operator's directory and taking it out, each in one step; switching on is another thing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from innerwarden import paths
from innerwarden.errors import ModuleError, UnavailableError, UsageError
from innerwarden.libbpf import libc
from innerwarden.modules import manifest as manifests
from innerwarden.modules import state as states
from innerwarden.modules.manifest import KEBAB
from innerwarden.modules.package import Package, of_directory, unpack

RENAME_EXCHANGE = 2  # linux/fs.h


def find(module: str) -> tuple[Path, bool] | None:
    """(directory, whether it came with the product) of a module by id; None when there is none."""
    if not KEBAB.fullmatch(module):
        return None  # a path is no id
    shipped = {path.resolve() for path in paths.shipped_modules()}
    for root in paths.modules_dirs():
        if (root / module / manifests.FILE).is_file():
            return root / module, root.resolve() in shipped
    return None


def read_source(source: Path) -> Package:
    """A package file, or a module's directory. Raises ModuleError or UsageError."""
    if source.is_dir():
        return of_directory(source)
    if source.is_file():
        return unpack(source)
    raise UsageError(f"{source} is neither a package nor a directory", "Give the file that was packed")


def install(package: Package, *, replace: bool = False) -> Path:
    """Write the module below the operator's directory and return its directory.

    Nothing of it is there before all of it is. Raises UsageError for an id that is taken or in use, ModuleError when
    the module's own manifest says something else than the package.
    """
    module = package.contents.id
    there = find(module)
    if there is not None and there[1]:
        raise UsageError(f"{module} is a module that came with the product", "Give yours another id")
    if there is not None and not replace:
        raise UsageError(f"{module} is installed in {there[0]}", "Give --replace, or remove it first")
    if there is not None and module in states.read(paths.module_state()).enabled:
        raise UsageError(
            f"{module} is switched on, and installing never changes what runs",
            f"Run: innerwarden module disable {module}",
        )
    root = paths.operator_modules()
    stage = root / f".new-{os.getpid()}" / module
    try:
        states.make_directory(root)
        _write(stage, package)
        manifest, problems = manifests.read(stage)
        if manifest is None or manifest.module.version != package.contents.version:
            raise ModuleError(
                f"{module} is refused", problems or [f"{manifests.FILE}: another version than the package's"]
            )
        target = root / module
        if target.exists():
            exchange(stage, target)
        else:
            stage.rename(target)
    except OSError as error:
        raise UnavailableError(
            f"{root} cannot be written: {error.strerror}", "Run the command with sudo"
        ) from error
    finally:
        shutil.rmtree(stage.parent, ignore_errors=True)
    return target


def _write(directory: Path, package: Package) -> None:
    for name, data in package.files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        with os.fdopen(fd, "wb") as file:
            os.fchmod(fd, 0o644)
            file.write(data)
            file.flush()
            os.fsync(fd)
    for path in (directory, *(path for path in directory.rglob("*") if path.is_dir())):
        path.chmod(0o755)


def exchange(one: Path, other: Path) -> None:
    """Swap two paths in one step, see renameat2(2). Raises OSError."""
    here = libc.AT_FDCWD
    libc.syscall("renameat2", here, os.fsencode(one), here, os.fsencode(other), RENAME_EXCHANGE)


def remove(module: str) -> Path:
    """Take an installed module out and return where it was. Raises UsageError when it ships or is switched on."""
    there = find(module)
    if there is None:
        raise UsageError(f"no module {module!r} is installed", "See: innerwarden module list")
    directory, shipped = there
    if shipped:
        raise UsageError(f"{module} came with the product", f"Run: innerwarden module disable {module}")
    if module in states.read(paths.module_state()).enabled:
        raise UsageError(f"{module} is switched on", f"Run first: innerwarden module disable {module}")
    gone = directory.with_name(f".gone-{os.getpid()}-{module}")
    try:
        directory.rename(gone)
        shutil.rmtree(gone)
    except OSError as error:
        raise UnavailableError(
            f"{directory} cannot be removed: {error.strerror}", "Run the command with sudo"
        ) from error
    return directory

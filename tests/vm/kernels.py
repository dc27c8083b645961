# SPDX-License-Identifier: Apache-2.0
"""Debian's kernels, unpacked below build/vm: downloaded once through apt, never installed."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.vm.image import REPOSITORY

CACHE = REPOSITORY / "build" / "vm"
#: Modules that the kernel tests need where the kernel has them as modules.
MODULES = ("veth", "overlay", "dummy")


class Kernel:
    """One unpacked kernel: `release`, its image, and the plain (decompressed) modules to insert."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.image = next((directory / "boot").glob("vmlinuz-*"))
        self.release = self.image.name.removeprefix("vmlinuz-")

    def modules(self) -> dict[str, Path]:
        """Guest path -> file, in the order in which they are inserted."""
        found = {}
        for number, name in enumerate(MODULES):
            for path in self.directory.rglob(f"{name}.ko*"):
                found[f"/modules/{number}-{name}.ko"] = _plain(path)
                break
        return found


def _plain(module: Path) -> Path:
    if module.suffix == ".xz":
        target = module.with_suffix("")
        if not target.exists():
            subprocess.run(["xz", "-dk", str(module)], check=True)
        return target
    return module


def package_of(meta: str) -> str:
    """The package that a meta package such as linux-image-cloud-amd64 depends on.

    Raises RuntimeError when apt does not know it, even after its lists were fetched.
    """
    match = _depends(meta)
    if match is None:
        subprocess.run(["apt-get", "update", "-qq"], check=False)
        match = _depends(meta)
    if match is None:
        raise RuntimeError(f"apt knows no {meta}: run apt-get update, or name another kernel package")
    return match[1]


def _depends(meta: str) -> re.Match[str] | None:
    shown = subprocess.run(["apt-cache", "depends", meta], capture_output=True, text=True, check=False).stdout
    return re.search(r"Depends: (linux-image-\S+)", shown)


def fetch(meta: str) -> Kernel:
    """Download and unpack the newest kernel of a meta package; kept for the next run."""
    package = package_of(meta)
    directory = CACHE / package
    if not directory.exists():
        downloads = CACHE / "downloads"
        downloads.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "-qq", package], cwd=downloads, check=True)
        archive = next(downloads.glob(f"{package}_*.deb"))
        unpacked = directory.with_suffix(".part")
        subprocess.run(["dpkg", "-x", str(archive), str(unpacked)], check=True)
        unpacked.rename(directory)
    return Kernel(directory)

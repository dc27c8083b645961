# SPDX-License-Identifier: Apache-2.0
"""Debian's kernels, unpacked below build/vm: downloaded once through apt, never installed.

A kernel is named by its release (5.10, 6.1, 6.12, newest) or as suite/package, e.g. trixie/linux-image-amd64. Suites
other than the machine's own get package lists of their own, so that the machine's apt never sees them.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from tests.vm.image import REPOSITORY

CACHE = REPOSITORY / "build" / "vm"
#: The suite whose kernel for clouds it is.
RELEASES = {"5.10": "bullseye", "6.1": "bookworm", "6.12": "trixie", "newest": "sid"}
#: As Debian calls it.
ARCHITECTURE = "amd64"
#: Modules that the kernel tests need where the kernel has them as modules.
MODULES = ("veth", "overlay", "dummy")


class Kernel:
    """One unpacked kernel: `release`, its image, and the plain (decompressed) modules to insert."""

    def __init__(self, directory: Path) -> None:
        images = [*directory.glob("boot/vmlinuz-*"), *directory.glob("usr/lib/modules/*/vmlinuz")]
        if not images:
            raise RuntimeError(f"no kernel image below {directory}")
        self.directory = directory
        self.image = images[0]
        self.release = (
            self.image.name.removeprefix("vmlinuz-")
            if self.image.name != "vmlinuz"
            else self.image.parent.name
        )

    def modules(self) -> dict[str, Path]:
        """Guest path -> file, in the order in which they are inserted."""
        found = {}
        for number, name in enumerate(MODULES):
            for path in self.directory.rglob(f"{name}.ko*"):
                found[f"/modules/{number}-{name}.ko"] = plain(path)
                break
        return found


def plain(module: Path) -> Path:
    """The module decompressed, beside the one that came."""
    if module.suffix == ".xz":
        target = module.with_suffix("")
        if not target.exists():
            subprocess.run(["xz", "-dk", str(module)], check=True)
        return target
    return module


class Suite:
    """One Debian suite with package lists of its own, from the mirror that the machine's apt uses."""

    def __init__(self, name: str, architecture: str = ARCHITECTURE) -> None:
        self.name = name
        self.directory = CACHE / "apt" / (name if architecture == ARCHITECTURE else f"{name}-{architecture}")
        self._options = [
            *of_architecture(architecture),
            f"-oDir::Etc::sourcelist={self.directory}/sources.list",
            "-oDir::Etc::sourceparts=-",
            f"-oDir::State::lists={self.directory}/lists",
            f"-oDir::Cache={self.directory}/cache",
            "-oAPT::Sandbox::User=root",
        ]

    def update(self) -> None:
        """Fetch the lists; raises CalledProcessError when the mirror does not answer."""
        for part in ("lists/partial", "cache/archives/partial"):
            (self.directory / part).mkdir(parents=True, exist_ok=True)
        (self.directory / "sources.list").write_text(f"deb {mirror()} {self.name} main\n")
        subprocess.run(["apt-get", *self._options, "update", "-qq"], check=True)

    def depends(self, package: str) -> list[str]:
        """Kernel packages that `package` depends on."""
        command = ["apt-cache", *self._options, "depends", package]
        shown = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        return re.findall(r"Depends: (linux-(?:image|binary|modules)-\S+)", shown)

    def unpack(self, package: str, target: Path) -> None:
        downloads = self.directory / "downloads"
        downloads.mkdir(exist_ok=True)
        subprocess.run(["apt-get", *self._options, "download", "-qq", package], cwd=downloads, check=True)
        archive = next(downloads.glob(f"{package}_*.deb"))
        subprocess.run(["dpkg", "-x", str(archive), str(target)], check=True)
        archive.unlink()


def of_architecture(name: str) -> list[str]:
    """What makes an apt-get look for packages of that architecture alone."""
    return [f"-oAPT::Architecture={name}", f"-oAPT::Architectures={name}"]


def mirror() -> str:
    """The archive that this machine installs Debian's own packages from."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for line in shown.splitlines():
        uri, _, codename = line.partition(" ")
        if "security" not in uri and "-" not in codename:
            return uri
    raise RuntimeError(
        "apt has no Debian archive configured: add one to /etc/apt/sources.list, run apt-get update"
    )


def fetch(name: str, architecture: str = ARCHITECTURE) -> Kernel:
    """Download and unpack a kernel; kept for the next run. Raises RuntimeError when the suite has no such package."""
    suite_name, _, meta = name.partition("/")
    if name in RELEASES:
        suite_name, meta = RELEASES[name], f"linux-image-cloud-{architecture}"
    directory = CACHE / "kernels" / f"{suite_name}-{meta}"
    if not directory.exists():
        suite = Suite(suite_name, architecture)
        suite.update()
        images = suite.depends(meta)
        if not images:
            raise RuntimeError(
                f"{suite_name} has no {meta}; name a release ({', '.join(RELEASES)}) or suite/package"
            )
        unpacked = directory.with_suffix(".part")
        shutil.rmtree(unpacked, ignore_errors=True)
        unpacked.mkdir(parents=True)
        for package in [*images, *suite.depends(images[0])]:
            suite.unpack(package, unpacked)
        unpacked.rename(directory)
    return Kernel(directory)

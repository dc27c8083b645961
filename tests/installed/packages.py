# SPDX-License-Identifier: Apache-2.0
"""The disk of packages that the guest installs from: ours, a build before it, and an archive of what they need."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.installed.image import CACHE, Image, write_disk
from tests.vm import kernels

PREVIOUS_VERSION = "0.0.1~before"
#: Only in the build before: an upgrade must take it away.
LEFT_OVER = "usr/lib/innerwarden/left-over"
DISK_BYTES = 1 << 30


class Disk(NamedTuple):
    """`path` holds the file system, the other two are names of packages in it."""

    path: Path
    package: str
    previous: str


def disk_of(package: Path, image: Image) -> Disk:
    """Raises CalledProcessError when Debian has not what the package needs."""
    archive = _needed(package, image)
    tree = CACHE / "packages"
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(archive, tree)
    shutil.copy(package, tree)
    previous = _earlier(package, tree)
    write_disk(tree, CACHE / "packages.ext4", DISK_BYTES)
    shutil.rmtree(tree)
    return Disk(CACHE / "packages.ext4", package.name, previous.name)


def _field(package: Path, name: str) -> str:
    command = ["dpkg-deb", "--field", str(package), name]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _earlier(package: Path, directory: Path) -> Path:
    """The same content under a lower version, with one file more."""
    tree = CACHE / "earlier"
    shutil.rmtree(tree, ignore_errors=True)
    subprocess.run(["dpkg-deb", "--raw-extract", str(package), str(tree)], check=True)
    control = tree / "DEBIAN/control"
    version = _field(package, "Version")
    control.write_text(
        control.read_text().replace(f"\nVersion: {version}\n", f"\nVersion: {PREVIOUS_VERSION}\n")
    )
    (tree / LEFT_OVER).write_text("of the build before\n")
    target = directory / f"innerwarden_{PREVIOUS_VERSION}_{_field(package, 'Architecture')}.deb"
    build = ["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", str(tree), str(target)]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    if _field(target, "Version") != PREVIOUS_VERSION:
        raise RuntimeError(f"the version of {target} could not be lowered")
    shutil.rmtree(tree)
    return target


def _needed(package: Path, image: Image) -> Path:
    """What apt would fetch for the package on the image, kept until the package needs something else."""
    relations = [_field(package, name) for name in ("Pre-Depends", "Depends", "Recommends")]
    state = "\n".join([Path(__file__).read_text(), image.status.read_text(), *relations])
    kind = f"archive-{image.release.suite}-{image.release.architecture}"
    archive = CACHE / f"{kind}-{hashlib.sha256(state.encode()).hexdigest()[:16]}"
    if archive.exists():
        return archive
    for old in CACHE.glob(f"{kind}-*"):
        shutil.rmtree(old)
    part = CACHE / "archive.part"
    shutil.rmtree(part, ignore_errors=True)
    apt = _apt(image, part)
    subprocess.run([*apt, "update", "-qq"], check=True)
    subprocess.run([*apt, "install", "-qq", "-y", "--download-only", str(package)], check=True)
    archives = part / "cache/archives"
    fetched = [path for path in archives.glob("*.deb") if not path.name.startswith("innerwarden_")]
    kept = part / "archive"
    kept.mkdir()
    for path in fetched:
        path.rename(kept / path.name)
    (kept / "Packages").write_text("\n".join(map(_paragraph, sorted(kept.glob("*.deb")))))
    kept.rename(archive)
    shutil.rmtree(part)
    return archive


def _apt(image: Image, directory: Path) -> list[str]:
    """An apt-get that knows only the image and Debian, and changes nothing on this machine."""
    for name in ("lists/partial", "cache/archives/partial", "none"):
        (directory / name).mkdir(parents=True)
    (directory / "status").write_text(image.status.read_text())
    (directory / "sources.list").write_text(f"deb {kernels.mirror()} {image.release.suite} main\n")
    options = {
        "Dir::Etc::sourcelist": directory / "sources.list",
        "Dir::Etc::sourceparts": directory / "none",
        "Dir::Etc::preferencesparts": directory / "none",
        "Dir::State": directory,
        "Dir::State::status": directory / "status",
        "Dir::State::lists": directory / "lists",
        "Dir::Cache": directory / "cache",
        "APT::Sandbox::User": "root",
        "Debug::NoLocking": "true",
    }
    own = kernels.of_architecture(image.release.architecture)
    return ["apt-get", *own, *(f"-o{name}={value}" for name, value in options.items())]


def _paragraph(package: Path) -> str:
    """What an archive's index says of one package."""
    control = subprocess.run(
        ["dpkg-deb", "--field", str(package)], check=True, capture_output=True, text=True
    ).stdout
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    return (
        f"{control.strip()}\nFilename: ./{package.name}\nSize: {package.stat().st_size}\nSHA256: {digest}\n"
    )

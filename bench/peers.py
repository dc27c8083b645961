# SPDX-License-Identifier: Apache-2.0
"""Other people's programs to measure against: installed ones, or Debian's packages unpacked below build/peers.

Unpacked, never installed: no service of theirs is started, no user made, no setting of the machine touched.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.measure import ROOT, Unavailable

PLACE = ROOT / "build/peers"
PROGRAM_DIRECTORIES = ("usr/bin", "usr/sbin", "bin", "sbin")
WAIT_S = 300.0


@dataclass(frozen=True)
class Peer:
    """A program, the directory below which its package's files are, and what its environment needs."""

    program: Path
    root: Path
    environment: Mapping[str, str]


def find(program: str, package: str) -> Peer:
    """The installed program or the unpacked one; raises Unavailable when Debian's mirror has none."""
    installed = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if installed is not None:
        return Peer(Path(installed), Path("/"), dict(os.environ))
    root = unpacked(package)
    for directory in PROGRAM_DIRECTORIES:
        path = root / directory / program
        if path.exists():
            return Peer(path, root, _environment(root))
    raise Unavailable(f"package {package} has no {program}")


@functools.cache
def unpacked(package: str) -> Path:
    """The package and what it needs that is not installed, as one tree; kept from run to run."""
    root = PLACE / package
    if root.is_dir():
        return root
    if shutil.which("apt-get") is None:
        raise Unavailable(f"{package} is missing, and there is no apt-get to fetch it")
    fetched = PLACE / f"{package}.fetched"
    shutil.rmtree(fetched, ignore_errors=True)
    tree = fetched / "tree"
    tree.mkdir(parents=True)
    # Downloads are made by a user of apt's own, who must reach the directory.
    listing = _run(package, ["apt-get", "-s", "install", "--no-install-recommends", package], fetched)
    names = re.findall(r"^Inst (\S+)", listing, re.MULTILINE)
    if package not in names:
        names.append(package)
    _run(package, ["apt-get", "-o", "APT::Sandbox::User=root", "download", *names], fetched)
    for archive in sorted(fetched.glob("*.deb")):
        _run(package, ["dpkg-deb", "-x", str(archive), str(tree)], fetched)
    tree.rename(root)
    shutil.rmtree(fetched)
    return root


def _run(package: str, command: list[str], directory: Path) -> str:
    done = subprocess.run(
        command,
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT_S,
        env={**os.environ, "LC_ALL": "C"},
    )
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise Unavailable(f"{package} cannot be fetched: {last[0] if last else command[0]}")
    return done.stdout


def _environment(root: Path) -> dict[str, str]:
    libraries = [
        root / "usr/lib",
        *(root / "usr/lib").glob("*-linux-gnu"),
        *(root / "lib").glob("*-linux-gnu"),
    ]
    found = os.pathsep.join(str(path) for path in libraries if path.is_dir())
    return {**os.environ, "LD_LIBRARY_PATH": found}

# SPDX-License-Identifier: Apache-2.0
"""The two C programs of the suite, compiled with the system's compiler; a virtual machine brings them along."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

SOURCES = Path(__file__).parent / "programs" / "native"
#: Where a guest without a compiler finds them (tests/vm/run.py).
CARRIED = Path("/evasion")
COMMANDS = {
    "race": ["-O1", "-pthread"],
    "brief": ["-O1", "-static", "-nostdlib"],
}


def obstacle() -> str | None:
    if platform.machine() != "x86_64":
        return "the native programs are written for x86-64"
    if all((CARRIED / name).exists() for name in COMMANDS) or shutil.which("cc"):
        return None
    return "there is no C compiler (cc), and none of the programs was brought along"


def build(directory: Path) -> dict[str, Path]:
    """Name -> executable in `directory`. Raises CalledProcessError with the compiler's words."""
    made = {}
    for name, options in COMMANDS.items():
        target = directory / name
        if (CARRIED / name).exists():
            shutil.copy(CARRIED / name, target)
        else:
            command = [
                "cc",
                "-Wall",
                "-Wextra",
                "-Werror",
                *options,
                "-o",
                str(target),
                str(SOURCES / f"{name}.c"),
            ]
            subprocess.run(command, check=True)
        made[name] = target
    return made


def carried(directory: Path) -> dict[str, Path]:
    """Guest path -> file, for an initramfs; nothing where they cannot be built."""
    if obstacle() is not None:
        return {}
    directory.mkdir(parents=True, exist_ok=True)
    return {str(CARRIED / name): path for name, path in build(directory).items()}

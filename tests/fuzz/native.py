# SPDX-License-Identifier: Apache-2.0
"""The extensions once more, with AddressSanitizer and coverage, beside those that everything else runs on."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.fuzz.target import ROOT

PLACE = ROOT / "build/fuzz/native"
LIBRARY = PLACE / "lib"
STAMP = PLACE / "stamp"
COMPILERS = {"CC": "clang-14", "CXX": "clang++-14"}
#: What `setup.py` reads of the checkout.
PARTS = ("core", "bpf/include")


def build() -> Path:
    """The directory to put on PYTHONPATH; built when a source changed. Raises OSError, CalledProcessError."""
    wanted = _digest()
    if STAMP.exists() and STAMP.read_text() == wanted:
        return LIBRARY
    for part in PARTS:
        shutil.copytree(
            ROOT / part,
            PLACE / part,
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns("*.so", "__pycache__"),
        )
    shutil.copy2(ROOT / "setup.py", PLACE)
    command = [
        sys.executable,
        "setup.py",
        "-q",
        "build_ext",
        "--build-lib",
        "lib",
        "-j",
        str(os.cpu_count() or 1),
    ]
    environment = {**os.environ, **COMPILERS, "IW_SANITIZE": "1"}
    with (PLACE / "build.log").open("wb") as log:
        subprocess.run(command, cwd=PLACE, env=environment, stdout=log, stderr=log, check=True)
    for path in (PLACE / "core/innerwarden_core").rglob("*.py"):
        shutil.copy2(path, LIBRARY / path.relative_to(PLACE / "core"))
    STAMP.write_text(wanted)
    return LIBRARY


def _digest() -> str:
    digest = hashlib.sha256(sys.version.encode())
    sources = [ROOT / "setup.py", ROOT / "bpf/include/iw_event.h"]
    sources += [
        path for path in (ROOT / "core").rglob("*") if path.suffix in (".pyx", ".pxd", ".h", ".py", ".dat")
    ]
    for path in sorted(sources):
        digest.update(path.read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    print(build())

# SPDX-License-Identifier: Apache-2.0
"""Native detectors, one module each, found by scanning this package.

A module has `PARAMETERS` (name with unit -> default) and `DETECTOR` (a subclass of detector.Detector).
"""

from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import ModuleType


def _scan() -> dict[str, ModuleType]:
    suffixes = tuple(EXTENSION_SUFFIXES)
    stems = {p.name.split(".")[0] for p in Path(__file__).parent.iterdir() if p.name.endswith(suffixes)}
    return {stem: import_module(f"{__name__}.{stem}") for stem in sorted(stems)}


MODULES: dict[str, ModuleType] = _scan()
NATIVE_DETECTORS: dict[str, dict[str, int]] = {
    stem: dict(module.PARAMETERS) for stem, module in MODULES.items()
}

# SPDX-License-Identifier: Apache-2.0
"""One module per kind of input, each with `targets()`; found by scanning this package."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from tests.fuzz.target import Target


def find() -> dict[str, Target]:
    """Every target by name; two of one name are an error."""
    found: dict[str, Target] = {}
    for target in _all():
        if target.name in found:
            raise ValueError(f"two targets are named {target.name}")
        found[target.name] = target
    return dict(sorted(found.items()))


def _all() -> Iterator[Target]:
    for info in pkgutil.iter_modules(__path__):
        yield from importlib.import_module(f"{__name__}.{info.name}").targets()

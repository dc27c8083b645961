# SPDX-License-Identifier: Apache-2.0
"""The programs below debian/tools, as modules."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType

from innerwarden import paths

DEBIAN = paths.REPOSITORY / "debian"


def tool(name: str) -> ModuleType:
    spec = spec_from_file_location(f"debian_{name}", DEBIAN / "tools" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

# SPDX-License-Identifier: Apache-2.0
"""The rules that the package brings compiled are those that an installed sensor would compile itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from innerwarden import paths
from innerwarden.config import Config
from innerwarden.modules.loader import load_modules
from innerwarden.rules import compiled
from tests.unit.packaging.tools import tool

MODULES = ("lists", "persistence", "credential-access")


def test_an_installed_sensor_takes_them_and_compiles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Built below one directory, installed below another."""
    system = tmp_path / "installed/usr/lib/innerwarden"
    monkeypatch.setattr(paths, "SYSTEM_MODULES", (tmp_path / "etc", system / "modules"))
    root = tmp_path / "package"
    built = root / system.relative_to("/")
    for name in MODULES:
        shutil.copytree(paths.REPOSITORY / "modules" / name, built / "modules" / name)
    tool("rules").main(root)
    shutil.copytree(built, system)

    def refuse(*_: object) -> compiled.Saved:
        raise AssertionError("it compiles")

    monkeypatch.setattr(compiled, "compile_here", refuse)
    cache = tmp_path / "rules.cache"
    found = load_modules([system / "modules"], Config(), cache=cache)
    assert {"cron_persistence", "shadow_file_read"} <= set(found.specs)
    assert not cache.exists()
    changed = system / "modules/persistence/detectors/cron_persistence.yml"
    changed.write_text(changed.read_text() + "# changed\n")
    with pytest.raises(AssertionError, match="it compiles"):
        load_modules([system / "modules"], Config(), cache=cache)

# SPDX-License-Identifier: Apache-2.0
"""What `make build` compiles is what the sensor of a checkout would."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerwarden import paths
from innerwarden.config import Config
from innerwarden.modules import prepare
from innerwarden.modules.apart.pool import Workers
from innerwarden.modules.loader import Live, load_modules
from innerwarden.modules.state import ModuleState
from innerwarden.rules import compiled
from innerwarden.rules.program import RuleSource
from tests.unit.sensor.live_sensor import compiled as compiled_before


def test_a_first_start_compiles_nothing_until_a_rule_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "built" / "rules.cache"
    made.parent.mkdir()
    made.write_bytes(compiled_before())
    monkeypatch.setattr(paths, "checkout_rules", lambda: made)
    asked: list[int] = []

    def compile_(sources: list[RuleSource]) -> compiled.Saved:
        asked.append(len(sources))
        return compiled.Saved(key="", rules=(), correlations=(), specs=())

    monkeypatch.setattr(compiled, "compile_here", compile_)
    prepare.main()
    live = Live(state=ModuleState(), workers=Workers())
    cache = tmp_path / "rules.cache"
    found = load_modules(list(paths.shipped_modules()), Config(), cache=cache, live=live)
    assert not asked and not found.problems and len(found.compiled_rules) > 200
    made.write_bytes(made.read_bytes()[:100])
    prepare.main()
    load_modules(list(paths.shipped_modules()), Config(), cache=cache, live=live)
    assert len(asked) == 2


def test_it_writes_where_the_sensor_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tmp_path / "rules.cache"
    monkeypatch.setattr(paths, "checkout_rules", lambda: made)
    saved = compiled.Saved(key="made", rules=(), correlations=(), specs=())
    monkeypatch.setattr(compiled, "compile_here", lambda _sources: saved)
    prepare.main()
    assert b"made" in made.read_bytes()


def test_another_compiler_has_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = tmp_path / "innerwarden" / "rules"
    rules.mkdir(parents=True)
    (rules / "backend.py").write_text("AND = 1\n")
    monkeypatch.setattr(paths, "PACKAGE", rules.parent)
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    before = paths.checkout_rules()
    assert paths.checkout_rules() == before
    (rules / "backend.py").write_text("AND = 2\n")
    assert paths.checkout_rules() not in (before, before.with_name("rules.cache"))

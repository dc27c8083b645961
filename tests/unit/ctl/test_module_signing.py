# SPDX-License-Identifier: Apache-2.0
"""keygen, sign, verify, and what doctor says, as a person calls them."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from innerwarden.config import Config, ModulesConfig
from innerwarden.ctl.doctor import _signature_checks
from innerwarden.ctl.main import build
from innerwarden.errors import UnavailableError
from innerwarden.modules import state as states
from innerwarden.modules.state import ModuleState
from tests.unit.modules.sample import write_module


def call(*words: str | Path) -> tuple[int, dict[str, str]]:
    result = CliRunner().invoke(build(), ["module", *map(str, words), "--json"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, json.loads(result.stdout)["data"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INNERWARDEN_MODULES", str(tmp_path / "modules"))
    write_module(tmp_path / "modules", "net-watch")
    states.write(tmp_path / "modules/state.json", ModuleState().with_enabled("net-watch", ""))
    (tmp_path / "keys").mkdir(mode=0o755)
    (tmp_path / "config.toml").write_text(f'[modules]\nkeys = "{tmp_path}/keys"\n')
    return tmp_path


def checks(place: Path, policy: str) -> list[tuple[str, str]]:
    modules = {"warn": ModulesConfig(keys=str(place / "keys"), signatures="warn")}
    modules["require"] = ModulesConfig(keys=str(place / "keys"), signatures="require")
    return [(check.state, check.detail) for check in _signature_checks(Config(modules=modules[policy]))]


def test_from_a_key_to_a_verified_module(place: Path) -> None:
    module, config = place / "modules/net-watch", ("--config", place / "config.toml")
    assert checks(place, "require") == [("failed", "not loaded: it is not signed")]
    assert checks(place, "warn")[0][0] == "ok"
    code, made = call("keygen", place / "key")
    assert code == 0
    assert stat.S_IMODE((place / "key").stat().st_mode) == 0o600
    with pytest.raises(UnavailableError):
        call("keygen", place / "key")
    assert call("sign", module, "--key", place / "key")[0] == 0
    assert call("verify", module, *config) == (
        1,
        {
            "id": "net-watch",
            "signed_by": None,
            "problem": f"it is signed by '{made['key']}', which is none of the trusted keys",
        },
    )
    assert call("verify", module, "--key", place / "key.pub")[0] == 0
    (place / "keys/a.pem").write_bytes((place / "key.pub").read_bytes())
    (place / "keys/a.pem").chmod(0o644)
    assert call("verify", "net-watch", *config)[1]["signed_by"] == made["key"]
    assert checks(place, "require") == [("ok", f"signed by {made['key']}")]
    (module / "docs/README.md").write_text("other")
    assert call("verify", "net-watch", *config)[0] == 1
    assert checks(place, "warn")[0][0] == "warning"

# SPDX-License-Identifier: Apache-2.0
"""Switching modules without a sensor: what is refused, with its place and its remedy, and that nothing changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from innerwarden.ctl.main import build
from innerwarden.errors import ModuleError, UsageError
from innerwarden.modules import state as states
from innerwarden.modules.state import ModuleState
from tests.unit.modules.sample import write_module


class Commands:
    def __init__(self, directory: Path) -> None:
        self.installed = directory / "installed"
        self.data_dir = directory / "data"

    def __call__(self, *words: str) -> tuple[int, str]:
        if words[0] in ("enable", "disable", "list"):
            words = (*words, "--data-dir", str(self.data_dir))
        result = CliRunner().invoke(build(), ["module", *words])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout

    def state(self) -> ModuleState:
        return states.read(self.installed / "state.json")


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    commands = Commands(tmp_path)
    monkeypatch.setenv("INNERWARDEN_MODULES", str(commands.installed))
    write_module(tmp_path, "net-watch")
    return commands


@pytest.fixture
def installed(module: Commands, tmp_path: Path) -> Path:
    assert module("install", str(tmp_path / "net-watch"))[0] == 0
    return module.installed / "net-watch"


def test_on_and_off(module: Commands, installed: Path) -> None:
    assert module.state() == ModuleState()
    code, told = module("enable", "net-watch", "--json")
    assert code == 0
    assert json.loads(told)["data"] | {"took_s": 0} == {
        **{"id": "net-watch", "on": True, "live": False, "took_s": 0, "swap_ms": 0.0, "lacks": ""},
    }
    assert module.state() == ModuleState(enabled={"net-watch": states.digest_of(installed)})
    rows = json.loads(module("list", "--json")[1])["data"]["modules"]
    (row,) = [row for row in rows if row["id"] == "net-watch"]
    assert (row["state"], row["health"], row["detectors"]) == ("on", "no sensor", ["net_watch_scan"])
    assert module("disable", "net-watch")[0] == 0
    assert module.state() == ModuleState()
    assert module("remove", "net-watch")[0] == 0
    assert not installed.exists()


def test_one_that_ships_is_off_by_name(module: Commands) -> None:
    assert module("disable", "ssh-protection")[0] == 0
    assert module.state() == ModuleState(disabled=("ssh-protection",))
    assert module("enable", "ssh-protection")[0] == 0
    assert module.state() == ModuleState()


def test_unknown_ids_are_refused(module: Commands, tmp_path: Path) -> None:
    for command in ("enable", "disable", "remove"):
        with pytest.raises(UsageError, match="no module 'nosuch' is installed"):
            module(command, "nosuch")
    for path in (str(tmp_path / "net-watch"), "../net-watch", "../../etc"):
        for command in ("enable", "disable", "remove"):
            with pytest.raises(UsageError, match="no module"):
                module(command, path)
    with pytest.raises(UsageError) as refused:
        module("enable", str(tmp_path / "net-watch"))
    assert "module install" in refused.value.remedy


def test_one_that_is_gone_can_still_be_switched_off(module: Commands, installed: Path) -> None:
    module("enable", "net-watch")
    installed.rename(installed.with_name(".gone"))
    assert module("disable", "net-watch")[0] == 0
    assert module.state() == ModuleState()


WANTS = {
    "version": ('min_innerwarden = "0.1.0"', 'min_innerwarden = "99.0.0"', "9: needs InnerWarden 99.0.0"),
    "kernel": ('collectors = ["kernel"]', 'min_kernel = "99.1"', "15: needs Linux 99.1"),
    "module": ('collectors = ["kernel"]', 'modules = ["no-such"]', "needs the module no-such"),
    "preflight": (
        "[security]",
        '[[preflights]]\nkind = "command"\nvalue = "no-such-command"\nremedy = "apt-get install it"\n[security]',
        "needs the command no-such-command; apt-get install it",
    ),
}


@pytest.mark.parametrize(("old", "new", "told"), WANTS.values(), ids=list(WANTS))
def test_what_a_module_needs_must_be_there(
    module: Commands, installed: Path, old: str, new: str, told: str
) -> None:
    manifest = installed / "module.toml"
    assert old in manifest.read_text()
    manifest.write_text(manifest.read_text().replace(old, new))
    with pytest.raises(ModuleError) as refused:
        module("enable", "net-watch")
    (problem,) = refused.value.problems
    assert told in problem
    assert problem.startswith(f"{manifest}:")
    assert module.state() == ModuleState()


def test_every_problem_comes_at_once_and_nothing_is_switched(module: Commands, installed: Path) -> None:
    (installed / "docs/README.md").write_text("short")
    (installed / "tests/net_watch_scan.toml").write_text('[[case]]\nname = "x"\nexpect = 1\nlines = ["y"]\n')
    with pytest.raises(ModuleError) as refused:
        module("enable", "net-watch")
    told = "\n".join(refused.value.problems)
    for part in (
        "at least 300",
        "no section 'Overview'",
        "no section 'Security'",
        "no benign case",
        "expected 1",
    ):
        assert part in told
    assert module.state() == ModuleState()


def test_a_detector_id_belongs_to_one_module(module: Commands, installed: Path, tmp_path: Path) -> None:
    module("enable", "net-watch")
    write_module(tmp_path, "other-watch")
    other = tmp_path / "other-watch"
    for path in (*other.glob("detectors/*"), *other.glob("tests/*")):
        path.rename(path.with_stem("net_watch_scan"))
    for path in (other / "module.toml", other / "docs/README.md"):
        path.write_text(path.read_text().replace("other_watch_scan", "net_watch_scan"))
    module("install", str(other))
    with pytest.raises(ModuleError) as refused:
        module("enable", "other-watch")
    assert any("'net_watch_scan' is taken by net-watch" in text for text in refused.value.problems)
    assert list(module.state().enabled) == ["net-watch"]


def test_one_that_is_needed_stays_on(module: Commands, installed: Path, tmp_path: Path) -> None:
    write_module(tmp_path, "other-watch")
    manifest = tmp_path / "other-watch/module.toml"
    manifest.write_text(manifest.read_text().replace('collectors = ["kernel"]', 'modules = ["net-watch"]'))
    module("install", str(tmp_path / "other-watch"))
    with pytest.raises(ModuleError, match="needs the module net-watch"):
        module("enable", "other-watch")
    module("enable", "net-watch")
    module("enable", "other-watch")
    with pytest.raises(UsageError, match="other-watch needs net-watch"):
        module("disable", "net-watch")
    assert set(module.state().enabled) == {"net-watch", "other-watch"}


def test_what_the_configuration_switches_off_stays_off(
    module: Commands, installed: Path, tmp_path: Path
) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[modules]\ndisabled = ["net-watch"]\n')
    with pytest.raises(UsageError, match="switched off in the configuration"):
        module("enable", "net-watch", "--config", str(config))


def test_a_python_module_is_new_valid_and_tested_without_running_here(
    module: Commands, tmp_path: Path
) -> None:
    directory = tmp_path / "run-count"
    assert module("new", str(directory), "--python")[0] == 0
    assert module("validate", str(directory)) == (0, "")
    code, told = module("test", str(directory), "--json")
    assert (code, [r["passed"] for r in json.loads(told)["data"]["results"]]) == (0, [True, True])
    ran = tmp_path / "ran"
    detector = directory / "detectors/run_count.py"
    detector.write_text(f"open({str(ran)!r}, 'w')\n{detector.read_text()}")
    code, told = module("validate", str(directory))
    assert code == 1
    assert f"{detector}:1: PermissionError" in told
    assert not ran.exists()


def test_why_a_case_of_a_python_detector_fails_is_told(module: Commands, tmp_path: Path) -> None:
    directory = tmp_path / "run-count"
    module("new", str(directory), "--python")
    detector = directory / "detectors/run_count.py"
    whole = detector.read_text()
    detector.write_text(whole.replace('"runs_count": 3', '"runs_count": 4'))
    code, told = module("test", str(directory))
    assert code == 1
    assert "3 events passed the prefilter, and process() gave a Finding for 0 of them" in told
    detector.write_text(whole.replace("count = self.runs", "1 / 0; count = self.runs"))
    code, told = module("test", str(directory))
    assert code == 1
    assert "ZeroDivisionError: division by zero" in told


def test_packing_refuses_a_module_with_a_problem(module: Commands, tmp_path: Path) -> None:
    target = tmp_path / "x.iwm"
    code, told = module("package", str(tmp_path / "net-watch"), "--output", str(target))
    assert code == 0
    assert told.endswith(f"  {target}\n")
    first = target.read_bytes()
    (tmp_path / "net-watch/docs/README.md").write_text("short")
    with pytest.raises(ModuleError, match="is not packed"):
        module("package", str(tmp_path / "net-watch"), "--output", str(target))
    assert target.read_bytes() == first

# SPDX-License-Identifier: Apache-2.0
"""What is on and off, and who may say so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from innerwarden import paths
from innerwarden.config import Config, ModulesConfig, RulesConfig
from innerwarden.errors import ConfigError
from innerwarden.modules import ownership
from innerwarden.modules import state as states
from innerwarden.modules.apart.pool import Workers
from innerwarden.modules.loader import Live, load_modules
from innerwarden.modules.state import ModuleState
from tests.unit.modules.sample import write_module


def active(
    directory: Path, state: ModuleState, config: Config | None = None
) -> tuple[set[str], tuple[str, ...]]:
    live = Live(state=state, workers=Workers())
    loaded = load_modules([directory, paths.REPOSITORY / "modules"], config or Config(), live=live)
    return {module.id for module in loaded.modules}, loaded.problems


def test_shipped_modules_run_unless_switched_off_others_only_when_switched_on(tmp_path: Path) -> None:
    write_module(tmp_path, "net-watch")
    on, _ = active(tmp_path, ModuleState())
    assert "net-watch" not in on
    assert "ssh-protection" in on
    state = ModuleState().with_enabled("net-watch", "").with_shipped("ssh-protection", on=False)
    on, problems = active(tmp_path, state)
    assert "net-watch" in on
    assert "ssh-protection" not in on
    assert problems == ()
    on, _ = active(tmp_path, state.without("net-watch").with_shipped("ssh-protection", on=True))
    assert "net-watch" not in on
    assert "ssh-protection" in on


def test_one_that_is_off_never_stands_before_a_shipped_one(tmp_path: Path) -> None:
    write_module(tmp_path, "ssh-protection")
    live = Live(state=ModuleState(), workers=Workers())
    loaded = load_modules([tmp_path, paths.REPOSITORY / "modules"], Config(), live=live)
    assert "ssh_bruteforce" in loaded.specs


def test_the_configuration_has_the_last_word(tmp_path: Path) -> None:
    write_module(tmp_path, "net-watch")
    config = Config(modules=ModulesConfig(disabled=("net-watch",)))
    assert "net-watch" not in active(tmp_path, ModuleState().with_enabled("net-watch", ""), config)[0]


def test_one_that_is_on_and_gone_is_told(tmp_path: Path) -> None:
    _, problems = active(tmp_path, ModuleState().with_enabled("net-watch", ""))
    assert len(problems) == 1
    assert "not installed" in problems[0]
    assert "module disable net-watch" in problems[0]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: only it can give a file to another user")
@pytest.mark.parametrize("what", ["directory", "file", "above", "owner", "link"])
def test_what_others_could_change_is_not_loaded(tmp_path: Path, what: str) -> None:
    place = tmp_path / "a" / "b"
    write_module(place, "net-watch")
    rule = next(place.glob("net-watch/detectors/*.yml"))
    if what == "directory":
        (place / "net-watch/detectors").chmod(0o757)
    elif what == "file":
        rule.chmod(0o646)
    elif what == "above":
        (tmp_path / "a").chmod(0o777)
    elif what == "owner":
        os.chown(rule, 12345, 0)
    else:
        (place / "net-watch/detectors/more.yml").symlink_to("/etc/hostname")
    on, problems = active(place, ModuleState().with_enabled("net-watch", ""))
    assert "net-watch" not in on
    assert len(problems) == 1
    assert any(remedy in problems[0] for remedy in ("run: chmod go-w", "run: chown root", "remove it"))
    config = Config(rules=RulesConfig(directories=(str(place / "net-watch/detectors"),)))
    _, problems = active(tmp_path / "none", ModuleState(), config)
    assert problems
    assert problems[0].startswith("configuration: rules.directories: ")


def test_a_sticky_directory_above_is_no_problem(tmp_path: Path) -> None:
    write_module(tmp_path / "a", "net-watch")
    (tmp_path / "a").chmod(0o1777)
    assert ownership.problems_of(tmp_path / "a/net-watch") == []


@pytest.mark.parametrize("text", ["", "{", '{"enabled": ["x"]}', '{"format": 2}', '{"unknown": 1}'])
def test_switches_that_cannot_be_read_are_refused_by_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"state\.json:1"):
        states.read(path)


def test_the_file_is_replaced_whole_and_readable_for_all_but_writable_for_none(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state.json"
    before = os.umask(0)
    try:
        states.write(path, ModuleState().with_enabled("net-watch", "d"))
    finally:
        os.umask(before)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o644, 0o755)
    inode = path.stat().st_ino
    states.write(path, ModuleState())
    assert path.stat().st_ino != inode
    assert list(path.parent.iterdir()) == [path]
    assert states.read(path) == ModuleState()

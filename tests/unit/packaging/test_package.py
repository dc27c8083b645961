# SPDX-License-Identifier: Apache-2.0
"""What the package brings besides code: its configuration, its version, its manual and completion."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from innerwarden import __version__, paths
from innerwarden.config import Config, load
from innerwarden.ctl.main import build
from tests.contract.test_docs import config_keys
from tests.unit.packaging.tools import DEBIAN, tool

CONFFILE = DEBIAN / "etc/config.toml"


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return dict(tool("pages").pages((paths.REPOSITORY / "docs/configuration.md").read_text()))


def commands() -> Iterator[tuple[str, str]]:
    """(page, command as it is typed) of every command."""
    root: Any = typer.main.get_command(build())
    for name, command in root.commands.items():
        yield "innerwarden.1", f"innerwarden {name}"
        for each in getattr(command, "commands", {}):
            yield f"innerwarden-{name}.1", f"innerwarden {name} {each}"


def test_the_configuration_that_is_installed_is_the_default() -> None:
    assert load(CONFFILE) == Config()


def test_the_configuration_that_is_installed_names_both_switches() -> None:
    lines = CONFFILE.read_text().splitlines()
    assert "enabled = false" in lines
    assert "dry_run = true" in lines


def test_the_changelog_has_the_version() -> None:
    found = re.match(r"innerwarden \(([^)]+)\)", (DEBIAN / "changelog").read_text())
    assert found is not None
    assert found[1] == __version__


def test_the_manual_names_every_command(pages: dict[str, str]) -> None:
    plain = {name: text.replace("\\-", "-") for name, text in pages.items()}
    assert [(page, said) for page, said in commands() if f"\\fB{said}\\fR" not in plain[page]] == []


def test_the_manual_names_every_setting(pages: dict[str, str]) -> None:
    text = pages["innerwarden.toml.5"].replace("\\-", "-")
    assert [key for key, _default in config_keys(Config) if f"\\fB{key}\\fR" not in text] == []


def test_no_text_of_the_manual_is_taken_for_a_request(pages: dict[str, str]) -> None:
    requests = {".TH", ".SH", ".SS", ".TP", ".IP", ".PP", ".nf", ".fi", ".RS", ".RE", ".br"}
    for text in pages.values():
        found = {line.split()[0] for line in text.splitlines() if line.startswith((".", "'"))}
        assert found <= requests


def test_the_manual_is_the_same_every_time(pages: dict[str, str]) -> None:
    again = dict(tool("pages").pages((paths.REPOSITORY / "docs/configuration.md").read_text()))
    assert again == pages


def test_completion_is_there_for_each_shell(tmp_path: Path) -> None:
    tool("completion").main(tmp_path)
    for place in tool("completion").PLACES.values():
        assert "_INNERWARDEN_COMPLETE" in (tmp_path / place).read_text()


def test_the_operators_directories_are_there() -> None:
    made = {f"/{line}" for line in (DEBIAN / "innerwarden.dirs").read_text().split()}
    place = str(paths.SYSTEM_CONFIG.parent)
    named = {default for _key, default in config_keys(Config) if str(default).startswith(place)}
    assert made == {*named, str(paths.SYSTEM_MODULES[0]), str(paths.SYSTEM_YARA)}

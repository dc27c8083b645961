# SPDX-License-Identifier: Apache-2.0
"""Kernel settings: a tree of files as the kernel shows it, below a root of the test."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerwarden.model._wire import Change
from innerwarden.sensor.inventory.baseline import Baseline
from innerwarden.sensor.inventory.sysctl_table import SETTINGS, Weaker
from innerwarden.sensor.inventory.sysctls import Sysctls
from tests.unit.sensor.inventory.support import looked, write


def collector(root: Path) -> Sysctls:
    return Sysctls(Baseline("sysctls"), str(root))


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_of_the_table_is_watched(tmp_path: Path, setting: object) -> None:
    path = tmp_path / setting.path.lstrip("/").replace("*", "one")  # type: ignore[attr-defined]
    write(path, "1\n")
    one = collector(tmp_path)
    assert [Change(fact["change"]) for fact in looked(one)] == [Change.BASELINE]
    assert looked(one) == []
    path.write_text("3\n")
    found = looked(one)
    assert [Change(fact["change"]) for fact in found] == [Change.CHANGED]
    assert (found[0]["value"], found[0]["old_value"], found[0]["path"]) == ("3", "1", str(path))


def test_the_table_names_each_setting_once_and_says_why() -> None:
    assert len({setting.name for setting in SETTINGS}) == len(SETTINGS)
    assert all(setting.why and setting.path.startswith(("/proc/sys/", "/sys/")) for setting in SETTINGS)


@pytest.mark.parametrize(
    ("name", "old", "new", "how"),
    [
        ("kernel.randomize_va_space", "2", "0", "weaker"),
        ("kernel.randomize_va_space", "0", "2", "stronger"),
        ("kernel.perf_event_paranoid", "2", "-1", "weaker"),
        ("fs.suid_dumpable", "0", "2", "weaker"),
        ("fs.suid_dumpable", "2", "0", "stronger"),
        ("kernel.usermodehelper.bset", "1 1", "2 1", "weaker"),
        ("kernel.tainted", "0", "4096", "changed"),
        ("lockdown", "none [integrity]", "[none] integrity", "changed"),
        ("kernel.core_pattern", "core", "|/tmp/x", "helper"),
    ],
)
def test_which_way_it_went(tmp_path: Path, name: str, old: str, new: str, how: str) -> None:
    setting = next(setting for setting in SETTINGS if setting.name == name)
    path = write(tmp_path / setting.path.lstrip("/"), old)
    one = collector(tmp_path)
    looked(one)
    path.write_text(new)
    assert looked(one)[0]["reason"].startswith(f"{how}: ")


def test_an_interpreter_that_is_registered_is_a_helper(tmp_path: Path) -> None:
    base = tmp_path / "proc/sys/fs/binfmt_misc"
    write(base / "status", "enabled\n")
    write(base / "register")
    one = collector(tmp_path)
    assert looked(one) == [], "the switches are no entries"
    entry = write(base / "evil", "enabled\ninterpreter /tmp/x\nflags: OC\nmagic 7f45\n")
    found = looked(one)
    assert found[0]["name"] == "fs.binfmt_misc.evil"
    assert "interpreter /tmp/x" in found[0]["value"] and found[0]["reason"].startswith("helper: ")
    entry.unlink()
    assert [Change(fact["change"]) for fact in looked(one)] == [Change.VANISHED]


def test_an_empty_helper_that_appears_runs_nothing(tmp_path: Path) -> None:
    one = collector(tmp_path)
    looked(one)
    write(tmp_path / "sys/fs/cgroup/memory/release_agent", "\n")
    assert looked(one)[0]["reason"].startswith("changed: ")


def test_directions_of_the_table() -> None:
    helpers = {setting.name for setting in SETTINGS if setting.weaker is Weaker.HELPER}
    assert {"kernel.core_pattern", "kernel.modprobe", "cgroup.release_agent", "fs.binfmt_misc"} <= helpers

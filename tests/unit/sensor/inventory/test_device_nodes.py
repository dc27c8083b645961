# SPDX-License-Identifier: Apache-2.0
"""Exposed devices; nodes need root, so the mode's judgement is tried on this machine's own /dev where it is not."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from innerwarden.model._wire import Change
from innerwarden.sensor.inventory.baseline import Baseline
from innerwarden.sensor.inventory.device_nodes import DeviceNodes
from tests.unit.sensor.inventory.support import looked, write


def node(path: Path, mode: int) -> None:
    """A character device of a number that no driver has."""
    path.parent.mkdir(exist_ok=True)
    try:
        os.mknod(path, stat.S_IFCHR | mode, os.makedev(240, 250))
        path.chmod(mode)
    except PermissionError:
        pytest.skip("device nodes need root (CAP_MKNOD)")


def test_an_open_device_is_told_once_and_its_end_too(tmp_path: Path) -> None:
    node(tmp_path / "kvm", 0o666)
    node(tmp_path / "mem", 0o640)
    node(tmp_path / "cpu" / "0", 0o600)
    one = DeviceNodes(Baseline("device_nodes"), str(tmp_path))
    (fact,) = looked(one)
    assert fact["path"] == str(tmp_path / "kvm")
    assert Change(fact["change"]) is Change.FOUND
    assert fact["reason"] == "virtual machines in the kernel: mode 0666 where 660 is enough"
    assert looked(one) == []
    (tmp_path / "kvm").chmod(0o660)
    assert [Change(fact["change"]) for fact in looked(one)] == [Change.VANISHED]


def test_a_processor_s_registers(tmp_path: Path) -> None:
    (tmp_path / "cpu/3").mkdir(parents=True)
    node(tmp_path / "cpu/3/msr", 0o604)
    one = DeviceNodes(Baseline("device_nodes"), str(tmp_path))
    assert [fact["path"] for fact in looked(one)] == [str(tmp_path / "cpu/3/msr")]


def test_a_file_of_that_name_is_no_device(tmp_path: Path) -> None:
    write(tmp_path / "kvm").chmod(0o666)
    assert looked(DeviceNodes(Baseline("device_nodes"), str(tmp_path))) == []


def test_a_disk_for_a_group_is_as_it_should_be(tmp_path: Path) -> None:
    node(tmp_path / "sda1", 0o660)
    node(tmp_path / "sdb", 0o662)
    found = looked(DeviceNodes(Baseline("device_nodes"), str(tmp_path)))
    assert [fact["name"] for fact in found] == ["sdb"]

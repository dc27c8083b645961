# SPDX-License-Identifier: Apache-2.0
"""The configuration's part: which collectors run, how often, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from innerwarden_core import Engine

from innerwarden import config, paths
from innerwarden.config import InventoryConfig
from innerwarden.errors import ConfigError
from innerwarden.sensor import inventory

NAMES = InventoryConfig.__struct_fields__


def load(text: str, data_dir: Path) -> inventory.Inventory:
    return inventory.load(config.parse(text, "test").collectors.inventory, data_dir, Engine())


def test_every_collector_of_the_configuration_runs_at_its_cadence(tmp_path: Path) -> None:
    made = load("", tmp_path)
    cadences = {name: getattr(InventoryConfig(), name).cadence_s for name in NAMES}
    assert {one.collector.id: one.cadence_s for one in made.scheduled} == cadences


@pytest.mark.parametrize("name", NAMES)
def test_each_can_be_switched_off_and_set(tmp_path: Path, name: str) -> None:
    off = load(f"[collectors.inventory.{name}]\nenabled = false\n", tmp_path)
    assert {one.collector.id for one in off.scheduled} == set(NAMES) - {name}
    slow = load(f"[collectors.inventory.{name}]\ncadence_s = 7777\n", tmp_path)
    assert [one.cadence_s for one in slow.scheduled if one.collector.id == name] == [7777]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[collectors.inventory.sysctls]\ncadence_s = 0\n", "sysctls.cadence_s is 0"),
        ("[collectors.inventory.devices]\ncadence_s = 90000\n", "devices.cadence_s is 90000"),
        ('[collectors.inventory.suid_files]\nroots = ["tmp"]\n', "'tmp' is not an absolute path"),
        ('[collectors.inventory.service_units]\ndirectories = ["x"]\n', "'x' is not an absolute path"),
        ("[collectors.inventory.unknown]\nenabled = true\n", "unknown"),
    ],
)
def test_what_makes_no_sense_is_refused(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        config.parse(text, "test")


def test_nothing_is_written_before_save(tmp_path: Path) -> None:
    made = load("", tmp_path)
    for _ in range(200):
        for one in made.scheduled:
            made.tick(max(one.due, 0.0))
    assert not paths.inventory(tmp_path).exists()
    made.save()
    assert (paths.inventory(tmp_path) / "sysctls.json").exists()

# SPDX-License-Identifier: Apache-2.0
"""Control groups of both versions, as files, on a clock of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerwarden.sensor.inventory import control_groups
from innerwarden.sensor.inventory.control_groups import BUSY_LOOKS, GROWTH_BYTES, ControlGroups
from tests.unit.sensor.inventory.support import looked, write


class Machine:
    """`step` lets 30 s pass in which the group takes `share` of a processor and gets `memory` bytes."""

    def __init__(self, root: Path, version: int, group: str = "system.slice/docker-1.scope") -> None:
        self.root, self.version, self.group = root, version, group
        self.now, self.cpu_s, self.memory = 0.0, 0.0, 0
        if version == 2:
            write(root / "cgroup.controllers")
        else:
            write(root / "cpuacct/cpuacct.usage", "0")
        self.collector = ControlGroups(str(root), lambda: self.now)

    def step(self, share: float, memory: int = 0, seconds: float = 30.0) -> list[tuple[str, str]]:
        self.now += seconds
        self.cpu_s += share * seconds
        self.memory += memory
        if self.version == 2:
            write(self.root / self.group / "cpu.stat", f"usage_usec {int(self.cpu_s * 1e6)}\nuser_usec 1\n")
            write(self.root / self.group / "memory.current", f"{self.memory}\n")
        else:
            write(self.root / "cpuacct" / self.group / "cpuacct.usage", f"{int(self.cpu_s * 1e9)}\n")
            write(self.root / "memory" / self.group / "memory.usage_in_bytes", f"{self.memory}\n")
        return [(fact["name"], fact["path"]) for fact in looked(self.collector)]


@pytest.fixture(params=[1, 2])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    return Machine(tmp_path, request.param)


CPU = [("cpu", "/system.slice/docker-1.scope")]
MEMORY = [("memory", "/system.slice/docker-1.scope")]


def test_a_group_that_computes_for_minutes_is_told_once(machine: Machine) -> None:
    assert machine.step(0.0) == []
    assert [machine.step(0.97) for _ in range(BUSY_LOOKS + 3)] == [[]] * (BUSY_LOOKS - 1) + [CPU, [], [], []]
    assert machine.step(0.1) == []
    assert [machine.step(2.0) for _ in range(BUSY_LOOKS)][-1] == CPU, "a new story after a pause"


def test_a_pause_begins_the_count_anew(machine: Machine) -> None:
    shares = ([0.99] * (BUSY_LOOKS - 1) + [0.9]) * 3
    assert [machine.step(share) for share in [0.0, *shares]] == [[]] * (len(shares) + 1)


def test_the_share_is_of_the_time_that_passed(machine: Machine) -> None:
    machine.step(0.0)
    assert [machine.step(0.5, seconds=60.0) for _ in range(BUSY_LOOKS + 2)] == [[]] * (BUSY_LOOKS + 2)


def test_memory_that_grows_fast(machine: Machine) -> None:
    machine.step(0.0, 1 << 30)
    assert machine.step(0.0, GROWTH_BYTES) == []
    assert machine.step(0.0, GROWTH_BYTES + 1) == MEMORY
    assert machine.step(0.0, -GROWTH_BYTES) == []


def test_a_group_with_others_below_counts_through_them(tmp_path: Path) -> None:
    machine = Machine(tmp_path, 2, "kubepods/pod1")
    write(tmp_path / "kubepods/pod1/inner/cpu.stat", "usage_usec 0\n")
    assert [machine.step(0.99) for _ in range(BUSY_LOOKS + 2)] == [[]] * (BUSY_LOOKS + 2)


def test_nonsense_is_no_reading(machine: Machine) -> None:
    machine.step(0.0)
    name = "cpu.stat" if machine.version == 2 else "cpuacct.usage"
    for path in machine.root.rglob(name):
        path.write_text("usage_usec -1 x\n")
    assert looked(machine.collector) == []


def test_more_groups_than_are_looked_at_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_groups, "GROUPS", 2)
    write(tmp_path / "cgroup.controllers")
    for number in range(5):
        write(tmp_path / f"{number}/cpu.stat", "usage_usec 1\n")
    one = ControlGroups(str(tmp_path))
    looked(one)
    assert one.remark() == "3 control groups more than the 2 that are looked at"


def test_a_machine_without_control_groups(tmp_path: Path) -> None:
    assert ControlGroups(str(tmp_path)).obstacle() != ""
    assert looked(ControlGroups(str(tmp_path))) == []

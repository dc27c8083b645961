# SPDX-License-Identifier: Apache-2.0
"""Kernel modules: three views below a root of the test, in the kernel's own formats."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerwarden.model._wire import Change
from innerwarden.sensor.inventory.baseline import Baseline
from innerwarden.sensor.inventory.modules import SYMBOLS_EVERY, Modules
from tests.unit.sensor.inventory.support import changes, looked, write


class Kernel:
    """Writes all views alike; a rootkit is a view that is left out."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.taint(0)
        self.state: dict[str, str] = {}
        self.show()

    def taint(self, bits: int) -> None:
        write(self.root / "proc/sys/kernel/tainted", f"{bits}\n")

    def show(
        self,
        *names: str,
        unlisted: tuple[str, ...] = (),
        unloaded: tuple[str, ...] = (),
        untagged: tuple[str, ...] = (),
        marks: str = "",
    ) -> None:
        lines = [
            f"{name} 16384 0 - {self.state.get(name, 'Live')} 0x0000000000000000{marks and f' ({marks})'}"
            for name in names
            if name not in unlisted
        ]
        write(self.root / "proc/modules", "".join(line + "\n" for line in lines))
        core = "".join(f"0000000000000000 T function_{i}\n" for i in range(3000))
        tags = "".join(
            f"0000000000000000 t init_{name}\t[{name}]\n" for name in names if name not in untagged
        )
        run_time = "0 t bpf_prog_1_x\t[bpf]\n0 t ftrace_trampoline\t[__builtin__ftrace]\n"
        write(self.root / "proc/kallsyms", core + tags + run_time)
        for place in (self.root / "sys/module").glob("*/initstate"):
            place.unlink()
        write(self.root / "sys/module/kernel/parameters/x", "built in\n")
        for name in names:
            if name not in unloaded:
                state = self.state.get(name, "Live").lower()
                write(self.root / f"sys/module/{name}/initstate", "coming\n" if state != "live" else "live\n")


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


def collector(kernel: Kernel) -> Modules:
    return Modules(Baseline("modules"), str(kernel.root))


def test_modules_come_and_go(kernel: Kernel) -> None:
    kernel.show("ext4", "nvme")
    one = collector(kernel)
    assert changes(looked(one)) == {"ext4": Change.BASELINE, "nvme": Change.BASELINE}
    kernel.show("ext4", "dummy", marks="OE")
    found = looked(one)
    told = changes(found)
    assert (told["nvme"], told["dummy"]) == (Change.VANISHED, Change.APPEARED)
    dummy = next(fact for fact in found if fact["name"] == "dummy")
    assert dummy["value"] == "OE" and "out of tree" in dummy["reason"]
    assert looked(one) == []


@pytest.mark.parametrize(
    ("views", "reason"),
    [
        ({"unlisted": ("rk",)}, "/sys/module lists it and /proc/modules does not"),
        ({"unloaded": ("rk",)}, "/proc/modules lists it and /sys/module does not"),
        (
            {"unlisted": ("rk",), "unloaded": ("rk",)},
            "/proc/kallsyms shows its symbols and /proc/modules does not list it",
        ),
        ({"unlisted": ("rk",), "untagged": ("rk",)}, "/sys/module lists it and /proc/modules does not"),
    ],
)
def test_a_module_that_left_some_lists_is_found_once(
    kernel: Kernel, views: dict[str, tuple[str, ...]], reason: str
) -> None:
    kernel.show("ext4")
    one = collector(kernel)
    looked(one)
    kernel.show("ext4", "rk", **views)  # type: ignore[arg-type]
    found = [fact for _ in range(SYMBOLS_EVERY) for fact in looked(one)]
    hidden = [fact for fact in found if fact["change"] == Change.FOUND]
    assert [(fact["name"], fact["reason"]) for fact in hidden] == [("rk", reason)]


def test_views_that_agree_find_nothing(kernel: Kernel) -> None:
    kernel.show("ext4", "nvme")
    one = collector(kernel)
    found = [fact for _ in range(2 * SYMBOLS_EVERY) for fact in looked(one)]
    assert set(changes(found).values()) == {Change.BASELINE}


def test_a_module_on_its_way_in_is_not_hidden(kernel: Kernel) -> None:
    kernel.state["slow"] = "Loading"
    kernel.show("ext4", "slow")
    one = collector(kernel)
    assert set(changes(looked(one))) == {"ext4"}
    kernel.state.clear()
    kernel.show("ext4", "slow")
    assert changes(looked(one)) == {"slow": Change.APPEARED}


def test_one_that_comes_between_two_views_is_not_hidden(kernel: Kernel) -> None:
    """Its directory is there already and its line is not: the second look at both lists settles it."""
    kernel.show("ext4")
    one = collector(kernel)
    looked(one)
    kernel.show("ext4", "late", unlisted=("late",))
    look = one.look()
    next(look)  # the list was read; now it is complete
    kernel.show("ext4", "late")
    assert [fact.change for fact in look if fact] == [Change.APPEARED]


def test_a_mark_without_a_module_is_found(kernel: Kernel) -> None:
    kernel.show("ext4")
    one = collector(kernel)
    looked(one)
    kernel.taint(1 << 12 | 1 << 13)
    found = looked(one)
    assert [(fact["name"], Change(fact["change"])) for fact in found] == [("(unknown)", Change.FOUND)]
    assert looked(one) == []


def test_a_mark_that_a_listed_module_explains_is_not(kernel: Kernel) -> None:
    one = collector(kernel)
    looked(one)
    kernel.taint(1 << 12)
    kernel.show("nvidia", marks="PO")
    assert changes(looked(one)) == {"nvidia": Change.APPEARED}


def test_a_kernel_without_modules_says_so(tmp_path: Path) -> None:
    assert "CONFIG_MODULES" in Modules(Baseline("modules"), str(tmp_path)).obstacle()

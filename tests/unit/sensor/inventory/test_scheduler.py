# SPDX-License-Identifier: Apache-2.0
"""The scheduler: bounded slices, one cadence each, and a failure that costs only itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from innerwarden_core import Engine

from innerwarden import paths
from innerwarden.config import Config
from innerwarden.model._wire import Change
from innerwarden.model.health import CollectorHealth
from innerwarden.modules.loader import load_modules
from innerwarden.sensor.inventory.baseline import Baseline
from innerwarden.sensor.inventory.collector import Look
from innerwarden.sensor.inventory.fact import Fact
from innerwarden.sensor.inventory.scheduler import LONGEST_BACK_OFF_S, TICK_MS, Inventory


class Scripted:
    """A collector whose look is given."""

    def __init__(self, name: str, look: Callable[[], Look], budget_ms: float = 0.5) -> None:
        self.id = name
        self.budget_ms = budget_ms
        self.baseline: Baseline | None = None
        self.look = look
        self.why_not = ""

    def obstacle(self) -> str:
        return self.why_not

    def remark(self) -> str:
        return ""


def burn(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def steps(count: int, seconds: float = 0.0) -> Callable[[], Look]:
    def look() -> Look:
        for _ in range(count):
            burn(seconds)
            yield None

    return look


def health(inventory: Inventory, now: float) -> dict[str, CollectorHealth]:
    return {one.id: one for one in inventory.health(now)}


def test_each_collector_keeps_its_cadence() -> None:
    inventory = Inventory(
        Engine(), [(Scripted("fast", steps(1)), 1.0), (Scripted("slow", steps(1)), 5.0)], now=0.0
    )
    for tick in range(101):
        inventory.tick(tick / 10)
    told = health(inventory, 10.0)
    assert told["fast"].looks in (10, 11)
    assert told["slow"].looks == 2
    assert told["slow"].state == "working"
    assert told["slow"].next_due_s == 0.1


def test_a_tick_ends_with_its_time_and_everybody_gets_a_turn() -> None:
    greedy = [Scripted(f"g{i}", steps(10_000, 0.0002), budget_ms=1.0) for i in range(4)]
    inventory = Inventory(Engine(), [(one, 60.0) for one in greedy], now=0.0)
    took = []
    for tick in range(10, 50):
        began = time.thread_time()
        inventory.tick(float(tick))
        took.append(time.thread_time() - began)
    assert sorted(took)[len(took) // 2] < 2 * TICK_MS / 1000
    used = [entry.used_ns for entry in inventory.scheduled]
    assert min(used) > max(used) / 4


def test_a_long_look_goes_on_where_it_was() -> None:
    seen: list[int] = []

    def look() -> Look:
        for number in range(50):
            burn(0.0003)
            seen.append(number)
            yield None

    inventory = Inventory(Engine(), [(Scripted("long", look), 60.0)], now=0.0)
    for tick in range(100):
        inventory.tick(tick / 10)
    told = health(inventory, 10.0)["long"]
    assert seen == list(range(50))
    assert told.looks == 1 and told.last_ms > 10


def test_a_step_that_takes_too_long_is_counted() -> None:
    inventory = Inventory(Engine(), [(Scripted("slow", steps(1, 0.02)), 60.0)], now=0.0)
    inventory.tick(0.0)
    assert health(inventory, 0.0)["slow"].overruns == 1


def test_a_look_longer_than_its_cadence_is_counted_and_the_next_begins() -> None:
    inventory = Inventory(Engine(), [(Scripted("slow", steps(30, 0.001)), 1.0)], now=0.0)
    for tick in range(100):
        inventory.tick(tick / 10)
    told = health(inventory, 10.0)["slow"]
    assert told.looks >= 2 and told.overruns >= told.looks - 1


def test_an_exception_costs_one_look_and_the_next_comes_later() -> None:
    times: list[float] = []
    now = 0.0

    def look() -> Look:
        times.append(now)
        yield None
        raise OSError("the disk is gone")

    inventory = Inventory(Engine(), [(Scripted("bad", look), 1.0), (Scripted("good", steps(1)), 1.0)], now=0)
    for tick in range(400):
        now = tick / 10
        inventory.tick(now)
    told = health(inventory, now)
    assert [round(b - a) for a, b in pairwise(times)] == [2, 4, 8, 16]
    assert told["bad"].errors == len(times)
    assert told["bad"].state == "absent" and "the disk is gone" in told["bad"].reason
    assert told["good"].looks >= 38


def test_the_back_off_ends_and_success_resets_it() -> None:
    broken = True

    def look() -> Look:
        if broken:
            raise ValueError
        yield None

    inventory = Inventory(Engine(), [(Scripted("x", look), 60.0)], now=0.0)
    now = 0.0
    for _ in range(12):
        inventory.tick(now)
        now += LONGEST_BACK_OFF_S
    assert health(inventory, now)["x"].errors == 12
    broken = False
    inventory.tick(now)
    told = health(inventory, now)["x"]
    assert (told.state, told.looks, told.next_due_s) == ("working", 1, 60.0)


def test_an_obstacle_is_said_and_asked_again() -> None:
    one = Scripted("x", steps(1))
    one.why_not = "needs root"
    inventory = Inventory(Engine(), [(one, 10.0)], now=0.0)
    inventory.tick(0.0)
    told = health(inventory, 0.0)["x"]
    assert (told.state, told.reason) == ("absent", "needs root")
    one.why_not = ""
    inventory.tick(10.0)
    assert health(inventory, 10.0)["x"].state == "working"


def test_before_the_first_look_is_over_nothing_is_claimed() -> None:
    inventory = Inventory(Engine(), [(Scripted("x", steps(10_000, 0.001)), 60.0)], now=0.0)
    inventory.tick(0.0)
    assert health(inventory, 0.0)["x"].state == "unconfirmed"


def test_a_refused_baseline_is_in_the_health_report(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{")
    one = Scripted("x", steps(1))
    one.baseline = Baseline("x", tmp_path / "x.json")
    inventory = Inventory(Engine(), [(one, 10.0)], now=0.0)
    inventory.tick(0.0)
    assert "refused" in health(inventory, 0.0)["x"].reason


def test_facts_go_through_rules_and_cooldown_of_the_engine() -> None:
    def look() -> Look:
        for _ in range(2):
            yield Fact(
                kind="host.hidden_process",
                change=Change.FOUND,
                target_pid=7,
                reason="kill answers for process 7 and /proc does not list it",
            )

    engine = Engine()
    modules = load_modules([paths.REPOSITORY / "modules"], Config())
    engine.configure(modules.rules, modules.correlations, modules.natives)
    inventory = Inventory(engine, [(Scripted("x", look), 60.0)], now=0.0)
    hits = [hit for tick in range(20) for hit in inventory.tick(tick * 60.0)]
    assert [hit.owner for hit in hits] == ["hidden_process"]
    assert engine.stats()["records"]["host.hidden_process"] > 10


def test_waiting_costs_next_to_nothing() -> None:
    inventory = Inventory(Engine(), [(Scripted("x", steps(1)), 3600.0)], now=0.0)
    inventory.tick(0.0)
    began = time.thread_time()
    for tick in range(1, 10_000):
        inventory.tick(tick / 10)
    assert (time.thread_time() - began) / 10_000 < 20e-6

# SPDX-License-Identifier: Apache-2.0
"""Recipes in the running sensor: from a file, from a command, switched on and off."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from innerwarden_core import Engine, Record

from innerwarden.config import CollectorsConfig, RecipeConfig, parse
from innerwarden.errors import ConfigError
from innerwarden.logs.recipe import Recipe
from innerwarden.sensor import collectors
from innerwarden.sensor.collectors import Surroundings
from innerwarden.sensor.collectors.base import Context
from innerwarden.sensor.collectors.recipes import RecipeCommand, collector_of

LINE = '{"when":"2026-11-02T10:00:00Z","text":"%s"}\n'


def recipe(name: str = "tool", **source: Any) -> Recipe:
    tree = {
        "recipe": {"id": name, "name": "n", "description": "d"},
        "input": source,
        "event": {"time": "when", "message": "text", "kind": "k"},
    }
    return msgspec.convert(tree, Recipe)


def taken(engine: Engine) -> list[str]:
    data, found = engine.take_captured(), []
    while data:
        size = int.from_bytes(data[:4], "little")
        found.append(str(Record(data[:size]).get("message")))
        data = data[size:]
    return found


class Sensor:
    """A set of collectors in which only recipes read anything."""

    def __init__(self, directory: Path, *recipes: Recipe, **configured: RecipeConfig) -> None:
        self.engine = Engine()
        self.engine.capture(True)
        fields = msgspec.structs.fields(CollectorsConfig)
        off = {
            f.name: f.type(enabled=False) for f in fields if f.name not in ("kernel", "inventory", "recipes")
        }
        self.config = CollectorsConfig(**off, recipes=configured)
        self.directory = directory
        self.set = collectors.load(self.config, directory, self.engine, Surroundings(recipes=recipes))

    def read(self) -> list[str]:
        self.set.poll()
        return taken(self.engine)


def test_recipes_of_modules_are_collectors(tmp_path: Path) -> None:
    log = tmp_path / "tool.json"
    log.touch()
    sensor = Sensor(tmp_path, recipe(paths=[str(log)]))
    log.write_text(LINE % "one")
    assert sensor.read() == ["one"]
    (health,) = sensor.set.health()
    assert (health.id, health.state, health.matched) == ("tool", "working", 1)
    sensor.set.close()


def test_a_recipe_that_is_switched_off_goes_and_one_that_is_switched_on_comes(tmp_path: Path) -> None:
    first, second = tmp_path / "one.json", tmp_path / "two.json"
    for path in (first, second):
        path.touch()
    one, two = recipe("one", paths=[str(first)]), recipe("two", paths=[str(second)])
    sensor = Sensor(tmp_path, one)
    first.write_text(LINE % "a")
    assert sensor.read() == ["a"]
    before = sensor.set.collectors[0]
    sensor.set.follow([one, two])
    assert sensor.set.collectors[0] is before, "what did not change goes on"
    second.write_text(LINE % "b")
    assert sensor.read() == ["b"]
    sensor.set.follow([two])
    first.write_text(LINE % "a" + LINE % "c")
    assert sensor.read() == [] and [c.id for c in sensor.set.collectors] == ["two"]
    sensor.set.follow([one, two])
    assert sensor.read() == ["c"], "it goes on where it was"
    sensor.set.close()


def test_a_recipe_that_changed_is_run_anew(tmp_path: Path) -> None:
    log = tmp_path / "tool.json"
    log.touch()
    sensor = Sensor(tmp_path, recipe(paths=[str(log)]))
    changed = recipe(paths=[str(log)], line_max_bytes=2048)
    sensor.set.follow([changed])
    assert len(sensor.set.collectors) == 1
    log.write_text(LINE % "one")
    assert sensor.read() == ["one"]
    sensor.set.close()


def test_the_configuration_moves_and_switches_off(tmp_path: Path) -> None:
    log = tmp_path / "here.json"
    log.touch()
    moved = Sensor(tmp_path, recipe(paths=["/nonexistent/x.json"]), tool=RecipeConfig(paths=(str(log),)))
    log.write_text(LINE % "one")
    assert moved.read() == ["one"]
    moved.set.close()
    off = Sensor(tmp_path, recipe(paths=[str(log)]), tool=RecipeConfig(enabled=False))
    assert off.set.collectors == []


def test_a_name_that_no_recipe_has_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Sensor(tmp_path, tool=RecipeConfig()).set.close()
    assert "recipe=tool" in caplog.text


def test_a_path_that_could_name_anything_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"collectors\.recipes\.tool\.paths"):
        parse('[collectors.recipes.tool]\npaths = ["x.json"]', "test")


def command(tmp_path: Path, script: str) -> RecipeCommand:
    program = tmp_path / "tool"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    made = collector_of(
        recipe(mechanism="command", command=[str(program), "-f"], line_max_bytes=4096),
        Context(config=CollectorsConfig()),
    )
    assert isinstance(made, RecipeCommand)
    return made


def until(collector: RecipeCommand, wanted: int) -> list[str]:
    engine, found = Engine(), list[str]()
    engine.capture(True)
    deadline = time.monotonic() + 10
    while len(found) < wanted and time.monotonic() < deadline:
        collector.poll(engine)
        found += taken(engine)
        time.sleep(0.01)
    assert len(found) == wanted, collector.health()
    return found


def test_what_a_command_prints_is_read(tmp_path: Path) -> None:
    line = (LINE % "$1").strip().replace('"', '\\"')
    collector = command(tmp_path, f'echo "{line}"; echo broken; exec sleep 60')
    assert until(collector, 1) == ["-f"]
    health = collector.health()
    assert health is not None and (health.state, health.malformed) == ("working", 1)
    pid = collector.child.pid
    collector.close()
    assert pid is not None and not Path(f"/proc/{pid}").exists()


def test_a_command_that_ends_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("innerwarden.sensor.collectors.child.BACKOFF_S", (0.02,))
    line = (LINE % "x").strip()
    collector = command(tmp_path, f"echo '{line}'; echo why >&2; exit 3")
    until(collector, 3)
    assert collector.child.restarts >= 2 and "status 3: why" in collector.child.absent
    collector.close()


def test_a_line_that_a_command_never_ends_is_skipped(tmp_path: Path) -> None:
    line = (LINE % "after").strip()
    collector = command(tmp_path, f"head -c 100000 /dev/zero; echo; echo '{line}'; exec sleep 60")
    assert until(collector, 1) == ["after"]
    health = collector.health()
    assert health is not None and health.lost == 1
    collector.close()


def test_a_command_that_is_killed_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("innerwarden.sensor.collectors.child.BACKOFF_S", (0.02,))
    line = (LINE % "x").strip()
    collector = command(tmp_path, f"echo '{line}'; exec sleep 60")
    until(collector, 1)
    assert collector.child.pid is not None
    os.kill(collector.child.pid, signal.SIGKILL)
    until(collector, 1)
    collector.close()


def test_a_command_that_is_not_installed_is_nothing_to_tell_of() -> None:
    made = collector_of(
        recipe(mechanism="command", command=["/nonexistent/tool"]), Context(config=CollectorsConfig())
    )
    assert isinstance(made, RecipeCommand)
    assert made.poll(Engine()) == [] and made.health() is None
    assert "not installed" in made.child.absent

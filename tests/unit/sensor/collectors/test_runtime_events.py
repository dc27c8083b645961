# SPDX-License-Identifier: Apache-2.0
"""A container runtime's collector against a command that answers as the runtime's does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from innerwarden_core import Engine, Record

from innerwarden.config import CollectorsConfig
from innerwarden.sensor.collectors.base import Context
from innerwarden.sensor.collectors.runtime_events import Runtime, RuntimeEvents

ONE, TWO = "1" * 64, "2" * 64

SCRIPT = """#!/bin/sh
echo "$@" >> "{directory}/calls"
case "$1" in
events) cat "{directory}/events"; exec sleep 60 ;;
ps) cat "{directory}/running" ;;
container)
  shift 2
  echo "["
  for id in "$@"; do
    [ "$seen" ] && echo ","
    seen=1
    echo '  {{"Id": "'$id'", "Name": "n", "HostConfig": {{"Privileged": true}}}}'
  done
  echo "]" ;;
esac
"""


class Fake:
    """A directory with a command `runtime` that prints what the test wrote."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.program = directory / "runtime"
        self.program.write_text(SCRIPT.format(directory=directory))
        self.program.chmod(0o755)
        for name in ("events", "running", "calls"):
            (directory / name).touch()

    def tell(self, container: str, action: str, second: int) -> None:
        actor = {"ID": container, "Attributes": {"name": "n"}}
        nano = (1793613600 + second) * 10**9
        event = {"Type": "container", "Action": action, "Actor": actor, "timeNano": nano}
        with (self.directory / "events").open("ab") as file:
            file.write(msgspec.json.encode(event) + b"\n")

    @property
    def calls(self) -> list[str]:
        return (self.directory / "calls").read_text().splitlines()


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    return Fake(tmp_path)


@pytest.fixture
def opened(fake: Fake) -> Iterator[Callable[..., RuntimeEvents]]:
    made: list[RuntimeEvents] = []

    def make(cursor: bytes | None = None, place: Path | None = None) -> RuntimeEvents:
        runtime = Runtime("docker", 21, (place or fake.directory,))
        context = Context(config=CollectorsConfig(), cursor=cursor)
        made.append(RuntimeEvents(runtime, context, program=str(fake.program)))
        return made[-1]

    yield make
    for one in made:
        one.close()


def collect(collector: RuntimeEvents, count: int) -> list[tuple[str, str]]:
    """(action, container's first digit) of records, until there are so many."""
    engine = Engine()
    engine.capture(True)
    found: list[tuple[str, str]] = []
    deadline = time.monotonic() + 10
    while len(found) < count and time.monotonic() < deadline:
        collector.poll(engine)
        taken = engine.take_captured()
        while taken:
            size = int.from_bytes(taken[:4], "little")
            record = Record(taken[:size])
            found.append((str(record.get("action")), str(record.get("container_ref"))[:1]))
            taken = taken[size:]
        time.sleep(0.01)
    assert len(found) == count, (found, collector.health())
    return found


def test_a_container_that_starts_is_inspected_once(fake: Fake, opened: Callable[..., RuntimeEvents]) -> None:
    for second, action in enumerate(("create", "start", "die", "start")):
        fake.tell(ONE, action, second)
    collector = opened()
    found = collect(collector, 5)
    assert sorted(found) == [("create", "1"), ("die", "1"), ("inspect", "1"), ("start", "1"), ("start", "1")]
    assert len([call for call in fake.calls if "inspect" in call]) == 1
    health = collector.health()
    assert health is not None and health.state == "working"


def test_what_runs_already_is_inspected_at_the_start(
    fake: Fake, opened: Callable[..., RuntimeEvents]
) -> None:
    (fake.directory / "running").write_text(f"{ONE}\n{TWO}\nnonsense; rm -rf /\n")
    assert sorted(collect(opened(), 2)) == [("inspect", "1"), ("inspect", "2")]
    assert "nonsense" not in "".join(call for call in fake.calls if "inspect" in call)


def test_a_restart_goes_on_at_the_last_event_and_inspects_nothing_again(
    fake: Fake, opened: Callable[..., RuntimeEvents]
) -> None:
    fake.tell(ONE, "start", 0)
    (fake.directory / "running").write_text(f"{ONE}\n")
    first = opened()
    collect(first, 2)
    cursor = msgspec.json.encode(first.cursor())
    first.close()
    fake.tell(TWO, "start", 1)
    second = opened(cursor)
    found = collect(second, 3)
    assert ("inspect", "2") in found and ("inspect", "1") not in found
    assert any("--since=1793613600.000000000" in call for call in fake.calls)


def test_a_stream_that_ends_is_started_again(
    fake: Fake, opened: Callable[..., RuntimeEvents], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("innerwarden.sensor.collectors.child.BACKOFF_S", (0.05,))
    fake.program.write_text(fake.program.read_text().replace("exec sleep 60", "echo broken >&2; exit 3"))
    fake.tell(ONE, "die", 0)
    collector = opened()
    collect(collector, 1)
    deadline = time.monotonic() + 10
    while collector.stream.restarts < 3 and time.monotonic() < deadline:
        assert collector.poll(Engine()) == []
        time.sleep(0.01)
    assert collector.stream.restarts >= 3
    assert "broken" in collector.stream.absent or collector.stream.runs


def test_a_runtime_that_is_not_in_use_is_not_started(
    fake: Fake, opened: Callable[..., RuntimeEvents]
) -> None:
    collector = opened(place=fake.directory / "no-such.sock")
    assert collector.poll(Engine()) == [] and collector.health() is None and fake.calls == []
    assert collector.cursor() is None


def test_closing_ends_the_children(fake: Fake, opened: Callable[..., RuntimeEvents]) -> None:
    fake.tell(ONE, "die", 0)
    collector = opened()
    collect(collector, 1)
    pid = collector.stream.pid
    collector.close()
    assert pid is not None and not Path(f"/proc/{pid}").exists()


def test_more_containers_than_may_wait_are_counted(
    fake: Fake, opened: Callable[..., RuntimeEvents], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("innerwarden.sensor.collectors.runtime_events.WAITING_MAX", 1)
    for number in range(3):
        fake.tell(f"{number}" * 64, "start", number)
    collector = opened()
    collect(collector, 4)
    assert collector.left_out == 2
    health = collector.health()
    assert health is not None and "2 container(s) were not inspected" in health.reason

# SPDX-License-Identifier: Apache-2.0
"""The directory of threat lists: what is read, read again, refused; and what the engine then knows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from innerwarden_core import Engine

from innerwarden.config import ThreatListsConfig
from innerwarden.sensor.threat_lists import PERIOD_S, ThreatLists
from tests.factory import encode


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "lists"
    made.mkdir(mode=0o755)
    return made


def put(directory: Path, name: str, text: str, mode: int = 0o644) -> Path:
    path = directory / name
    path.write_text(text)
    path.chmod(mode)
    return path


def lists_of(directory: Path, **options: object) -> tuple[ThreatLists, Engine]:
    engine = Engine()
    return ThreatLists(ThreatListsConfig(directory=str(directory), **options), engine), engine  # type: ignore[arg-type]


def listed(engine: Engine, address: str) -> object:
    return engine.derive(encode("network.connect", dst_ip=address), ("threat_list",)).get("threat_list")


def test_files_are_lists_by_their_endings(directory: Path) -> None:
    put(directory, "feed.txt", "192.0.2.1\n")
    put(directory, "watch-tor.list", "192.0.2.2\n")
    put(directory, "readme.md", "192.0.2.3\n")
    lists, engine = lists_of(directory)
    assert lists.tick(0.0)
    assert [listed(engine, f"192.0.2.{n}") for n in (1, 2, 3)] == ["feed", "watch-tor", None]
    (health,) = lists.health()
    assert (health.state, health.lines, health.malformed) == ("working", 2, 0)


def test_a_change_is_seen_at_the_next_look(directory: Path) -> None:
    path = put(directory, "feed.txt", "192.0.2.1\n")
    lists, engine = lists_of(directory)
    lists.tick(0.0)
    path.write_text("192.0.2.2\n")
    assert not lists.tick(PERIOD_S / 2)
    assert listed(engine, "192.0.2.1") == "feed"
    assert lists.tick(PERIOD_S)
    assert [listed(engine, f"192.0.2.{n}") for n in (1, 2)] == [None, "feed"]
    assert not lists.tick(2 * PERIOD_S)
    path.unlink()
    assert lists.tick(3 * PERIOD_S)
    assert listed(engine, "192.0.2.2") is None
    assert lists.health() == []


def test_a_list_that_appears_later(tmp_path: Path) -> None:
    lists, engine = lists_of(tmp_path / "lists")
    assert lists.tick(0.0)
    assert lists.health() == []
    (tmp_path / "lists").mkdir(mode=0o755)
    put(tmp_path / "lists", "feed.txt", "192.0.2.1\n")
    assert lists.tick(PERIOD_S)
    assert listed(engine, "192.0.2.1") == "feed"


def test_a_refused_line_is_named_by_file_and_line(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = put(directory, "feed.txt", "192.0.2.1\nnonsense here\n10.0.0.0/8\n")
    lists, engine = lists_of(directory)
    lists.tick(0.0)
    assert lists.problems[0].startswith(f"{path}:2: is no address")
    assert lists.problems[1].startswith(f"{path}:3: is a private")
    assert f"{path}:2" in caplog.text
    assert listed(engine, "192.0.2.1") == "feed"
    assert lists.health()[0].malformed == 2


@pytest.mark.parametrize("mode", [0o666, 0o664])
def test_a_file_that_others_can_write_is_left_out(directory: Path, mode: int) -> None:
    path = put(directory, "feed.txt", "192.0.2.1\n", mode)
    lists, engine = lists_of(directory)
    lists.tick(0.0)
    assert listed(engine, "192.0.2.1") is None
    assert lists.problems == [f"{path}: others may write it; chown root, chmod go-w"]
    path.chmod(0o644)
    assert lists.tick(PERIOD_S)
    assert listed(engine, "192.0.2.1") == "feed"


def test_a_directory_that_others_can_write_is_not_read(directory: Path) -> None:
    put(directory, "feed.txt", "192.0.2.1\n")
    directory.chmod(0o777)
    lists, engine = lists_of(directory)
    lists.tick(0.0)
    assert listed(engine, "192.0.2.1") is None
    assert "others may write there" in lists.health()[0].reason
    assert lists.health()[0].state == "absent"


def test_what_is_no_file_is_left_out(directory: Path) -> None:
    os.mkfifo(directory / "pipe.txt", 0o644)
    (directory / "gone.txt").symlink_to(directory / "nowhere")
    lists, _ = lists_of(directory)
    lists.tick(0.0)
    assert len(lists.problems) == 2
    assert any("is no ordinary file" in problem for problem in lists.problems)


def test_the_bound_over_all_lists(directory: Path) -> None:
    put(directory, "a.txt", "192.0.2.1\n192.0.2.2\n")
    put(directory, "b.txt", "192.0.2.3\n192.0.2.4\n")
    lists, engine = lists_of(directory, max_entries=3)
    lists.tick(0.0)
    assert listed(engine, "192.0.2.3") == "b"
    assert listed(engine, "192.0.2.4") is None
    assert lists.problems == [
        f"{directory}/b.txt:2: lies behind the last entry that fits; see threat_lists.max_entries"
    ]


def test_off_is_off(directory: Path) -> None:
    put(directory, "feed.txt", "192.0.2.1\n")
    lists, engine = lists_of(directory, enabled=False)
    assert not lists.tick(0.0)
    assert listed(engine, "192.0.2.1") is None

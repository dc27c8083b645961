# SPDX-License-Identifier: Apache-2.0
"""Access logs from files to records: several files, and whatever happens to a file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from innerwarden_core import Engine, Record

from innerwarden.config import (
    ApacheAccessConfig,
    CollectorsConfig,
    Config,
    KernelConfig,
    NginxAccessConfig,
    NginxErrorConfig,
    parse,
)
from innerwarden.ctl.sources import sources
from innerwarden.errors import ConfigError
from innerwarden.sensor.collectors import nginx_access, tail_set
from innerwarden.sensor.collectors.base import Context
from innerwarden.sensor.collectors.cursors import CursorStore
from innerwarden.sensor.collectors.log_files import LogFiles


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Logs:
    """A directory of access logs with their collector, which may be started again."""

    def __init__(self, directory: Path, *paths: str) -> None:
        self.directory = directory
        self.paths = paths or (f"{directory}/nginx/*access.log",)
        self.store = directory / "cursors.json"
        self.clock = Clock()
        self.engine = Engine()
        self.engine.capture(True)
        self.start()

    def start(self) -> None:
        config = CollectorsConfig(nginx_access=NginxAccessConfig(paths=self.paths))
        saved = CursorStore(self.store).get("nginx_access")
        collector = nginx_access.create(Context(config=config, cursor=saved, monotonic=self.clock))
        assert collector is not None
        self.collector: LogFiles = collector
        self.collector.warm_up(self.engine)
        self.warmed = self._taken()

    def save(self) -> None:
        cursor = self.collector.cursor()
        assert cursor is not None
        CursorStore(self.store).save({"nginx_access": cursor})

    def write(self, *numbers: int, name: str = "access.log") -> None:
        with (self.directory / "nginx" / name).open("a") as file:
            file.writelines(line(number) for number in numbers)

    def read(self) -> list[int]:
        """Status codes of the records that one poll gave."""
        self.collector.poll(self.engine)
        return self._taken()

    def _taken(self) -> list[int]:
        taken, found = self.engine.take_captured(), []
        while taken:
            size = int.from_bytes(taken[:4], "little")
            found.append(int(str(Record(taken[:size]).get("http_status"))))
            taken = taken[size:]
        return found


def line(status: int) -> str:
    return f'192.0.2.7 - - [02/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" {status} 5 "-" "-"\n'


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    (tmp_path / "nginx").mkdir()
    (tmp_path / "nginx/access.log").touch()
    return Logs(tmp_path)


def test_lines_of_several_files_become_records(logs: Logs) -> None:
    logs.write(201)
    logs.write(202, name="shop.access.log")
    logs.clock.now += tail_set.RESCAN_S
    assert sorted(logs.read()) == [201, 202]
    with (logs.directory / "nginx/access.log").open("ab") as file:
        file.write(b'garbage \xff\xfe\0 "\n' + line(203).encode() + line(204).encode()[:30])
    assert logs.read() == [203]
    health = logs.collector.health()
    assert health is not None
    assert (health.state, health.lines, health.matched, health.malformed) == ("working", 4, 3, 1)


def test_other_files_of_the_directory_are_left_alone(logs: Logs) -> None:
    for name in ("error.log", "access.log.1", "access.log.2.gz"):
        logs.write(200, name=name)
    logs.clock.now += tail_set.RESCAN_S
    assert logs.read() == []


def test_a_rotation_loses_and_doubles_nothing(logs: Logs) -> None:
    logs.write(201)
    assert logs.read() == [201]
    log = logs.directory / "nginx/access.log"
    logs.write(202)
    log.rename(log.with_name("access.log.1"))
    logs.write(203)
    logs.clock.now += tail_set.RESCAN_S
    assert logs.read() == [202, 203]


def test_truncation_starts_over(logs: Logs) -> None:
    logs.write(201, 202)
    assert logs.read() == [201, 202]
    os.truncate(logs.directory / "nginx/access.log", 0)
    logs.write(203)
    assert logs.read() == [203]


def test_a_link_that_is_turned_to_another_file_is_followed(logs: Logs) -> None:
    directory = logs.directory / "nginx"
    (directory / "one").write_text("")
    (directory / "link.access.log").symlink_to("one")
    logs.clock.now += tail_set.RESCAN_S
    logs.write(201, name="one")
    assert logs.read() == [201]
    logs.write(202, name="two")
    (directory / "new").symlink_to("two")
    (directory / "new").replace(directory / "link.access.log")
    logs.write(203, name="two")
    assert logs.read() == [202, 203]


def test_two_names_of_one_file_are_one_source(logs: Logs) -> None:
    (logs.directory / "nginx/www.access.log").symlink_to("access.log")
    logs.clock.now += tail_set.RESCAN_S
    logs.write(201)
    assert logs.read() == [201]
    assert len(logs.collector.files.tails) == 1


def test_a_line_of_100_mib_is_skipped_and_counted(logs: Logs) -> None:
    path = logs.directory / "nginx/access.log"
    with path.open("ab") as file:
        for _ in range(100):
            file.write(b"x" * (1 << 20))
        file.write(b"\n" + line(201).encode())
    seen: list[int] = []
    while not seen:
        seen = logs.read()
    assert seen == [201]
    health = logs.collector.health()
    assert health is not None and (health.lost, health.matched) == (1, 1)


def test_killed_and_started_again_each_file_goes_on_at_its_byte(logs: Logs) -> None:
    logs.write(200, name="shop.access.log")
    logs.start()
    logs.write(201)
    logs.write(301, name="shop.access.log")
    assert sorted(logs.read()) == [201, 301]
    logs.save()
    logs.write(202)
    logs.write(302, name="shop.access.log")
    logs.start()
    assert sorted(logs.warmed) == [200, 201, 301], "the windows are brought to where they were"
    assert sorted(logs.read()) == [202, 302]
    health = logs.collector.health()
    assert health is not None and health.lines == 2, "what was given again is not counted again"


def test_a_file_that_appears_while_the_sensor_is_down_is_not_new_but_one_that_comes_later_is(
    logs: Logs,
) -> None:
    logs.write(200, name="shop.access.log")
    logs.start()
    assert logs.read() == []
    logs.write(201, name="blog.access.log")
    logs.clock.now += tail_set.RESCAN_S
    assert logs.read() == [201]


def test_more_files_than_may_be_open_are_counted(logs: Logs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail_set, "MAX_FILES", 2)
    for name in ("a", "b", "c"):
        logs.write(200, name=f"{name}.access.log")
    logs.clock.now += tail_set.RESCAN_S
    logs.read()
    health = logs.collector.health()
    assert health is not None and "2 more file(s) are not read" in health.reason


def test_a_busy_file_does_not_keep_the_others_waiting(logs: Logs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail_set, "POLL_BYTES", 1)
    for name in ("a", "b"):
        logs.write(200, name=f"{name}.access.log")
    logs.start()
    for name, status in (("access.log", 201), ("a.access.log", 202), ("b.access.log", 203)):
        logs.write(status, name=name)
    polls = [logs.read() for _ in range(3)]
    assert sorted(polls) == [[201], [202], [203]]


def test_a_machine_without_such_a_server_is_not_told_of_it(tmp_path: Path) -> None:
    logs = Logs(tmp_path, f"{tmp_path}/nginx/*access.log")
    assert logs.read() == [] and logs.collector.health() is None and logs.collector.cursor() is None
    (tmp_path / "nginx").mkdir()
    health = logs.collector.health()
    assert health is not None and health.state == "absent" and "as soon as it appears" in health.reason
    logs.write(201)
    logs.clock.now += tail_set.RESCAN_S
    assert logs.read() == [201]
    health = logs.collector.health()
    assert health is not None and health.state == "working"


def test_no_line_yet_is_not_working(logs: Logs) -> None:
    health = logs.collector.health()
    assert health is not None and health.state == "unconfirmed"


@pytest.mark.parametrize("path", ["log/access.log", "/var/log/*/access.log", "/var/log/nginx/", "*.log"])
def test_a_pattern_that_could_name_anything_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match=r"collectors\.nginx_access\.paths"):
        parse(f'[collectors.nginx_access]\npaths = ["{path}"]', "test")


def test_the_command_line_lists_what_this_machine_has(logs: Logs) -> None:
    gone = f"{logs.directory}/apache2/*access.log"
    config = Config(
        collectors=CollectorsConfig(
            kernel=KernelConfig(enabled=False),
            nginx_access=NginxAccessConfig(paths=logs.paths),
            nginx_error=NginxErrorConfig(paths=(f"{logs.directory}/nginx/*error.log",)),
            apache_access=ApacheAccessConfig(paths=(gone,)),
        )
    )
    found = {source.name: source for source in sources(config)}
    assert found["nginx_access"].usable and found["nginx_access"].detail.endswith("nginx/access.log")
    assert not found["nginx_error"].usable and "as soon as it appears" in found["nginx_error"].detail
    assert "apache_access" not in found


def test_switched_off() -> None:
    config = CollectorsConfig(nginx_access=NginxAccessConfig(enabled=False))
    assert nginx_access.create(Context(config=config)) is None

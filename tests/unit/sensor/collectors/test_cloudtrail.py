# SPDX-License-Identifier: Apache-2.0
"""CloudTrail files in a directory: each once, whatever happens to them and to the sensor."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import msgspec
import pytest
from innerwarden_core import Engine, Record

from innerwarden.config import CloudTrailConfig, CollectorsConfig, parse
from innerwarden.errors import ConfigError
from innerwarden.sensor.collectors import cloudtrail, dropped_files
from innerwarden.sensor.collectors.base import Context
from innerwarden.sensor.collectors.cloudtrail import CloudTrail


def document(*names: str) -> bytes:
    entries = [
        {"eventTime": "2026-11-02T10:00:00Z", "eventSource": "s3.amazonaws.com", "eventName": name}
        for name in names
    ]
    return json.dumps({"Records": entries}).encode()


class Trail:
    """A directory with its collector, which may be started again."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.now = 1000.0
        self.modified_ns = 1_793_613_600_000_000_000
        self.engine = Engine()
        self.engine.capture(True)
        self.cursor: bytes | None = None
        self.start()
        self.read()

    def start(self) -> None:
        config = CollectorsConfig(cloudtrail=CloudTrailConfig(directories=(str(self.directory),)))
        context = Context(config=config, cursor=self.cursor, monotonic=lambda: self.now)
        self.collector: CloudTrail = CloudTrail(context)

    def again(self) -> None:
        """As a new process would: the cursor goes through JSON."""
        self.cursor = msgspec.json.encode(self.collector.cursor())
        self.collector.close()
        self.start()

    def put(self, name: str, data: bytes) -> Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self.modified_ns += 1_000_000_000
        os.utime(path, ns=(self.modified_ns, self.modified_ns))
        return path

    def read(self, looks: int = 2) -> list[str]:
        """Names of the calls that so many looks gave."""
        names: list[str] = []
        for _ in range(looks):
            self.now += dropped_files.RESCAN_S
            for _ in range(60):
                self.collector.poll(self.engine)
                taken = self.engine.take_captured()
                while taken:
                    size = int.from_bytes(taken[:4], "little")
                    names.append(str(Record(taken[:size]).get("action")))
                    taken = taken[size:]
        return names

    @property
    def reason(self) -> str:
        health = self.collector.health()
        assert health is not None
        return health.reason


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    return Trail(tmp_path)


def test_new_files_are_read_plain_and_packed_and_below(trail: Trail) -> None:
    trail.put("a.json", document("A1", "A2"))
    trail.put("AWSLogs/1/CloudTrail/eu/2026/b.json.gz", gzip.compress(document("B")))
    trail.put("notes.txt", document("no"))
    assert trail.read() == ["A1", "A2", "B"]
    assert trail.read() == []
    health = trail.collector.health()
    assert health is not None and (health.state, health.matched, health.malformed) == ("working", 3, 0)


def test_what_lies_there_at_the_very_first_start_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_bytes(document("old"))
    trail = Trail(tmp_path)
    assert trail.read() == []
    trail.put("new.json", document("new"))
    assert trail.read() == ["new"]


def test_a_restart_reads_nothing_again_and_what_came_meanwhile(trail: Trail) -> None:
    trail.put("a.json", document("A"))
    assert trail.read() == ["A"]
    trail.again()
    trail.put("b.json", document("B"))
    assert trail.read() == ["B"]


def test_a_file_that_is_still_written_waits(trail: Trail) -> None:
    whole = document("A")
    trail.put("a.json", whole[:20])
    assert trail.read(looks=1) == []
    trail.put("a.json", whole)
    assert trail.read(looks=1) == []
    assert trail.read(looks=1) == ["A"]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"{", "no CloudTrail file"),
        (b"\xff\xfe\x00", "no CloudTrail file"),
        (b"", "no CloudTrail file"),
        (b"\x1f\x8bnot gzip", "cannot be read"),
        (gzip.compress(document("A"), mtime=0)[:30], "cannot be read"),
    ],
)
def test_a_bad_file_is_refused_by_name_with_the_way_out(trail: Trail, data: bytes, why: str) -> None:
    path = trail.put("bad.json", data)
    trail.put("good.json", document("good"))
    assert trail.read() == ["good"]
    assert str(path) in trail.reason and why in trail.reason and ";" in trail.reason
    trail.put("bad.json", document("mended"))
    assert trail.read() == ["mended"]


def test_a_file_that_is_too_large_unpacked_is_refused(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trail.collector.files, "_file_bytes", 1 << 20)
    path = trail.put("bomb.json.gz", gzip.compress(b" " * (8 << 20)))
    assert trail.read() == []
    assert str(path) in trail.reason and "split it" in trail.reason


def test_links_and_pipes_are_left_alone(trail: Trail, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside.json"
    outside.write_bytes(document("secret"))
    (trail.directory / "link.json").symlink_to(outside)
    os.mkfifo(trail.directory / "pipe.json")
    (trail.directory / "dir.json").mkdir()
    (trail.directory / "loop").symlink_to(trail.directory)
    assert trail.read() == []
    assert trail.reason == "no new file since the start"


def test_a_file_that_becomes_a_link_before_it_is_read(trail: Trail, tmp_path: Path) -> None:
    path = trail.put("a.json", document("A"))
    status = path.stat()
    assert trail.read(looks=1) == []
    found = dropped_files.Found(path, status.st_size, status.st_mtime_ns)
    path.unlink()
    path.symlink_to("/etc/passwd")
    trail.collector.files._ready.append(found)
    assert trail.read(looks=1) == []
    assert "cannot be read" in trail.reason


def test_what_is_remembered_is_bounded_and_old_files_stay_read(
    trail: Trail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dropped_files, "KNOWN_MAX", 3)
    for number in range(8):
        trail.put(f"{number}.json", document(str(number)))
    assert trail.read() == [str(number) for number in range(8)]
    trail.again()
    assert trail.read() == []
    cursor = trail.collector.cursor()
    assert cursor is not None and len(cursor.known) == 3


def test_a_clock_that_jumps_makes_no_file_unread(trail: Trail) -> None:
    trail.modified_ns += 10**18
    trail.put("future.json", document("future"))
    assert trail.read() == ["future"]
    trail.modified_ns -= 10**18
    trail.put("past.json", document("past"))
    assert trail.read() == ["past"]


def test_a_large_file_is_taken_in_short_steps(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloudtrail, "POLL_S", 0.0)
    trail.put("big.json", document(*(f"N{number}" for number in range(100))))
    trail.read(looks=1)
    trail.now += dropped_files.RESCAN_S
    sizes = []
    for _ in range(60):
        trail.collector.poll(trail.engine)
        sizes.append(len(trail.engine.take_captured()))
    assert sum(size > 0 for size in sizes) == -(-100 // cloudtrail.ENTRIES_A_STEP)


def test_without_the_directory_there_is_nothing_to_say(tmp_path: Path) -> None:
    trail = Trail(tmp_path / "none")
    assert trail.read() == [] and trail.collector.health() is None
    trail.put("a.json", document("A"))
    assert trail.read() == ["A"], "a directory that comes later is new as a whole"


@pytest.mark.parametrize("path", ["log", "/", ""])
def test_a_directory_that_could_be_anything_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match=r"collectors\.cloudtrail\.directories"):
        parse(f'[collectors.cloudtrail]\ndirectories = ["{path}"]', "test")

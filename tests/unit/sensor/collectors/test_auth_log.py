# SPDX-License-Identifier: Apache-2.0
"""The set of collectors: file to engine, restarts, both sources at once, and a collector that breaks."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import msgspec
import pytest
from innerwarden_core import AuthDedup, AuthParser, Engine, Hit, Record

from innerwarden import paths
from innerwarden.config import (
    ApacheAccessConfig,
    ApacheErrorConfig,
    AuditdConfig,
    AuthLogConfig,
    CloudTrailConfig,
    CollectorsConfig,
    JournaldConfig,
    KernelLogConfig,
    NginxAccessConfig,
    NginxErrorConfig,
    RuntimeConfig,
)
from innerwarden.model.health import CollectorHealth
from innerwarden.sensor import collectors


def failed(port: int) -> str:
    stamp = time.strftime("%b %e %H:%M:%S")
    return f"{stamp} web sshd[{port}]: Failed password for root from 192.0.2.7 port {port} ssh2\n"


class Source:
    """A log file with its collectors, which may be started again."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = directory / "auth.log"
        self.engine = Engine()
        self.engine.capture(True)
        self.set = self.start()

    def start(self) -> collectors.CollectorSet:
        config = CollectorsConfig(
            auth_log=AuthLogConfig(path=str(self.log)),
            journald=JournaldConfig(enabled=False),
            nginx_access=NginxAccessConfig(enabled=False),
            nginx_error=NginxErrorConfig(enabled=False),
            kernel_log=KernelLogConfig(enabled=False),
            apache_access=ApacheAccessConfig(enabled=False),
            apache_error=ApacheErrorConfig(enabled=False),
            auditd=AuditdConfig(enabled=False),
            cloudtrail=CloudTrailConfig(enabled=False),
            docker=RuntimeConfig(enabled=False),
            podman=RuntimeConfig(enabled=False),
        )
        self.set = collectors.load(config, self.directory, self.engine)
        self.warmed = self._taken()
        return self.set

    def write(self, text: str) -> None:
        with self.log.open("a") as file:
            file.write(text)

    def ports(self) -> list[object]:
        """Client ports of the records that one poll gave."""
        self.set.poll()
        return self._taken()

    def _taken(self) -> list[object]:
        taken, found = self.engine.take_captured(), []
        while taken:
            size = int.from_bytes(taken[:4], "little")
            found.append(Record(taken[:size]).get("src_port"))
            taken = taken[size:]
        return found


@pytest.fixture
def source(tmp_path: Path) -> Source:
    (tmp_path / "auth.log").touch()
    return Source(tmp_path)


def test_lines_become_records(source: Source) -> None:
    assert source.set.health()[0].state == "unconfirmed"
    source.write(failed(1) + "garbage\n" + failed(2) + failed(3)[:20])
    assert source.ports() == [1, 2]
    health = source.set.health()[0]
    assert (health.state, health.lines, health.matched, health.malformed) == ("working", 3, 2, 1)


def test_killed_in_the_middle_of_a_line_nothing_is_lost_or_doubled(source: Source) -> None:
    text = failed(2)
    source.write(failed(1) + text[:30])
    assert source.ports() == [1]
    source.set.save()  # and no close: the process is gone
    source.write(text[30:] + failed(3))
    source.start()
    assert source.warmed == [1], "the windows are brought to where they were"
    assert source.ports() == [2, 3]


def test_a_rotation_while_the_sensor_is_down(source: Source) -> None:
    source.write(failed(1))
    assert source.ports() == [1]
    source.set.close()
    source.write(failed(2))
    source.log.rename(source.log.with_name("auth.log.1"))
    source.write(failed(3))
    source.start()
    assert source.ports() == [2, 3]


def test_a_corrupt_cursor_file_starts_over_at_the_end(source: Source) -> None:
    source.write(failed(1))
    source.set.close()
    paths.sensor_state(source.directory).write_bytes(b"\0\0{")
    source.start()
    assert source.ports() == [] and source.set.store.corrupt == 1
    source.write(failed(2))
    assert source.ports() == [2]


def test_an_absent_file_says_so_and_is_used_when_it_appears(tmp_path: Path) -> None:
    source = Source(tmp_path)
    assert source.ports() == []
    health = source.set.health()[0]
    assert health.state == "absent" and "as soon as it appears" in health.reason
    source.write(failed(1))
    assert source.ports() == [1] and source.set.health()[0].state == "working"


def test_every_collector_is_found_by_scanning() -> None:
    assert list(collectors.modules()) == [
        "apache_access",
        "apache_error",
        "auditd",
        "auth_log",
        "cloudtrail",
        "docker",
        "journald",
        "kernel_log",
        "nginx_access",
        "nginx_error",
        "podman",
        "service_log",
    ]


class Broken:
    id = "broken"
    calls = 0

    def poll(self, engine: Engine) -> list[Hit]:
        self.calls += 1
        raise RuntimeError("boom")

    def health(self) -> CollectorHealth:
        return CollectorHealth(id=self.id, state="working")

    def cursor(self) -> None:
        return None

    def close(self) -> None:
        pass


def test_a_collector_that_keeps_raising_rests_and_the_others_go_on(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(
        source.set, "_context", msgspec.structs.replace(source.set._context, monotonic=lambda: now[0])
    )
    broken = Broken()
    source.set.collectors.insert(0, broken)
    for port in range(8):
        source.write(failed(port + 1))
        assert source.ports() == [port + 1]
    assert broken.calls == collectors.MAX_FAILURES
    health = source.set.health()[0]
    assert health.state == "absent" and health.reason.startswith("rests after 5 errors in a row")
    assert "boom" in health.reason
    now[0] += collectors.REST_S
    source.set.poll()
    assert broken.calls == collectors.MAX_FAILURES + 1
    monkeypatch.setattr(broken, "poll", lambda engine: [])
    now[0] += collectors.REST_S
    source.set.poll()
    assert "boom" not in source.set.health()[0].reason


def pair() -> tuple[AuthParser, AuthParser, AuthDedup]:
    dedup, now = AuthDedup(), int(time.time())
    return AuthParser(now_s=now, dedup=dedup), AuthParser(now_s=now, dedup=dedup, second=True), dedup


def test_both_sources_count_each_message_once_in_any_order() -> None:
    file, journal, dedup = pair()
    message = b"Failed password for root from 192.0.2.7 port 5 ssh2"
    now_ns = time.time_ns()

    def by_file(text: bytes) -> int:
        line = time.strftime("%b %e %H:%M:%S").encode() + b" web sshd[5]: " + text
        record = file.parse(line)
        return int(str(Record(record).get("repeat_count"))) if record else 0

    def by_journal() -> int:
        record = journal.parse_message(now_ns, b"web", b"sshd", 5, message)
        return int(str(Record(record).get("repeat_count"))) if record else 0

    # Six attempts in the journal; the file folds the last five of them, as rsyslog does.
    assert sum(by_journal() for _ in range(3)) == 3
    assert by_file(message) + by_file(b"message repeated 5 times: [ " + message + b"]") == 3
    assert sum(by_journal() for _ in range(3)) == 0
    assert dedup.stats()["duplicates"] == 6


def test_what_only_one_source_tells_is_never_dropped() -> None:
    file, journal, _ = pair()
    for port in range(2000):
        message = f"Failed password for root from 192.0.2.7 port {port % 50 + 1} ssh2".encode()
        assert journal.parse_message(time.time_ns(), b"web", b"sshd", 5, message) is not None
    line = failed(60000).encode().rstrip()
    assert all(file.parse(line) is not None for _ in range(500))


def test_closing_saves_the_place(source: Source) -> None:
    source.write(failed(1))
    assert source.ports() == [1]
    source.set.close()
    shutil.copy(source.log, source.log.with_name("elsewhere"))
    source.start()
    assert source.ports() == []

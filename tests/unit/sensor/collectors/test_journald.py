# SPDX-License-Identifier: Apache-2.0
"""The journal collector against a real journal: files made by systemd-journal-remote, read by journalctl."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from innerwarden_core import Engine, Record

from innerwarden.config import CollectorsConfig
from innerwarden.sensor.collectors.base import Context
from innerwarden.sensor.collectors.journald import Journal

REMOTE = Path("/lib/systemd/systemd-journal-remote")
needs_journal = pytest.mark.skipif(
    not REMOTE.exists() or shutil.which("journalctl") is None,
    reason="needs a journal: apt-get install systemd systemd-journal-remote",
)
MACHINE = "0123456789abcdef0123456789abcdef"


def export(number: int, message: bytes, identifier: str = "sshd") -> bytes:
    """One entry in the journal export format; MESSAGE in its binary form."""
    head = {
        "__REALTIME_TIMESTAMP": str(1793613600000000 + number * 1000000),
        "__MONOTONIC_TIMESTAMP": str(number * 1000000 + 1),
        "_BOOT_ID": "b" * 32,
        "_MACHINE_ID": MACHINE,
        "_HOSTNAME": "web",
        "_PID": str(100 + number),
        "SYSLOG_PID": str(100 + number),
        "SYSLOG_IDENTIFIER": identifier,
    }
    text = "".join(f"{key}={value}\n" for key, value in head.items()).encode()
    return text + b"MESSAGE\n" + len(message).to_bytes(8, "little") + message + b"\n\n"


class Written:
    """A journal directory that grows."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._count = 0

    def add(self, *messages: bytes, identifier: str = "sshd") -> None:
        data = b""
        for message in messages:
            self._count += 1
            data += export(self._count, message, identifier)
        subprocess.run(
            [REMOTE, f"--output={self.directory}/test.journal", "-"],
            input=data,
            check=True,
            capture_output=True,
            timeout=20,
        )


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path)


def failed(port: int, user: bytes = b"root") -> bytes:
    return b"Failed password for %s from 192.0.2.7 port %d ssh2" % (user, port)


@pytest.fixture
def opened() -> Iterator[Callable[..., Journal]]:
    """Makes collectors and closes them at the end."""
    made: list[Journal] = []

    def make(directory: Path | None, cursor: bytes | None = None, program: str = "journalctl") -> Journal:
        journal = Journal(
            ("sshd", "sudo"),
            Context(config=CollectorsConfig(), cursor=cursor),
            directory=directory,
            program=program,
        )
        made.append(journal)
        return journal

    yield make
    for journal in made:
        journal.close()


class Collected:
    """Runs the collector until what is asked for arrived."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.engine = Engine()
        self.engine.capture(True)
        self.records: list[Record] = []

    def until(self, count: int) -> list[Record]:
        deadline = time.monotonic() + 15
        while len(self.records) < count and time.monotonic() < deadline:
            self.journal.poll(self.engine)
            taken = self.engine.take_captured()
            while taken:
                size = int.from_bytes(taken[:4], "little")
                self.records.append(Record(taken[:size]))
                taken = taken[size:]
            time.sleep(0.02)
        assert len(self.records) == count, self.journal.health()
        return self.records


@needs_journal
def test_entries_become_records(written: Written, opened: Callable[..., Journal]) -> None:
    written.add(failed(1), b"Accepted password for root from 192.0.2.7 port 2 ssh2")
    records = Collected(opened(written.directory)).until(2)
    assert [r.get("src_port") for r in records] == [1, 2]
    assert records[0].get("ts_ns") == 1793613601000000000
    assert records[0].get("pid") == 101 and records[0].get("host_name") == "web"


@needs_journal
def test_bytes_that_are_no_text(written: Written, opened: Callable[..., Journal]) -> None:
    written.add(failed(5, b"\xff\x01\xfe"), failed(6))
    records = Collected(opened(written.directory)).until(2)
    assert records[0].get("user") == "\\xff\x01\\xfe" or "\\xff" in str(records[0].get("user"))


@needs_journal
def test_what_comes_later_is_followed(written: Written, opened: Callable[..., Journal]) -> None:
    written.add(failed(1))
    collected = Collected(opened(written.directory))
    collected.until(1)
    written.add(failed(2), failed(3))
    collected.until(3)
    assert collected.journal.health().state == "working"


@needs_journal
def test_only_the_identifiers_that_were_asked_for(written: Written, opened: Callable[..., Journal]) -> None:
    written.add(failed(1), identifier="impostor")
    written.add(failed(2))
    records = Collected(opened(written.directory)).until(1)
    assert records[0].get("src_port") == 2


@needs_journal
def test_restart_goes_on_behind_the_cursor(written: Written, opened: Callable[..., Journal]) -> None:
    written.add(failed(1), failed(2))
    first = Collected(opened(written.directory))
    first.until(2)
    cursor = msgspec.json.encode(first.journal.cursor())
    first.journal.close()
    written.add(failed(3))
    records = Collected(opened(written.directory, cursor)).until(1)
    assert records[0].get("src_port") == 3


@needs_journal
def test_a_cursor_that_journalctl_refuses_is_dropped(
    written: Written, opened: Callable[..., Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("innerwarden.sensor.collectors.child.BACKOFF_S", (0.05,))
    written.add(failed(1))
    collected = Collected(opened(written.directory, b'{"cursor":"nonsense"}'))
    collected.until(1)
    assert collected.journal.child.restarts >= 1


@needs_journal
def test_a_child_that_dies_is_started_again_and_nothing_is_doubled(
    written: Written, opened: Callable[..., Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("innerwarden.sensor.collectors.child.BACKOFF_S", (0.05,))
    written.add(failed(1))
    collected = Collected(opened(written.directory))
    collected.until(1)
    child = collected.journal.child
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    written.add(failed(2))
    records = collected.until(2)
    assert [r.get("src_port") for r in records] == [1, 2] and collected.journal.child.restarts == 1


@needs_journal
def test_closing_ends_the_child(written: Written, opened: Callable[..., Journal]) -> None:
    written.add(failed(1))
    collected = Collected(opened(written.directory))
    collected.until(1)
    pid = collected.journal.child.pid
    assert pid is not None
    collected.journal.close()
    assert not collected.journal.child.runs
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_without_journalctl_it_is_absent_with_the_way_out(
    opened: Callable[..., Journal], tmp_path: Path
) -> None:
    journal = opened(tmp_path, program="no-such-journalctl")
    assert journal.poll(Engine()) == []
    health = journal.health()
    assert health.state == "absent" and "log file" in health.reason


def test_without_journal_files_it_is_absent(opened: Callable[..., Journal], tmp_path: Path) -> None:
    if shutil.which("journalctl") is None:
        pytest.skip("needs journalctl: apt-get install systemd")
    journal = opened(tmp_path)
    assert journal.poll(Engine()) == []
    assert journal.health().state == "absent" and "systemd-journald" in journal.health().reason

# SPDX-License-Identifier: Apache-2.0
"""What the kernel says of written and executed files on this machine: who, which, and how often."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from innerwarden_core import Engine

from innerwarden.sensor.inventory import file_writes
from innerwarden.sensor.inventory.actors import Actors
from innerwarden.sensor.inventory.fact import Actor
from innerwarden.sensor.inventory.file_writes import FileWrites
from tests.unit.sensor.inventory.support import looked

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(120)]

Offered = list[tuple[str, bool]]
WRITE = "import os, sys; open(sys.argv[1], 'wb').write(os.urandom(9000)); print(1, flush=True); input()"


@pytest.fixture
def offered() -> Offered:
    return []


@pytest.fixture
def writes(offered: Offered) -> Iterator[FileWrites]:
    def offer(fd: int, state: os.stat_result, path: str, actor: Actor | None, executed: bool) -> None:
        assert os.fstat(fd).st_ino == state.st_ino
        offered.append((path, executed))

    one = FileWrites(Actors(Engine()), offer)
    if why := one.obstacle():
        pytest.skip(why)
    looked(one)
    yield one
    assert one._group is not None
    one._group.close()


def below(found: list[dict[str, Any]], place: Path) -> list[dict[str, Any]]:
    return [fact for fact in found if fact["path"].startswith(f"{place}/")]


def writer(path: Path) -> subprocess.Popen[bytes]:
    """A process that has written random bytes and lives on."""
    started = subprocess.Popen(
        [sys.executable, "-c", WRITE, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert started.stdout is not None and started.stdout.readline() == b"1\n"
    return started


def test_of_two_writers_of_one_file_the_last_is_named(writes: FileWrites, tmp_path: Path) -> None:
    first, second = writer(tmp_path / "a.docx"), writer(tmp_path / "a.docx")
    (fact,) = below(looked(writes), tmp_path)
    assert (fact["value"], fact["pid"], fact["ppid"]) == ("scrambled", second.pid, os.getpid())
    for one in (first, second):
        one.communicate(b"\n")
    assert below(looked(writes), tmp_path) == []


def test_what_this_process_writes_is_not_judged(writes: FileWrites, tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_bytes(os.urandom(9000))
    assert below(looked(writes), tmp_path) == []


def test_a_memory_file_system_is_watched_too(writes: FileWrites) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as place:
        writer(Path(place) / "a.pdf").communicate(b"\n")
        assert [fact["value"] for fact in below(looked(writes), Path(place))] == ["scrambled"]


def test_programs_and_scripts_are_offered(writes: FileWrites, offered: Offered, tmp_path: Path) -> None:
    program = Path(shutil.copy("/bin/true", tmp_path / "program"))
    subprocess.run([program], check=True)
    code = "import sys; open(sys.argv[1], 'w').write('#!/bin/sh\\n# nothing\\n')"
    subprocess.run([sys.executable, "-c", code, tmp_path / "script"], check=True)
    subprocess.run([sys.executable, "-c", code, tmp_path / "page.php"], check=True)
    subprocess.run(["sh", "-c", 'echo "only text, no program" > "$0"', tmp_path / "text"], check=True)
    looked(writes)
    mine = [(Path(path).name, executed) for path, executed in offered if path.startswith(str(tmp_path))]
    assert mine == [("program", True), ("script", False), ("page.php", False)]


def test_an_overflow_is_counted(writes: FileWrites, tmp_path: Path) -> None:
    """The kernel keeps 16384 events that it cannot join, and then one that says that there were more."""
    limit = int(Path("/proc/sys/fs/fanotify/max_queued_events").read_text())
    code = "import sys\nfor n in range(int(sys.argv[2])): open(f'{sys.argv[1]}/{n}', 'w').close()"
    subprocess.run([sys.executable, "-c", code, tmp_path, str(limit + 100)], check=True)
    for _ in range(limit // file_writes.LOOK_EVENTS + 2):
        looked(writes)
    assert "queue of writes was full 1 times" in writes.remark()


def test_no_descriptor_is_left(writes: FileWrites, tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    code = "import sys\nfor n in range(300): open(f'{sys.argv[1]}/{n}.txt', 'w').write('words ' * 200)"
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True)
    looked(writes)
    assert len(list(Path("/proc/self/fd").iterdir())) == before

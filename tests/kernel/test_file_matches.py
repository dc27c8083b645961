# SPDX-License-Identifier: Apache-2.0
"""The scanning process: what it may do, what it says of real files, and what becomes of it when it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from innerwarden.libbpf import confine
from innerwarden.malware import worker
from innerwarden.sensor.inventory import file_matches
from innerwarden.sensor.inventory.file_matches import FileMatches
from tests.kernel.product import wait_for
from tests.unit.malware.samples import SAMPLES
from tests.unit.sensor.inventory.support import looked

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(120)]
pytest.importorskip("yara", reason="python3-yara is not installed")

SHELL = next(sample for sample in SAMPLES if sample.rule == "reverse_shell_script")
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def matches() -> Iterator[FileMatches]:
    one = FileMatches()
    yield one
    if one._worker is not None:
        one._worker.close().wait()


def offered(one: FileMatches, path: Path, content: bytes) -> None:
    path.write_bytes(content)
    fd = os.open(path, os.O_RDONLY)
    one.offer(fd, os.fstat(fd), str(path), None, False)
    os.close(fd)


def told(one: FileMatches) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    wait_for(lambda: found.extend(looked(one)) or not (one._queue or one._flying), 60, "no answer")
    return found


def test_a_script_is_told_once_and_again_when_it_changed(matches: FileMatches, tmp_path: Path) -> None:
    path = tmp_path / SHELL.name
    offered(matches, path, SHELL.content)
    (fact,) = told(matches)
    assert (fact["name"], fact["value"], fact["path"]) == (SHELL.rule, "high", str(path))
    assert fact["reason"].startswith("a script that hands a shell to the network, by $")
    fd = os.open(path, os.O_RDONLY)
    matches.offer(fd, os.fstat(fd), str(path), None, True)
    os.close(fd)
    assert told(matches) == []
    offered(matches, path, SHELL.content + b"#\n")
    assert len(told(matches)) == 1


def test_it_has_no_rights(matches: FileMatches, tmp_path: Path) -> None:
    offered(matches, tmp_path / "a.sh", b"#!/bin/sh\necho nothing at all\n")
    assert told(matches) == []
    assert matches._worker is not None
    place = Path(f"/proc/{matches._worker.pid}")
    status = dict(line.split(":", 1) for line in (place / "status").read_text().splitlines())
    if os.geteuid() == 0:
        assert status["Uid"].split() == ["65534"] * 4
    assert status["Groups"].split() == []
    assert status["CapEff"].strip() == "0" * 16
    assert (status["NoNewPrivs"].strip(), status["Seccomp"].strip()) == ("1", "2")
    assert (place / "ns/net").readlink() != Path("/proc/self/ns/net").readlink()
    assert matches._greeting["open"] == ""
    limits = (place / "limits").read_text()
    assert f"{confine.MEMORY_BYTES} " in limits.split("Max address space")[1].splitlines()[0]


def test_the_work_of_other_sessions_goes_first(matches: FileMatches, tmp_path: Path) -> None:
    offered(matches, tmp_path / "a.sh", SHELL.content)
    told(matches)
    assert matches._worker is not None
    group = Path(f"/proc/{matches._worker.pid}/autogroup")
    if not group.exists() or not group.read_text():
        pytest.skip("this kernel has no scheduling groups by session")
    assert group.read_text().split()[-1] == str(file_matches.NICE)


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        ("open('/etc/passwd', 'a')", "Operation not permitted"),
        ("__import__('socket').socket()", "Operation not permitted"),
        ("os.fork()", "Operation not permitted"),
        ("os.execv('/bin/true', ['true'])", "Operation not permitted"),
        ("os.kill(os.getppid(), 0)", "Operation not permitted"),
        ("len(bytearray(1 << 30))", "MemoryError"),
    ],
)
def test_what_code_in_it_would_get(act: str, reason: str) -> None:
    """The confinement that the scanning process puts on itself, tried by code that runs where the rules run."""
    code = (
        "import os, socket\nfrom innerwarden.libbpf.confine import confine\nconfine([], receives=True)\n"
        f"try:\n    {act}\nexcept BaseException as error:\n    os.write(1, repr(error).encode())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=False
    )
    assert reason in done.stdout


def test_one_that_dies_is_replaced_and_its_file_counted(
    matches: FileMatches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_matches, "FIRST_BACK_OFF_S", 0.1)
    offered(matches, tmp_path / "a.sh", SHELL.content)
    assert len(told(matches)) == 1
    assert matches._worker is not None
    os.kill(matches._worker.pid, signal.SIGSTOP)
    offered(matches, tmp_path / "b.sh", SHELL.content)
    next(iter(look := matches.look()))
    next(look)
    os.kill(matches._worker.pid, signal.SIGKILL)
    assert told(matches) == []
    assert "1 files could not be looked at" in matches.remark()
    time.sleep(0.3)  # the back-off
    offered(matches, tmp_path / "c.sh", SHELL.content)
    assert len(told(matches)) == 1


def test_one_that_hangs_is_ended(
    matches: FileMatches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_matches, "ANSWER_S", 0.5)
    offered(matches, tmp_path / "a.sh", SHELL.content)
    assert matches._start(time.monotonic()) and matches._worker is not None
    pid = matches._worker.pid
    os.kill(pid, signal.SIGSTOP)
    assert told(matches) == []
    assert matches._worker is None and "died 1 times" in matches.remark()
    wait_for(lambda: matches.obstacle() == "" and not Path(f"/proc/{pid}").exists(), 5, "it was not reaped")


def test_the_queue_is_bounded_and_counts(matches: FileMatches, tmp_path: Path) -> None:
    for number in range(file_matches.WAITING + 3):
        offered(matches, tmp_path / f"{number}.sh", b"#!/bin/sh\n# %032d\n" % number)
    assert "3 files found no room" in matches.remark()
    assert told(matches) == []
    assert not matches._queue


def test_memory_goes_back_after_a_large_file(matches: FileMatches, tmp_path: Path) -> None:
    offered(matches, tmp_path / "large.sh", b"#!/bin/sh\n" + os.urandom(worker.FILE_BYTES))
    assert told(matches) == []
    assert matches._worker is not None and "of 1 files only the beginning" in matches.remark()
    status = Path(f"/proc/{matches._worker.pid}/status").read_text()
    resident_kib = int(status.split("RssAnon:")[1].split()[0])
    assert resident_kib < 24 << 10


def test_no_descriptor_is_left(matches: FileMatches, tmp_path: Path) -> None:
    offered(matches, tmp_path / "a.sh", SHELL.content)
    told(matches)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(20):
        offered(matches, tmp_path / f"{number}.sh", SHELL.content)
    told(matches)
    assert len(list(Path("/proc/self/fd").iterdir())) == before

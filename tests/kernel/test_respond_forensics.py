# SPDX-License-Identifier: Apache-2.0
"""Copies of /proc facts of real processes: what is in them, who can read them, what bounds them, what hangs them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from innerwarden.config import Config, ResponderConfig
from innerwarden.model.responder import Do
from innerwarden.model.verb import CollectForensics
from innerwarden.responder import evidence, facts
from innerwarden.responder.main import Responder
from innerwarden.responder.skill import Effect, SkillError, TargetGone
from innerwarden.responder.skills import collect_forensics
from innerwarden.responder.skills.collect_forensics import Collect
from tests.kernel.net import wait
from tests.kernel.test_respond_processes import Started

pytestmark = pytest.mark.kernel

#: Listens on a port, has a file open, a name of its own making, and a child.
BUSY = """
import os, socket, sys, time
os.environ['IW_SECRET'] = 'x'
server = socket.create_server(('127.0.0.1', 0))
held = open(sys.argv[1], 'w')
if os.fork() == 0:
    time.sleep(600)
held.write(str(server.getsockname()[1])); held.flush()
print(os.getpid(), flush=True)
time.sleep(600)
"""


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Started]:
    made = Started(BUSY, str(tmp_path / "held"))
    yield made
    with suppress(TargetGone):
        made.end()


@pytest.fixture
def responder(tmp_path: Path) -> Iterator[Responder]:
    settings = ResponderConfig(enabled=True, dry_run=False, verbs=("collect_forensics",))
    made = Responder(Config(responder=settings), tmp_path)
    yield made
    made.close()


def verb(one: Started) -> CollectForensics:
    return CollectForensics(pid=one.pid, start_ns=one.start_ns)


def collected(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "responder" / "forensics").glob("*"))


def loaded(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_facts_of_a_tree_are_copied_for_root_alone(
    busy: Started, responder: Responder, tmp_path: Path
) -> None:
    wait(lambda: len(busy.tree()) == 2)
    child = max(busy.tree() - {busy.pid})
    request = Do(request_id="r1", verb=verb(busy), ttl_s=600)
    answer = responder.executor.answer(request, 0)
    assert answer.state == "done", answer
    assert responder.executor.answer(request, 0).state == "done"
    (place,) = collected(tmp_path)
    assert {path.stat().st_mode & 0o777 for path in place.rglob("*") if path.is_file()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in (place, place / str(child))} == {0o700}
    told = loaded(place / str(busy.pid) / "facts.json")
    assert told["links"]["exe"] == str(Path(sys.executable).resolve())
    summed = subprocess.run(["sha256sum", told["links"]["exe"]], capture_output=True, text=True, check=True)
    assert told["exe_sha256"] == summed.stdout.split()[0]
    assert str(tmp_path / "held") in told["fds"].values()
    assert (place / str(busy.pid) / "cmdline").read_bytes().endswith(f"{tmp_path}/held\0".encode())
    assert b"PATH=" in (place / str(busy.pid) / "environ").read_bytes()
    assert f"PPid:\t{busy.pid}\n" in (place / str(child) / "status").read_text()
    port = int((tmp_path / "held").read_text())
    assert f"0100007F:{port:04X} 00000000:0000 0A" in next(place.glob("net-*/tcp")).read_text()
    assert busy.alive


def test_the_manifest_names_every_file_with_its_digest(
    busy: Started, responder: Responder, tmp_path: Path
) -> None:
    responder.executor.answer(Do(request_id="r1", verb=verb(busy), ttl_s=600), 0)
    (place,) = collected(tmp_path)
    manifest = loaded(place / "manifest.json")
    assert (manifest["request_id"], manifest["incomplete"]) == ("r1", "")
    sums = "".join(f"{file['sha256']}  {file['path']}\n" for file in manifest["files"])
    subprocess.run(["sha256sum", "-c", "--quiet"], input=sums, text=True, check=True, cwd=place)
    named = {file["path"] for file in manifest["files"]} | {"manifest.json"}
    assert named == {str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()}


def test_a_successor_of_the_number_is_not_copied(busy: Started, responder: Responder, tmp_path: Path) -> None:
    other = CollectForensics(pid=busy.pid, start_ns=busy.start_ns + 10**9)
    answer = responder.executor.answer(Do(request_id="r1", verb=other, ttl_s=600), 0)
    assert (answer.state, answer.rule) == ("refused", "target_gone")
    assert collected(tmp_path) == []


def test_a_dry_run_copies_nothing(busy: Started, responder: Responder, tmp_path: Path) -> None:
    answer = responder.executor.answer(Do(request_id="r1", verb=verb(busy), ttl_s=600, plan_only=True), 0)
    assert answer.state == "dry_run"
    assert answer.plan[0].startswith(f"copy /proc of process {busy.pid} (/")
    assert not (tmp_path / "responder" / "forensics").exists()


def test_a_read_that_never_ends_does_not_hang_the_responder(
    busy: Started, responder: Responder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of memory or a program that lies on a file system whose server does not answer."""
    read = facts._read

    def stuck(directory: int, name: str, limit: int) -> bytes:
        if name == "environ":
            signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
            time.sleep(600)
        return read(directory, name, limit)

    monkeypatch.setattr(facts, "_read", stuck)
    monkeypatch.setattr(facts.collect, "__defaults__", (1.0,))
    began = time.monotonic()
    answer = responder.executor.answer(Do(request_id="r1", verb=verb(busy), ttl_s=600), 0)
    assert time.monotonic() - began < 8
    assert answer.state == "done", answer
    (place,) = collected(tmp_path)
    assert "did not end" in loaded(place / "manifest.json")["incomplete"]
    assert f"Pid:\t{busy.pid}\n" in (place / str(busy.pid) / "status").read_text()


@pytest.mark.parametrize(("bound", "value"), [("MAX_BYTES", 2000), ("FILE_BYTES", 100), ("MAX_PROCESSES", 1)])
def test_what_a_bound_left_out_is_told(
    busy: Started,
    responder: Responder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    bound: str,
    value: int,
) -> None:
    wait(lambda: len(busy.tree()) == 2)
    monkeypatch.setattr(facts, bound, value)
    assert responder.executor.answer(Do(request_id="r1", verb=verb(busy), ttl_s=600), 0).state == "done"
    (place,) = collected(tmp_path)
    manifest = loaded(place / "manifest.json")
    assert "bounds were reached" in manifest["incomplete"]
    copies = [file for file in manifest["files"] if not file["path"].endswith("facts.json")]
    if bound == "MAX_BYTES":
        assert 0 < sum(file["size"] for file in copies) <= value
    elif bound == "FILE_BYTES":
        assert max(file["size"] for file in copies) == value
    else:
        assert [path.name for path in place.iterdir() if path.name.isdigit()] == [str(busy.pid)]


def test_the_oldest_gives_way(busy: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "MAX_BYTES", 1 << 20)
    skill = Collect(evidence.Evidence(tmp_path, "forensics", (1 << 20) + 2_600_000))
    kept: list[str] = []
    for number in range(4):
        skill.do(Effect(request_id=f"r{number}", verb=verb(busy), ttl_s=60), kept.append)
        (tmp_path / "forensics" / kept[-1] / "more").write_bytes(bytes(1_000_000))
    assert sorted(path.name for path in (tmp_path / "forensics").iterdir()) == kept[1:]


def test_a_full_disk_is_not_filled_further(
    busy: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "MIN_FREE_BYTES", 1 << 62)
    skill = Collect(evidence.Evidence(tmp_path, "forensics", 1 << 30))
    with pytest.raises(SkillError, match="nearly full"):
        skill.do(Effect(request_id="r1", verb=verb(busy), ttl_s=60), lambda handle: None)


def test_what_was_interrupted_is_cleared_up_or_done_anew(busy: Started, tmp_path: Path) -> None:
    skill = collect_forensics.Collect(evidence.Evidence(tmp_path, "forensics", 1 << 30))
    half = tmp_path / "forensics" / "00000000000000000007.part"
    effect = Effect(request_id="r1", verb=verb(busy), ttl_s=60, handle="00000000000000000007")
    half.mkdir(parents=True)
    (half / "torn").write_text("x")
    skill.undo(effect)
    assert list((tmp_path / "forensics").iterdir()) == []
    half.mkdir()
    (half / "torn").write_text("x")
    assert skill.check(effect) is not None
    skill.do(effect, lambda handle: None)
    assert skill.check(effect) is None
    assert not list((tmp_path / "forensics").rglob("torn"))
    skill.undo(effect)
    assert skill.check(effect) is None
    skill.clear()
    assert not (tmp_path / "forensics").exists()


@pytest.mark.parametrize("handle", ["../../etc", "1/..", "", "x"])
def test_a_handle_that_is_no_name_of_ours_leads_nowhere(busy: Started, tmp_path: Path, handle: str) -> None:
    with pytest.raises(SkillError, match="no collection"):
        evidence.Evidence(tmp_path, "forensics", 1).place(handle)

# SPDX-License-Identifier: Apache-2.0
"""Hidden processes: real processes behind a /proc that leaves one out, and mount tables as the kernel writes them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from innerwarden_core import Engine, pids

from innerwarden.model._wire import Change
from innerwarden.sensor import procfs
from innerwarden.sensor.inventory.hidden_processes import (
    FULL_EVERY,
    IDS_PER_LOOK,
    METHODS,
    TOLD_LOOKS,
    HiddenProcesses,
)
from tests.unit.sensor.inventory.support import changes, looked, steps

MOUNTS = "21 1 0:20 / /proc rw - proc proc rw{option}\n22 1 8:1 / / rw - ext4 /dev/vda rw\n"


class Proc:
    """A directory of links to the real /proc; what is not linked is not listed."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.hidden: set[int] = set()
        (place / "self").mkdir(parents=True)
        (place / "sys/kernel").mkdir(parents=True)
        self.mounts()
        self.sweep_to(max(int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()))

    def sweep_to(self, last: int, pid_max: int | None = None) -> None:
        (self.place / "sys/kernel/ns_last_pid").write_text(f"{last}\n")
        (self.place / "sys/kernel/pid_max").write_text(f"{pid_max or last}\n")

    def mounts(self, more: str = "", option: str = "") -> None:
        (self.place / "self/mountinfo").write_text(MOUNTS.format(option=option) + more)

    def refresh(self) -> None:
        """The listing of this moment without what is hidden."""
        wanted = {entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit()}
        wanted -= {str(pid) for pid in self.hidden}
        for entry in self.place.iterdir():
            if entry.name.isdigit() and entry.name not in wanted:
                entry.unlink()
        for name in wanted:
            if not (self.place / name).is_symlink():
                (self.place / name).symlink_to(f"/proc/{name}")


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    made = Proc(tmp_path / "proc")
    made.refresh()
    return made


@pytest.fixture
def victim(proc: Proc) -> Iterator[int]:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    proc.sweep_to(child.pid)
    yield child.pid
    child.communicate(b"\n")


def collector(proc: Proc) -> HiddenProcesses:
    return HiddenProcesses(lambda pid: None, str(proc.place))


def pids_told(found: list[dict[str, object]]) -> list[object]:
    return [fact["target_pid"] for fact in found]


def look_refreshed(one: HiddenProcesses, proc: Proc) -> list[dict[str, object]]:
    found = []
    proc.refresh()
    for fact in steps(one):
        proc.refresh()
        if fact is not None:
            found.append(fact)
    return found


@pytest.mark.parametrize("rounds_before", range(len(METHODS)))
def test_a_process_that_lives_and_is_not_listed_is_found(proc: Proc, victim: int, rounds_before: int) -> None:
    proc.hidden = {victim}
    one = collector(proc)
    one._round = rounds_before
    found = [fact for fact in look_refreshed(one, proc) if fact["target_pid"] == victim]
    assert len(found) == 1
    assert Change(found[0]["change"]) is Change.FOUND
    assert METHODS[(rounds_before + 1) % len(METHODS)] in str(found[0]["reason"])
    assert str(victim) in str(found[0]["reason"])


def test_a_difference_that_does_not_last_is_none(proc: Proc, victim: int) -> None:
    """It is not listed when it is asked for and judged the first time, and listed the second time."""
    proc.hidden = {victim}
    pauses = [fact is None for fact in steps(collector(proc))].index(False)
    one = collector(proc)
    told = []
    for number, fact in enumerate(steps(one), 1):
        told += [fact] if fact else []
        if number == pauses:
            proc.hidden = set()
            proc.refresh()
    assert victim not in pids_told(told)


def test_it_is_told_once_and_again_after_it_was_gone_for_long(proc: Proc, victim: int) -> None:
    proc.hidden = {victim}
    one = collector(proc)
    assert victim in pids_told(look_refreshed(one, proc))
    assert victim not in pids_told(look_refreshed(one, proc))
    proc.hidden = set()
    one._looks += TOLD_LOOKS + 1
    assert victim not in pids_told(look_refreshed(one, proc))
    proc.hidden = {victim}
    assert victim in pids_told(look_refreshed(one, proc))


def test_nothing_is_hidden_on_this_machine(proc: Proc, victim: int) -> None:
    one = collector(proc)
    for _ in METHODS:
        assert victim not in pids_told(look_refreshed(one, proc))


def test_a_process_that_is_born_during_the_sweep_is_not_hidden(proc: Proc) -> None:
    one = HiddenProcesses(lambda pid: None)
    look = steps(one)
    next(look)
    children = [subprocess.Popen(["sleep", "60"]) for _ in range(3)]
    try:
        told = pids_told([fact for fact in look if fact])
        assert not {child.pid for child in children} & set(told)
    finally:
        for child in children:
            child.kill()
            child.wait()


@contextmanager
def churn() -> Iterator[set[int]]:
    """Processes that are born and die all the time; their ids are collected."""
    born: set[int] = set()
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            child = subprocess.Popen(["true"])
            born.add(child.pid)
            child.wait()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield born
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("rounds_before", range(len(METHODS)))
def test_neither_threads_nor_short_lives_are_hidden_processes(rounds_before: int) -> None:
    """On the real /proc, where ids of threads can be opened and are not listed."""
    stop = threading.Event()
    threads = [threading.Thread(target=stop.wait) for _ in range(8)]
    for thread in threads:
        thread.start()
    one = HiddenProcesses(lambda pid: None)
    one._round = rounds_before
    try:
        with churn() as born:
            told = set(pids_told(looked(one)))
        assert born
        assert not told & (born | {thread.native_id for thread in threads})
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_mount_over_a_process_is_found_with_what_the_engine_knows(proc: Proc) -> None:
    engine = Engine()
    procfs.seed(engine)
    me = os.getpid()
    proc.mounts(f"30 21 0:50 / /proc/{me} rw - tmpfs none rw\n31 21 0:51 / /proc/sys/fs rw - x x rw\n")
    one = HiddenProcesses(engine.process, str(proc.place))
    proc.sweep_to(1)
    found = look_refreshed(one, proc)
    assert len(found) == 1
    assert found[0]["reason"] == f"tmpfs / is mounted over /proc/{me}"
    assert found[0]["target_pid"] == me
    assert found[0]["path"] == os.path.realpath(sys.executable)
    assert look_refreshed(one, proc) == []


def test_hidepid_is_baseline_at_first_and_a_finding_when_it_comes(proc: Proc) -> None:
    one = HiddenProcesses(lambda pid: None, str(proc.place))
    proc.sweep_to(1)
    proc.mounts(option=",hidepid=invisible")
    assert changes(look_refreshed(one, proc)) == {"/proc": Change.BASELINE}
    assert look_refreshed(one, proc) == []
    proc.mounts()
    assert look_refreshed(one, proc) == []
    proc.mounts(option=",hidepid=2")
    found = look_refreshed(one, proc)
    assert changes(found) == {"/proc": Change.FOUND}
    assert "hidepid=2" in found[0]["reason"]


def test_without_the_right_to_see_others_it_says_so(proc: Proc, monkeypatch: pytest.MonkeyPatch) -> None:
    one = HiddenProcesses(lambda pid: None, str(proc.place))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert one.obstacle() == ""
    proc.mounts(option=",hidepid=2")
    assert "hidepid=2" in one.obstacle()


def test_members_of_a_cgroup_that_are_not_listed_are_found(proc: Proc, victim: int, tmp_path: Path) -> None:
    group = tmp_path / "cgroup/a/b"
    group.mkdir(parents=True)
    (group / "cgroup.procs").write_text(f"0\n{os.getpid()}\n{victim}\n")
    proc.mounts(f"40 1 0:60 / {tmp_path}/cgroup rw - cgroup2 none rw\n")
    proc.hidden = {victim}
    one = HiddenProcesses(lambda pid: None, str(proc.place))
    proc.sweep_to(1)
    found = look_refreshed(one, proc)
    assert pids_told(found) == [victim]
    assert "cgroup.procs" in str(found[0]["reason"])


def test_the_sweep_ends_at_the_last_id_and_covers_everything_now_and_then(proc: Proc) -> None:
    proc.sweep_to(5000, 40000)
    one = collector(proc)
    assert one._ranges({1, 4000}) == [(1, 5000)]
    assert one._ranges({1, 6000}) == [(1, 40000)], "the counter wrapped"
    one._round = FULL_EVERY - 1
    assert one._ranges({1, 4000}) == [(1, 40000)]


def test_a_large_id_space_is_swept_in_parts_with_what_is_new(proc: Proc) -> None:
    proc.sweep_to(IDS_PER_LOOK * 2 + 10, 4194304)
    one = collector(proc)
    assert one._ranges({1}) == [(1, IDS_PER_LOOK)]
    proc.sweep_to(IDS_PER_LOOK * 2 + 20, 4194304)
    new = (IDS_PER_LOOK * 2 + 11, IDS_PER_LOOK * 2 + 20)
    assert one._ranges({1}) == [(IDS_PER_LOOK + 1, 2 * IDS_PER_LOOK), new]
    assert one._ranges({1}) == [(2 * IDS_PER_LOOK + 1, 2 * IDS_PER_LOOK + 10)]
    assert one._round == 1 and "3 looks a round" in one.remark()
    assert one._ranges({1}) == [(1, IDS_PER_LOOK)]
    assert one._round == 2


@pytest.mark.parametrize("method", METHODS)
def test_what_the_kernel_answers(method: str) -> None:
    """Against one question at a time, and a thread's id, which only some answer for."""
    child = subprocess.Popen(["true"])
    child.wait()
    me, gone = os.getpid(), child.pid
    assert pids.answering(method, me, me) == [me]
    assert pids.answering(method, gone, gone) == []
    assert me in pids.answering(method, max(1, me - 2000), me + 2000)
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    assert thread.native_id is not None
    try:
        told = pids.answering(method, thread.native_id, thread.native_id)
        assert told == ([] if method == "pidfd_open" else [thread.native_id])
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize(("first", "last"), [(0, 5), (5, 4), (1, 4097), (2**31, 2**31)])
def test_only_a_range_of_ids_can_be_asked(first: int, last: int) -> None:
    with pytest.raises(ValueError, match="range"):
        pids.answering("kill", first, last)

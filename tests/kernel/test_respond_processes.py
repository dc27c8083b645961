# SPDX-License-Identifier: Apache-2.0
"""Killing and stopping real process trees: forking, threaded, ignoring signals; and whom it must not touch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from innerwarden.config import ResponderConfig
from innerwarden.model.responder import Check, Do, Undo
from innerwarden.model.verb import KillProcessTree, StopProcessTree
from innerwarden.responder import processes
from innerwarden.responder.main import Responder
from innerwarden.responder.processes import TICK_NS, Tree, look
from innerwarden.responder.skill import Effect, Refusal, SkillError, TargetGone
from innerwarden.responder.skills import kill_process_tree, stop_process_tree
from tests.kernel.net import wait

pytestmark = pytest.mark.kernel

#: A root with two children, one with three more; all ignore what can be ignored.
FAMILY = """
import os, signal, time
for n in range(1, 65):
    try: signal.signal(n, signal.SIG_IGN)
    except (OSError, ValueError): pass
signal.signal(signal.SIGCHLD, signal.SIG_DFL)
if os.fork() and os.fork():
    print(os.getpid(), flush=True)
elif os.fork() and os.fork():
    pass
while True: time.sleep(60)
"""
#: Each process starts another and ends, as fast as it can; the first one stays.
RESTLESS = """
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print(os.getpid(), flush=True)
os.close(1)
while True:
    for _ in range(4):
        if os.fork() == 0:
            for _ in range(3):
                if os.fork() == 0:
                    time.sleep(0.003)
                    os._exit(0)
            time.sleep(0.002)
            os._exit(0)
    time.sleep(0.001)
"""
PARENT_OF_A_CORPSE = """
import os, time
pid = os.fork()
if pid == 0: os._exit(0)
print(pid, flush=True)
os.close(1)
time.sleep(60)
"""
#: The first thread ends, another one goes on counting into a file.
HEADLESS = """
import ctypes, os, sys, threading, time
def work():
    n = 0
    while True:
        n += 1
        os.pwrite(fd, b'%d\\n' % n, 0)
        time.sleep(0.01)
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
threading.Thread(target=work).start()
print(os.getpid(), flush=True)
os.close(1)
ctypes.CDLL(None).pthread_exit(0)
"""


class Started:
    """Whose parent is process 1, as the responder would not touch what it started itself."""

    def __init__(self, code: str, *arguments: str) -> None:
        words = ["setsid", "-f", sys.executable, "-c", code, *arguments]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as parent:
            assert parent.stdout is not None
            self.pid = int(parent.stdout.readline())
        seen = look(self.pid)
        assert seen is not None
        self.start_ns = seen.start_ns

    @property
    def alive(self) -> bool:
        return bool(processes.alive([(self.pid, self.start_ns)]))

    def tree(self) -> set[int]:
        found = {self.pid}
        for _ in range(5):
            found |= {one.pid for one in processes.everybody() if one.parent in found}
        return found

    def end(self) -> None:
        with Tree(self.pid, self.start_ns) as tree:
            tree.stop(lambda members: None)
            tree.kill()


@pytest.fixture
def started() -> Iterator[list[Started]]:
    made: list[Started] = []
    yield made
    for one in made:
        with suppress(TargetGone):
            one.end()


@pytest.fixture
def family(started: list[Started]) -> Started:
    started.append(Started(FAMILY))
    wait(lambda: len(started[0].tree()) == 7)
    return started[0]


@pytest.fixture
def responder(tmp_path: Path) -> Iterator[Responder]:
    from innerwarden.config import Config

    settings = ResponderConfig(
        enabled=True, dry_run=False, verbs=("kill_process_tree", "stop_process_tree"), operators=("nobody",)
    )
    made = Responder(Config(responder=settings), tmp_path)
    yield made
    made.close()


def kill(one: Started) -> Do:
    return Do(request_id="r1", verb=KillProcessTree(pid=one.pid, start_ns=one.start_ns), ttl_s=600)


def stop(one: Started) -> Do:
    return Do(request_id="r2", verb=StopProcessTree(pid=one.pid, start_ns=one.start_ns), ttl_s=600)


def states(pids: set[int]) -> set[str]:
    text = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] for pid in pids]
    return set(text)


def test_a_tree_is_killed_whole(family: Started, responder: Responder) -> None:
    everyone = family.tree()
    answer = responder.executor.answer(kill(family), 0)
    assert answer.state == "done", answer
    wait(lambda: not any(Path(f"/proc/{pid}/exe").is_symlink() for pid in everyone))
    assert not family.alive


def test_a_tree_is_stopped_whole_and_goes_on(family: Started, responder: Responder) -> None:
    everyone = family.tree()
    assert responder.executor.answer(stop(family), 0).state == "active"
    assert states(everyone) == {"T"}
    assert responder.executor.answer(Check(request_id="r2"), 0).detail == ""
    assert responder.executor.answer(Undo(request_id="r2"), 0).state == "undone"
    wait(lambda: states(everyone) == {"S"})


def test_one_that_somebody_lets_go_on_is_stopped_again(family: Started, responder: Responder) -> None:
    responder.executor.answer(stop(family), 0)
    child = max(family.tree())
    os.kill(child, signal.SIGCONT)
    responder.upkeep.step()
    assert states(family.tree()) == {"T"}


@pytest.mark.parametrize("skill", ["kill", "stop"])
def test_a_tree_that_forks_all_the_time_does_not_get_away(
    started: list[Started], responder: Responder, skill: str
) -> None:
    one = Started(RESTLESS)
    started.append(one)
    answer = responder.executor.answer((kill if skill == "kill" else stop)(one), 0)
    assert answer.state == ("done" if skill == "kill" else "active"), answer
    if skill == "stop":
        before = one.tree()
        assert states(before) <= {"T", "Z"}
        assert not processes.running((seen.pid, seen.start_ns) for pid in before if (seen := look(pid)))
        responder.executor.answer(Undo(request_id="r2"), 0)
        wait(lambda: one.tree() != before)
    else:
        assert not one.alive
        assert one.tree() == {one.pid}


def test_a_process_whose_first_thread_ended_is_no_corpse(
    started: list[Started], responder: Responder, tmp_path: Path
) -> None:
    counter = tmp_path / "counter"
    one = Started(HEADLESS, str(counter))
    started.append(one)
    wait(lambda: states({one.pid}) == {"Z"})
    assert processes.running([(one.pid, one.start_ns)]) == [one.pid]
    assert responder.executor.answer(stop(one), 0).state == "active"
    before = counter.read_text()
    assert not threading.Event().wait(0.1)
    assert counter.read_text() == before
    responder.executor.answer(Undo(request_id="r2"), 0)
    wait(lambda: counter.read_text() != before)
    assert responder.executor.answer(kill(one), 0).state == "done"
    assert not one.alive


@pytest.mark.parametrize("off_ns", [-2 * TICK_NS, 2 * TICK_NS, 10**12])
def test_another_start_time_is_another_process(family: Started, responder: Responder, off_ns: int) -> None:
    verb = KillProcessTree(pid=family.pid, start_ns=family.start_ns + off_ns)
    answer = responder.executor.answer(Do(request_id="r1", verb=verb, ttl_s=60), 0)
    assert (answer.rule, family.alive) == ("target_gone", True)


def test_what_the_kernel_says_exactly_is_the_same_process(family: Started, responder: Responder) -> None:
    verb = KillProcessTree(pid=family.pid, start_ns=family.start_ns + TICK_NS - 1)
    assert responder.executor.answer(Do(request_id="r1", verb=verb, ttl_s=60), 0).state == "done"


def test_a_corpse_is_gone(started: list[Started], responder: Responder) -> None:
    one = Started(PARENT_OF_A_CORPSE)
    wait(lambda: states({one.pid}) == {"Z"})
    seen = look(one.pid)
    assert seen is not None
    assert responder.executor.answer(kill(one), 0).rule == "target_gone"
    os.kill(seen.parent, signal.SIGKILL)


def identity(pid: int) -> tuple[int, int]:
    seen = look(pid)
    assert seen is not None
    return seen.identity


@pytest.mark.parametrize("pid", [1, os.getpid(), os.getppid()], ids=["init", "own", "parent"])
def test_those_that_are_never_touched_by_the_judge_or_the_skill(responder: Responder, pid: int) -> None:
    verb = KillProcessTree(pid=pid, start_ns=max(1, identity(pid)[1]))
    answer = responder.executor.answer(Do(request_id="r1", verb=verb, ttl_s=60), 0)
    assert answer.rule in ("init", "own_process")
    with pytest.raises((Refusal, TargetGone)):
        kill_process_tree.Kill().do(Effect(request_id="r1", verb=verb, ttl_s=60), lambda handle: None)


def test_a_dry_run_names_them_and_touches_none(family: Started, responder: Responder) -> None:
    request = Do(request_id="r1", verb=kill(family).verb, ttl_s=60, plan_only=True)
    answer = responder.executor.answer(request, 0)
    assert answer.state == "dry_run"
    assert len(answer.plan) == 7
    assert answer.plan[0].startswith(f"SIGSTOP, then SIGKILL to process {family.pid} (/")
    assert states(family.tree()) == {"S"}


@pytest.mark.parametrize("after", [0, 1])
def test_who_was_stopped_is_on_the_disk_before_he_is(family: Started, after: int) -> None:
    """When it cannot be kept nobody is stopped; and whoever is stopped can be found again."""
    kept: list[str] = []

    def keep(handle: str) -> None:
        if len(kept) == after:
            raise SkillError("no room")
        kept.append(handle)

    skill = stop_process_tree.Stop()
    effect = Effect(request_id="r1", verb=StopProcessTree(pid=family.pid, start_ns=family.start_ns), ttl_s=60)
    with pytest.raises(SkillError, match="no room"):
        skill.do(effect, keep)
    stopped = {pid for pid in family.tree() if states({pid}) == {"T"}}
    known = {pid for handle in kept for pid, _start in processes.read(handle)}
    assert stopped <= known
    assert bool(stopped) is bool(after)
    skill.undo(Effect(request_id="r1", verb=effect.verb, ttl_s=60, handle=kept[-1] if kept else ""))
    wait(lambda: states(family.tree()) == {"S"})


def test_an_interrupted_kill_comes_to_its_end(family: Started) -> None:
    """Killed between stopping and killing, and between killing two of them."""
    verb = KillProcessTree(pid=family.pid, start_ns=family.start_ns)
    kept: list[str] = []
    with Tree(family.pid, family.start_ns) as tree:
        tree.stop(lambda members: kept.append(processes.written(members)))
        leaf = tree.members[-1][0]
    os.kill(leaf, signal.SIGKILL)
    skill = kill_process_tree.Kill()
    effect = Effect(request_id="r1", verb=verb, ttl_s=60, handle=kept[-1])
    skill.do(effect, kept.append)
    assert skill.check(effect) is None
    skill.do(effect, kept.append)

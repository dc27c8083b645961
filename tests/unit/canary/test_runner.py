# SPDX-License-Identifier: Apache-2.0
"""The harmless actions leave nothing behind, and the counters are read for what they prove."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from innerwarden.canary import runner, triggers
from innerwarden.canary.runner import Counts, Outcome, Verdict

BEFORE = Counts({"a": 3, "b": 5}, {"k": 7, "l": 1})


def judged(outcomes: list[Outcome], fired: dict[str, int], received: dict[str, int]) -> dict[str, Verdict]:
    return runner.judge(outcomes, BEFORE, Counts(fired, received))


def test_a_hook_is_told_from_another_of_its_kind_by_its_own_counter() -> None:
    found = judged([Outcome(("a",), "k"), Outcome(("b",), "k")], {"a": 3, "b": 6}, {"k": 8})
    assert found["a"] == Verdict("failed", "our own action caused no k record")
    assert found["b"].state == "working"


def test_a_record_that_the_engine_never_got_proves_nothing() -> None:
    (verdict,) = judged([Outcome(("a",), "k")], {"a": 4}, {"k": 7, "l": 9}).values()
    assert verdict == Verdict("failed", "our own action's k record did not reach the engine")


def test_a_hook_needs_every_kind_that_was_caused() -> None:
    both = [Outcome(("a",), "k"), Outcome(("a",), "l")]
    assert judged(both, {"a": 5}, {"k": 8, "l": 2})["a"].state == "working"
    assert judged(both, {"a": 5}, {"k": 8, "l": 1})["a"].state == "failed"


def test_what_was_not_done_is_not_held_against_a_hook() -> None:
    undone = Outcome(("a",), "k", "only root can cause it")
    assert judged([undone], {"a": 3}, {"k": 7})["a"] == Verdict("unconfirmed", "only root can cause it")
    partly = judged([undone, Outcome(("a",), "l")], {"a": 4}, {"k": 7, "l": 2})["a"]
    assert partly.state == "working" and "not tried: k" in partly.reason


def state_of_process() -> tuple[object, ...]:
    return (
        sorted(Path("/proc/self/fd").iterdir()),
        Path("/proc/self/mounts").read_text(),
        os.getresuid(),
        os.getresgid(),
    )


def test_actions_leave_nothing_behind(tmp_path: Path) -> None:
    before = state_of_process()
    done = runner.pull(triggers.TRIGGERS, tmp_path, root=False)
    assert {one.reason for one in done} <= {"", runner.NEEDS_ROOT, runner.NO_CALL}
    assert len(done) == len(triggers.TRIGGERS)
    assert state_of_process() == before


def test_without_root_what_needs_it_is_left_out_with_the_reason(tmp_path: Path) -> None:
    done = runner.pull([t for t in triggers.TRIGGERS if t.root], tmp_path, root=False)
    assert {one.reason for one in done} == {runner.NEEDS_ROOT}
    assert {one.kind for one in done} >= {"credential.change", "kernel.bpf", "filesystem.mount"}


def test_an_action_that_fails_is_a_reason_not_an_error(tmp_path: Path) -> None:
    def refuse(directory: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    trigger = triggers.Trigger(hooks=("x",), kind="y", action=refuse)
    (done,) = runner.pull([trigger], tmp_path, root=True)
    assert "Operation not permitted" in done.reason


def test_a_child_that_a_signal_ends_is_a_failed_action(tmp_path: Path) -> None:
    """A kernel without 32-bit calls ends the child that makes one."""
    trigger = triggers.Trigger(
        hooks=("x",), kind="y", action=lambda place: triggers._in_child(lambda: os.kill(os.getpid(), 9))
    )
    (done,) = runner.pull([trigger], tmp_path, root=True)
    assert "SIGKILL" in done.reason


def test_the_child_tells_its_outcomes_and_removes_its_directory(tmp_path: Path) -> None:
    left = tmp_path / "canary"
    (left / "0").mkdir(parents=True)  # of a run that was killed
    numbers = runner.numbers_for(["memfd_create", "openat"])
    command = [sys.executable, "-m", "innerwarden.canary", str(left), *map(str, numbers)]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    assert done.stdout.decode() == "".join(f"{number} \n" for number in numbers)
    assert len(numbers) == 3  # openat tells of another process's memory as well
    assert not left.exists()

# SPDX-License-Identifier: Apache-2.0
"""Hooks of one kind told apart by counts: every subset, with others' events on top."""

from __future__ import annotations

import itertools
import json
import os
import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from innerwarden.canary import triggers
from innerwarden.ctl import doctor, proof
from innerwarden.ctl.main import build
from innerwarden.sensor.kernel_hooks import HOOKS

ALL = sorted({hook for trigger in triggers.TRIGGERS for hook in trigger.hooks})


def verdicts(steps: list[proof.Step], risen: dict[str, int]) -> dict[tuple[str, ...], str]:
    return {(*step.trigger.hooks, step.trigger.kind): verdict for step, verdict in proof.judge(steps, risen)}


@given(st.data())
def test_any_subset_of_dead_hooks_is_named(data: st.DataObject) -> None:
    rate = data.draw(st.sampled_from([0.0, 0.5, 3.0]))
    steps = proof.plan(ALL, {"file.open": rate}, root=True)
    mine = [step for step in steps if step.trigger.kind == "file.open"]
    dead = data.draw(st.sets(st.sampled_from([step.trigger.hooks for step in mine])))
    noise = data.draw(st.integers(0, min(step.times for step in mine) // 2 - 1))
    risen = sum(step.times for step in mine if step.trigger.hooks not in dead) + noise
    found = verdicts(steps, {"file.open": risen})
    for step in mine:
        told = found[(*step.trigger.hooks, "file.open")]
        assert told == (proof.MISSED if step.trigger.hooks in dead else proof.SEEN)


def test_a_busy_host_is_not_judged_by_others_events() -> None:
    steps = proof.plan(ALL, {"network.connect": 500.0}, root=True)
    mine = [step for step in steps if step.trigger.kind == "network.connect"]
    assert {step.times for step in mine} == {0}
    assert all("told apart" in step.reason for step in mine)
    assert {
        v for key, v in verdicts(steps, {"network.connect": 9000}).items() if key[-1] == "network.connect"
    } == {proof.UNTOLD}


def test_more_events_than_planned_for_claim_nothing() -> None:
    steps = proof.plan(ALL, {}, root=True)
    mine = [step for step in steps if step.trigger.kind == "file.rename"]
    flood = {"file.rename": sum(step.times for step in mine) + 50}
    told = {v for key, v in verdicts(steps, flood).items() if key[-1] == "file.rename"}
    assert told == {proof.UNTOLD}


def test_without_root_what_needs_it_is_left_out_with_the_reason() -> None:
    steps = proof.plan(ALL, {}, root=False)
    left = [step for step in steps if step.times == 0]
    assert {step.trigger.kind for step in left} >= {"credential.change", "kernel.bpf", "filesystem.mount"}
    assert all("sudo" in step.reason for step in left)


def test_a_hook_that_is_not_attached_is_not_tried() -> None:
    steps = proof.plan(["open"], {}, root=True)
    assert [step.trigger.hooks for step in steps] == [("open",)]


def test_every_hook_and_every_kind_has_a_trigger() -> None:
    """module_load needs a real module, XDP drops need packets."""
    assert {hook.name for hook in HOOKS} - set(ALL) == {"module_load"}
    made = {kind for hook in HOOKS for kind in hook.kinds}
    assert made == {trigger.kind for trigger in triggers.TRIGGERS}
    of_hook = {hook.name: set(hook.kinds) for hook in HOOKS}
    for trigger in triggers.TRIGGERS:
        assert all(trigger.kind in of_hook[hook] for hook in trigger.hooks), trigger


def state_of_process() -> tuple[object, ...]:
    return (
        sorted(Path("/proc/self/fd").iterdir()),
        Path("/proc/self/mounts").read_text(),
        os.getresuid(),
        os.getresgid(),
    )


def test_actions_leave_nothing_behind(tmp_path: Path) -> None:
    steps = [step for step in proof.plan(ALL, {}, root=False) if step.times]
    before = state_of_process()
    done = proof.pull(steps, tmp_path)
    assert [step.reason for step in done] == [""] * len(done)
    assert [step.times for step in done] == [step.times for step in steps]
    assert state_of_process() == before


def test_an_action_that_fails_is_a_reason_not_an_error(tmp_path: Path) -> None:
    def refuse(directory: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    trigger = triggers.Trigger(hooks=("x",), kind="y", action=refuse)
    (done,) = proof.pull([proof.Step(trigger=trigger, times=3)], tmp_path)
    assert done.times == 0
    assert "Operation not permitted" in done.reason
    assert proof.judge([done], {"y": 5}) == [(done, proof.UNTOLD)]


@pytest.mark.kernel
def test_a_real_sensor_is_proven_hook_by_hook() -> None:
    """Every hook that this kernel took shows our own action."""
    result = CliRunner().invoke(build(), ["doctor", "--start", "--json"])
    assert result.exit_code in {0, 1}, result.output
    proofs = json.loads(result.stdout)["data"]["proofs"]
    kernel = [one for one in proofs if one["kind"] != "log"]
    unproven = [one for one in kernel if one["result"] == "unconfirmed" and one["source"] in ALL]
    assert unproven == []
    working = set(
        itertools.chain.from_iterable(o["kind"].split(", ") for o in kernel if o["result"] == "working")
    )
    assert {"process.exec", "process.fork", "network.connect", "file.open", "credential.change"} <= working


@pytest.mark.kernel
def test_a_real_hook_that_saw_nothing_is_missed() -> None:
    """With some actions left undone, exactly their hooks are named, on the real counters."""
    dead = {"openat2", "setreuid", "dup3", "renameat"}
    with doctor.temporary_sensor(None) as data_dir, tempfile.TemporaryDirectory() as directory:
        first, _ = doctor.sensor_health(data_dir)
        assert first is not None
        before = doctor._next_report(data_dir, first, {})
        attached = [hook.name for hook in before.hooks if hook.state == "attached"]
        steps = proof.plan(attached, before.rates, root=True)
        idle = [
            msgspec.structs.replace(
                step, trigger=msgspec.structs.replace(step.trigger, action=lambda place: None)
            )
            if set(step.trigger.hooks) & dead
            else step
            for step in steps
        ]
        done = proof.pull(idle, Path(directory))
        after = doctor._next_report(data_dir, doctor._next_report(data_dir, before, {}), {})
    risen = {kind: n - before.totals.get(kind, 0) for kind, n in after.totals.items()}
    missed = {
        hook
        for step, verdict in proof.judge(done, risen)
        if verdict == proof.MISSED
        for hook in step.trigger.hooks
    }
    assert missed & dead == dead & set(attached)
    assert missed <= dead | {"setreuid"}

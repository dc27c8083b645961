# SPDX-License-Identifier: Apache-2.0
"""Every hook has its harmless action, and doctor proves each of them on a real sensor."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from innerwarden import paths
from innerwarden.canary import triggers
from innerwarden.config import Config
from innerwarden.ctl import doctor
from innerwarden.ctl.main import build
from innerwarden.model import health
from innerwarden.sensor.kernel_hooks import HOOKS, LSM

ALL = {hook for trigger in triggers.TRIGGERS for hook in trigger.hooks}
#: A real module would have to be loaded; LSM programs act only where the operator has something refused.
WITHOUT_ACTION = {"module_load"} | {hook.name for hook in HOOKS if hook.attach == LSM}
REFUSALS = "enforcement.decision"
#: What the actions would be, were they judged.
OF_OUR_ACTS = {
    "process_memory_write",
    "userfaultfd_used",
    "namespace_joined",
    "descriptor_taken",
    "kexec_load",
}


def test_every_hook_and_every_kind_has_a_trigger() -> None:
    assert {hook.name for hook in HOOKS} - ALL == WITHOUT_ACTION
    made = {kind for hook in HOOKS for kind in hook.kinds} - {REFUSALS}
    assert made == {trigger.kind for trigger in triggers.TRIGGERS}
    of_hook = {hook.name: set(hook.kinds) for hook in HOOKS}
    for trigger in triggers.TRIGGERS:
        assert all(trigger.kind in of_hook[hook] for hook in trigger.hooks), trigger


@pytest.mark.kernel
def test_a_real_sensor_is_proven_hook_by_hook() -> None:
    """Every hook that this kernel took delivers a record after our own action, and the engine takes it."""
    result = CliRunner().invoke(build(), ["doctor", "--start", "--json"])
    assert result.exit_code in {0, 1}, result.output
    proofs = json.loads(result.stdout)["data"]["proofs"]
    hooks = [one for one in proofs if "state" in one]
    assert {one["source"] for one in hooks} >= {"sched_process_exec", "openat", "setuid", "bpf"}
    wrong = [
        one for one in hooks if one["state"] == "attached" and one["result"] not in {"working", "absent"}
    ]
    assert [one for one in wrong if one["source"] not in WITHOUT_ACTION] == []


@pytest.mark.kernel
def test_what_proves_is_told_by_no_rule() -> None:
    """Asked, the sensor acts itself, at once: nobody gets incidents for having looked."""
    with doctor.temporary_sensor(None) as data_dir:
        for rounds in (1, 2):
            began = time.monotonic()
            proofs = {one.source: one for one in doctor.examine(data_dir, Config()).proofs}
            assert time.monotonic() - began < 30
            report = health.read(paths.sensor_health(data_dir))
            assert report is not None and report.canary_rounds is not None
            assert report.canary_rounds >= rounds
        assert proofs["process_vm_writev"].result == proofs["setuid"].result == "working"
        lines = paths.findings(data_dir).read_text().splitlines()
    told = {json.loads(line)["detector"] for line in lines}
    assert told & OF_OUR_ACTS == set()


@pytest.mark.kernel
def test_a_real_hook_that_saw_nothing_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With some actions left undone, exactly their hooks are named, by their own counters."""
    idle = {"open_by_handle_at", "setreuid", "setregid", "renameat"}  # rare, so that nobody else does them
    table = tuple(
        trigger._replace(action=lambda place: None) if idle & set(trigger.hooks) else trigger
        for trigger in triggers.TRIGGERS
    )
    monkeypatch.setattr(doctor, "TRIGGERS", table)
    config = tmp_path / "config.toml"
    config.write_text("[collectors.kernel.canary]\nenabled = false\n")
    with doctor.temporary_sensor(config) as data_dir:
        proofs = {one.source: one for one in doctor.examine(data_dir, Config()).proofs}
    missed = {name for name, one in proofs.items() if "caused no" in one.reason}
    assert missed == {name for name in idle if proofs[name].state == "attached"}
    assert all(proofs[name].lost_techniques for name in missed)

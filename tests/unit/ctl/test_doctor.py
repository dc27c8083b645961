# SPDX-License-Identifier: Apache-2.0
"""What doctor concludes from two reports, and what it says when there is nothing to ask."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from innerwarden import paths
from innerwarden.clock import realtime_ns, rfc3339
from innerwarden.config import Config
from innerwarden.ctl import doctor, triggers
from innerwarden.ctl.main import build
from innerwarden.model._wire import KINDS
from innerwarden.model.health import CollectorHealth, HookHealth, SensorHealth

HOOKS = (
    HookHealth(name="exec", kind="process.exec", state="attached", fires=1, lost_techniques=("T1059",)),
    HookHealth(
        name="memfd", kind="process.memfd_create", state="attached", fires=1, lost_techniques=("T1620",)
    ),
    HookHealth(
        name="bpf", kind="kernel.bpf", state="absent", reason="no tracepoint", lost_techniques=("T1014",)
    ),
    HookHealth(name="xdp", kind="network.xdp_drop", state="attached", fires=1),
)


def report(totals: dict[str, int], fires: dict[str, int]) -> SensorHealth:
    hooks = tuple(msgspec.structs.replace(hook, fires=hook.fires + fires.get(hook.name, 0)) for hook in HOOKS)
    collectors = (
        CollectorHealth(id="kernel", state="working"),
        CollectorHealth(id="journald", state="absent", reason="no journal"),
    )
    return SensorHealth(
        ts=rfc3339(realtime_ns()),
        pid=os.getpid(),
        version="0",
        hooks=hooks,
        totals=totals,
        collectors=collectors,
    )


@pytest.fixture
def reporting(tmp_path: Path) -> Iterator[Path]:
    """A sensor's health file that goes on: exec is seen, memfd is not."""
    stop = threading.Event()

    def write(seen: int) -> None:
        file = paths.sensor_health(tmp_path)
        totals = {"process.exec": 10 + seen, "process.memfd_create": 5}
        file.with_suffix(".tmp").write_bytes(msgspec.json.encode(report(totals, {"exec": seen})))
        file.with_suffix(".tmp").replace(file)

    def go_on() -> None:
        seen = 0
        while not stop.wait(0.1):
            seen += 1
            write(seen)

    write(0)
    thread = threading.Thread(target=go_on)
    thread.start()
    yield tmp_path
    stop.set()
    thread.join()


def test_each_source_gets_the_result_that_it_earned(reporting: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "WAIT_S", 0.5)
    diagnosis = doctor.examine(reporting, Config())
    results = {proof.source: proof for proof in diagnosis.proofs}
    assert results["exec"].result == "working"
    assert results["exec"].lost_techniques == ()
    assert results["memfd"].result == "unconfirmed"
    assert "no record" in results["memfd"].reason
    assert results["memfd"].lost_techniques == ("T1620",)
    assert (results["bpf"].result, results["bpf"].reason) == ("absent", "no tracepoint")
    assert results["xdp"].result == "unconfirmed"
    assert results["journald"].result == "absent"
    assert not diagnosis.healthy


def test_an_event_through_a_sibling_hook_proves_only_that_one() -> None:
    before, after = report({"process.exec": 1}, {}), report({"process.exec": 2}, {"memfd": 1})
    proof = doctor._hook(after.hooks[0], before.hooks[0], before, after, {})
    assert proof.result == "unconfirmed"
    assert "another hook" in proof.reason


def test_without_a_sensor_nothing_is_claimed(tmp_path: Path) -> None:
    result = CliRunner().invoke(build(), ["doctor", "--data-dir", str(tmp_path), "--json"])
    data = json.loads(result.stdout)["data"]
    assert result.exit_code == 1
    assert data["proofs"] == []
    (sensor,) = [check for check in data["checks"] if check["name"] == "sensor"]
    assert sensor["state"] == "failed"
    assert "--start" in sensor["remedy"]


def test_an_old_report_is_no_sensor(tmp_path: Path) -> None:
    old = msgspec.structs.replace(report({}, {}), ts=rfc3339(realtime_ns() - 60 * 10**9))
    paths.sensor_health(tmp_path).write_bytes(msgspec.json.encode(old))
    assert doctor.examine(tmp_path, Config()).proofs == ()


def test_every_kernel_event_has_a_trigger() -> None:
    kernel = {name for name, kind in KINDS.items() if kind < 64}
    assert kernel - set(triggers.TRIGGERS) == {"network.xdp_drop"}
    assert set(triggers.TRIGGERS) <= kernel


def test_triggers_leave_nothing_behind() -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    possible = {kind for kind, (_, needs_root) in triggers.TRIGGERS.items() if not needs_root}
    descriptors_before, mounts = descriptors(), Path("/proc/self/mounts").read_text()
    assert triggers.pull(possible, root=False) == {}
    assert descriptors() == descriptors_before
    assert Path("/proc/self/mounts").read_text() == mounts
    skipped = triggers.pull({"filesystem.mount", "network.xdp_drop"}, root=False)
    assert "sudo" in skipped["filesystem.mount"]
    assert "no harmless action" in skipped["network.xdp_drop"]


@pytest.mark.kernel
def test_triggers_of_root_leave_nothing_behind() -> None:
    mounts = Path("/proc/self/mounts").read_text()
    assert triggers.pull(set(triggers.TRIGGERS), root=True) == {}
    assert Path("/proc/self/mounts").read_text() == mounts
    assert os.geteuid() == 0


@pytest.mark.kernel
def test_a_real_sensor_is_proven() -> None:
    """Every hook that this kernel took must show our own action."""
    result = CliRunner().invoke(build(), ["doctor", "--start", "--json"])
    assert result.exit_code in {0, 1}, result.output
    data = json.loads(result.stdout)["data"]
    kernel = [proof for proof in data["proofs"] if proof["kind"] in triggers.TRIGGERS]
    assert kernel
    assert [proof for proof in kernel if proof["result"] == "unconfirmed"] == []
    assert {"process.exec", "process.fork", "network.connect", "file.open"} <= {
        proof["kind"] for proof in kernel if proof["result"] == "working"
    }

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
from innerwarden.canary import triggers
from innerwarden.clock import realtime_ns, rfc3339
from innerwarden.config import Config
from innerwarden.ctl import doctor, proof
from innerwarden.ctl.main import build
from innerwarden.model.health import CollectorHealth, HookHealth, SensorHealth

HOOKS = (
    HookHealth(name="dup2", kind="process.fd_redirect", state="attached", lost_techniques=("T1059",)),
    HookHealth(name="dup3", kind="process.fd_redirect", state="attached", lost_techniques=("T1059",)),
    HookHealth(name="memfd_create", kind="process.memfd_create", state="attached"),
    HookHealth(name="bpf", kind="kernel.bpf", state="absent", reason="no tracepoint"),
    HookHealth(name="unknown_hook", kind="network.xdp_drop", state="attached"),
)


def report(totals: dict[str, int]) -> SensorHealth:
    collectors = (
        CollectorHealth(id="kernel", state="working"),
        CollectorHealth(id="journald", state="absent", reason="no journal"),
        CollectorHealth(id="sysctls", state="working", cadence_s=60, looks=3),
        CollectorHealth(
            id="suid_files", state="unconfirmed", reason="the first look is not over", cadence_s=60
        ),
    )
    return SensorHealth(
        ts=rfc3339(realtime_ns()),
        pid=os.getpid(),
        version="0",
        hooks=HOOKS,
        totals=totals,
        collectors=collectors,
    )


@pytest.fixture
def reporting(tmp_path: Path) -> Iterator[Path]:
    """A health file that goes on: dup2 and memfd are counted after a while, dup3 never is."""
    stop = threading.Event()
    acted = threading.Event()

    def write() -> None:
        file = paths.sensor_health(tmp_path)
        redirects = 7 + (
            proof.LEAST_FORKING if acted.is_set() else 0
        )  # done so often by dup2, twice that by dup3
        totals = {"process.fd_redirect": redirects, "process.memfd_create": 5 + acted.is_set()}
        file.with_suffix(".tmp").write_bytes(msgspec.json.encode(report(totals)))
        file.with_suffix(".tmp").replace(file)

    def go_on() -> None:
        while not stop.wait(0.05):
            write()

    write()
    pull = proof.pull

    def pull_and_tell(steps: list[proof.Step], directory: Path) -> list[proof.Step]:
        done = pull(steps, directory)
        acted.set()
        return done

    patch = pytest.MonkeyPatch()
    patch.setattr(proof, "pull", pull_and_tell)
    patch.setattr(doctor, "WAIT_S", 0.5)
    thread = threading.Thread(target=go_on)
    thread.start()
    yield tmp_path
    stop.set()
    thread.join()
    patch.undo()


def test_each_source_gets_the_result_that_it_earned(reporting: Path) -> None:
    diagnosis = doctor.examine(reporting, Config())
    results = {one.source: one for one in diagnosis.proofs}
    assert results["dup2"].result == "working"
    assert results["dup2"].lost_techniques == ()
    assert results["dup3"].result == "unconfirmed"
    assert "no process.fd_redirect record" in results["dup3"].reason
    assert results["dup3"].lost_techniques == ("T1059",)
    assert results["memfd_create"].result == "working"
    assert (results["bpf"].result, results["bpf"].reason) == ("absent", "no tracepoint")
    assert results["unknown_hook"].result == "unconfirmed"
    assert results["journald"].result == "absent"
    assert (results["sysctls"].result, results["sysctls"].reason) == ("working", "3 looks, every 60 s")
    assert results["suid_files"].result == "unconfirmed"
    assert results["suid_files"].reason == "the first look is not over"
    assert not diagnosis.healthy


def test_without_a_sensor_nothing_is_claimed(tmp_path: Path) -> None:
    result = CliRunner().invoke(build(), ["doctor", "--data-dir", str(tmp_path), "--json"])
    data = json.loads(result.stdout)["data"]
    assert result.exit_code == 1
    assert data["proofs"] == []
    (sensor,) = [check for check in data["checks"] if check["name"] == "sensor"]
    assert sensor["state"] == "failed"
    assert "--start" in sensor["remedy"]


def test_an_old_report_is_no_sensor(tmp_path: Path) -> None:
    old = msgspec.structs.replace(report({}), ts=rfc3339(realtime_ns() - 60 * 10**9))
    paths.sensor_health(tmp_path).write_bytes(msgspec.json.encode(old))
    assert doctor.examine(tmp_path, Config()).proofs == ()


def test_a_hook_needs_all_of_its_actions() -> None:
    connect, listen = (t for t in triggers.TRIGGERS if "inet_sock_set_state" in t.hooks)
    hook = HookHealth(name="inet_sock_set_state", kind="network.connect, network.listen", state="attached")
    seen = proof.Step(trigger=connect, times=1), proof.SEEN
    missed = proof.Step(trigger=listen, times=1), proof.MISSED
    assert doctor._hook(hook, [seen]).result == "working"
    assert doctor._hook(hook, [seen, missed]).result == "unconfirmed"

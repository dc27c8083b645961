# SPDX-License-Identifier: Apache-2.0
"""What doctor concludes from two reports, and what it says when there is nothing to ask."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from innerwarden import paths
from innerwarden.canary import runner
from innerwarden.clock import realtime_ns, rfc3339
from innerwarden.config import Config
from innerwarden.ctl import doctor
from innerwarden.ctl.commands import doctor as doctor_command
from innerwarden.ctl.main import build
from innerwarden.model.health import CollectorHealth, HookHealth, SensorHealth

HOOKS = (
    HookHealth(name="dup2", kind="process.fd_redirect", state="attached", lost_techniques=("T1059",)),
    HookHealth(name="dup3", kind="process.fd_redirect", state="attached", lost_techniques=("T1059",)),
    HookHealth(name="memfd_create", kind="process.memfd_create", state="attached"),
    HookHealth(name="bpf", kind="kernel.bpf", state="absent", reason="no tracepoint"),
    HookHealth(name="unknown_hook", kind="network.xdp_drop", state="attached"),
)


def report(totals: dict[str, int], fires: dict[str, int] | None = None) -> SensorHealth:
    collectors = (
        CollectorHealth(id="kernel", state="working"),
        CollectorHealth(id="journald", state="absent", reason="no journal"),
        CollectorHealth(id="sysctls", state="working", cadence_s=60, looks=3),
        CollectorHealth(id="nginx_access", state="working", lines=7),
        CollectorHealth(id="kernel_log", state="unconfirmed", reason="no line since the start"),
        CollectorHealth(
            id="suid_files", state="unconfirmed", reason="the first look is not over", cadence_s=60
        ),
    )
    return SensorHealth(
        ts=rfc3339(realtime_ns()),
        pid=os.getpid(),
        version="0",
        hooks=tuple(msgspec.structs.replace(h, fires=(fires or {}).get(h.name, 0)) for h in HOOKS),
        totals=totals,
        collectors=collectors,
    )


@pytest.fixture
def reporting(tmp_path: Path) -> Iterator[Path]:
    """A health file that goes on: dup2 and memfd are counted after a while; dup3 never is, though its kind is."""
    stop = threading.Event()
    acted = threading.Event()

    def write() -> None:
        file = paths.sensor_health(tmp_path)
        more = int(acted.is_set())
        totals = {"process.fd_redirect": 7 + more, "process.memfd_create": 5 + more}
        fires = {"dup2": 3 + more, "dup3": 4, "memfd_create": 5 + more}
        file.with_suffix(".tmp").write_bytes(msgspec.json.encode(report(totals, fires)))
        file.with_suffix(".tmp").replace(file)

    def go_on() -> None:
        while not stop.wait(0.05):
            write()

    write()
    pull = doctor.pull

    def pull_and_tell(*arguments: Any, **options: Any) -> list[runner.Outcome]:
        done = pull(*arguments, **options)
        acted.set()
        return done

    patch = pytest.MonkeyPatch()
    patch.setattr(doctor, "pull", pull_and_tell)
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
    assert results["nginx_access"].result == "working"
    assert "7 lines since the start" in results["nginx_access"].reason, (
        "nobody can put a line of his own there"
    )
    assert results["kernel_log"].result == "unconfirmed"
    assert results["kernel_log"].reason == "no line since the start"
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


def test_a_hook_that_another_stands_in_for_loses_nothing() -> None:
    hook = HookHealth(name="a", kind="network.bind", state="absent", reason="no cgroup v2", stand_in="bind")
    shown = doctor._hook(hook, None)
    assert (shown.result, shown.reason, shown.stand_in) == ("absent", "no cgroup v2", "bind")
    good = doctor.Proof(source="bind", kind="network.bind", result="working", reason="")
    assert doctor.Diagnosis(sensor_pid=1, checks=(), proofs=(shown, good)).healthy
    alone = msgspec.structs.replace(shown, stand_in="")
    assert not doctor.Diagnosis(sensor_pid=1, checks=(), proofs=(alone, good)).healthy


def test_a_hook_that_was_taken_out_for_others_is_not_asked() -> None:
    hook = HookHealth(name="a", kind="file.open", state="replaced", reason="it was silent", stand_in="b, c")
    shown = doctor._hook(hook, None)
    assert (shown.result, shown.reason, shown.stand_in) == ("absent", "it was silent", "b, c")
    assert doctor_command._why(shown) == "it was silent; seen instead by b, c"

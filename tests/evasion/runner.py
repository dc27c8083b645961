# SPDX-License-Identifier: Apache-2.0
"""One real sensor for all cases: start it, run every act as a process of its own, read findings.jsonl, judge."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.evasion import build
from tests.evasion.model import Act, Case, Outcome, Place, Result
from tests.evasion.obstacles import obstacle_of

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).parent / "programs"
#: Owned by root and writable by nobody else, so that what runs there is not suspect for its place.
ROOM = Path("/var/lib")
READY_S = 120.0
#: How long after the last act a finding may come: the sensor writes within a second, a busy machine takes longer.
SETTLE_S = 20.0


def in_guest() -> bool:
    """Whether this is a virtual machine of tests/vm, where anything may be changed."""
    return build.CARRIED.exists()


class Sensor:
    """`innerwarden sensor` with the modules as shipped, following a log of ours."""

    def __init__(self, room: Path) -> None:
        self.data = room / "data"
        self.auth_log = room / "logs" / "auth.log"
        self.auth_log.parent.mkdir()
        self.auth_log.touch()
        config = room / "config.toml"
        config.write_text(
            f'[collectors.auth_log]\npath = "{self.auth_log}"\n[collectors.journald]\nenabled = false\n'
        )
        self.log = (room / "sensor.log").open("w+")
        command = [
            sys.executable,
            "-m",
            "innerwarden",
            "sensor",
            "--data-dir",
            str(self.data),
            "--config",
            str(config),
        ]
        self.process = subprocess.Popen(command, cwd=REPOSITORY, stdout=self.log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + READY_S
        while not (self.data / "sensor-health.json").exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the sensor did not get ready:\n{self.output()}")
            time.sleep(0.05)

    def output(self) -> str:
        return Path(self.log.name).read_text()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30)
        self.log.close()


class Findings:
    """Lines of every findings file of the run; each must be valid JSON without a raw control character."""

    def __init__(self, files: Callable[[], Iterable[Path]]) -> None:
        self._files = files
        self.lines: list[str] = []

    def read(self) -> None:
        self.lines = []
        for path in self._files():
            for line in path.read_text("utf-8").split("\n"):
                if any(ord(character) < 32 for character in line):
                    raise AssertionError(f"a finding holds a raw control character: {line[:300]!r}")
                self.lines.append(line)

    def of(self, detector: str, texts: tuple[str, ...]) -> bool:
        for line in self.lines:
            if f'"detector":"{detector}"' in line and all(text in line for text in texts):
                finding: dict[str, Any] = json.loads(line)
                if finding["detector"] == detector:
                    return True
        return False


class Run:
    """Everything of one run lies below one directory, which is gone afterwards."""

    def __init__(self, cases: Iterable[Case], place: Place) -> None:
        self.cases = list(cases)
        self.place = place
        self.token = f"iwe{secrets.token_hex(3)}"
        self.room = ROOM / self.token

    def results(self) -> list[Result]:
        """Run every case and judge."""
        ROOM.mkdir(parents=True, exist_ok=True)
        self.room.mkdir(mode=0o755)
        Path("/etc/cron.d").mkdir(exist_ok=True)
        try:
            with self._sensor() as sensor:
                if build.obstacle() is None:
                    build.build(self.room)
                acts = [(case, act) for case in self.cases for act in case.acts]
                acts.sort(key=lambda one: one[1].last)
                ran = {(case.number, act.act): self._act(case, act, sensor) for case, act in acts}
                return self._judge(ran)
        finally:
            if not os.environ.get("IW_KEEP_EVASION"):
                shutil.rmtree(self.room, ignore_errors=True)

    @contextlib.contextmanager
    def _sensor(self) -> Iterator[Sensor]:
        sensor = Sensor(self.room)
        try:
            yield sensor
            if sensor.process.poll() is not None:
                raise RuntimeError(f"the sensor ended during the run:\n{sensor.output()}")
        finally:
            sensor.stop()

    def mark(self, case: Case, act: Act) -> str:
        return f"{self.token}-{case.number:02d}-{act.act.replace('_', '-')}"

    def _act(self, case: Case, act: Act, sensor: Sensor) -> Outcome:
        """Run one act; judged later. `error` holds what it said when it failed."""
        if act.place is not Place.BOTH and act.place is not self.place:
            return Outcome(act=act.act, obstacle=f"runs in the {act.place}")
        if reason := obstacle_of(act.needs):
            return Outcome(act=act.act, obstacle=reason)
        mark = self.mark(case, act)
        directory = self.room / mark
        directory.mkdir()
        command = [
            sys.executable,
            "-E",
            "-s",
            "-S",
            str(PROGRAMS / f"{act.program}.py"),
            act.act,
            mark,
            str(directory),
        ]
        command += [str(sensor.auth_log), str(sensor.process.pid)]
        try:
            done = subprocess.run(command, capture_output=True, timeout=act.timeout_s, check=False, cwd="/")
        except subprocess.TimeoutExpired:
            return Outcome(act=act.act, error=f"not done within {act.timeout_s} s")
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            return Outcome(act=act.act, error=said[-1] if said else f"status {done.returncode}")
        return Outcome(act=act.act)

    def _files(self) -> list[Path]:
        return sorted(self.room.glob("data/findings.jsonl*")) + sorted(
            self.room.glob("*/data/findings.jsonl")
        )

    def _judge(self, ran: dict[tuple[int, str], Outcome]) -> list[Result]:
        """Wait until all that is expected is there, at most SETTLE_S."""
        findings = Findings(self._files)
        deadline = time.monotonic() + SETTLE_S
        while True:
            findings.read()
            results = [self._result(case, ran, findings) for case in self.cases]
            complete = all(
                outcome.detected or not outcome.ran or outcome.error
                for r in results
                for outcome in r.outcomes
            )
            if complete or time.monotonic() > deadline:
                return results
            time.sleep(0.25)

    def _result(self, case: Case, ran: dict[tuple[int, str], Outcome], findings: Findings) -> Result:
        outcomes = []
        for act in case.acts:
            outcome = ran[case.number, act.act]
            if outcome.ran and not outcome.error:
                outcome = self._found(case, act, findings)
            outcomes.append(outcome)
        return Result(number=case.number, outcomes=tuple(outcomes))

    def _found(self, case: Case, act: Act, findings: Findings) -> Outcome:
        import hashlib

        mark = self.mark(case, act)
        names = {
            "mark": mark,
            "plain": "iwe" + hashlib.sha256(mark.encode()).hexdigest()[:12],
            "directory": str(self.room / mark),
        }
        found, missing = [], []
        for expect in act.expects:
            texts = tuple(text.format(**names) for text in expect.holds) + ((mark,) if expect.marked else ())
            (found if findings.of(expect.detector, texts) else missing).append(expect.detector)
        return Outcome(act=act.act, found=tuple(found), missing=tuple(missing))


def run(cases: Iterable[Case]) -> list[Result]:
    """All acts of `cases` that this place can run."""
    return Run(cases, Place.VM if in_guest() else Place.HOST).results()

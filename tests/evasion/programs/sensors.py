# SPDX-License-Identifier: Apache-2.0
"""Cases 30 and 31: a second sensor of our own is killed, moved away, and started while things happen.

Its findings are in DIRECTORY/data; the runner reads them there.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from common import Job, main, wait_for

REPOSITORY = Path(__file__).resolve().parents[3]
START_S = 40.0


class Sensor:
    """`innerwarden sensor` with a data directory of its own and no log sources."""

    def __init__(self, job: Job) -> None:
        self.data = job.directory / "data"
        self.config = job.directory / "config.toml"
        self.config.write_text(
            "[collectors.auth_log]\nenabled = false\n[collectors.journald]\nenabled = false\n"
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        before = self._written()
        command = [
            sys.executable,
            "-m",
            "innerwarden",
            "sensor",
            "--data-dir",
            str(self.data),
            "--config",
            str(self.config),
        ]
        path = os.environ.get("PYTHONPATH", "")
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(part for part in (str(REPOSITORY), path) if part),
        }
        self.process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stderr=subprocess.DEVNULL)
        wait_for(lambda: self._written() not in (None, before), START_S, "the sensor did not report")
        return self.process

    def _written(self) -> int | None:
        try:
            return (self.data / "sensor-health.json").stat().st_mtime_ns
        except OSError:
            return None

    def findings(self) -> str:
        path = self.data / "findings.jsonl"
        return path.read_text() if path.exists() else ""

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(20)


def killed(job: Job) -> None:
    sensor = Sensor(job)
    child = sensor.start()
    child.kill()
    child.wait()
    try:
        sensor.start()
        wait_for(lambda: "sensor_gap" in sensor.findings(), 10, "no gap was told")
    finally:
        sensor.stop()


def moved(job: Job) -> None:
    """The sensor is put into a control group of ours, as one does before freezing it."""
    root = next(
        Path(line.split()[1])
        for line in Path("/proc/self/mounts").read_text().splitlines()
        if line.split()[2] == "cgroup2"
    )
    place = root / job.mark
    place.mkdir()
    sensor = Sensor(job)
    try:
        child = sensor.start()
        (place / "cgroup.procs").write_text(str(child.pid))
        time.sleep(0.5)
    finally:
        sensor.stop()
        place.rmdir()


def started_meanwhile(job: Job) -> None:
    """Processes come into being every few milliseconds while the sensor starts; each writes when it is told to."""
    gate = job.directory / "gate"
    script = f"while [ ! -e {gate} ]; do sleep 0.2; done; echo '# nothing' >{job.plain_cron}-$1; rm {job.plain_cron}-$1"
    children: list[subprocess.Popen[bytes]] = []
    sensor = Sensor(job)
    interpreter = [sys.executable, "-m", "innerwarden", "sensor", "--data-dir", str(sensor.data)]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")]),
    }
    sensor.process = subprocess.Popen(
        [*interpreter, "--config", str(sensor.config)],
        cwd=REPOSITORY,
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + START_S
        while not (sensor.data / "sensor-health.json").exists():
            if time.monotonic() > until:
                raise TimeoutError("the sensor did not report")
            if len(children) < 60:
                words = ["/bin/sh", "-c", script, f"early-{job.mark}", str(len(children))]
                children.append(subprocess.Popen(words))
            time.sleep(0.05)
        gate.touch()
        for child in children:
            child.wait(20)
        told = [f"{job.plain}-{number}" for number in range(len(children))]
        wait_for(
            lambda: all(f'{name}"' in sensor.findings() for name in told), 10, "not every write was told"
        )
        unknown = [
            line
            for line in sensor.findings().splitlines()
            if job.plain in line and f"early-{job.mark}" not in line
        ]
        if unknown:
            raise RuntimeError(
                f"{len(unknown)} of {len(children)} processes are not known: {unknown[0][:500]}"
            )
    finally:
        sensor.stop()
        for child in children:
            if child.poll() is None:
                child.kill()
                child.wait()


if __name__ == "__main__":
    main(globals())

# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the sensor while a log streams in: every attack is found, and found once."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from innerwarden import paths
from innerwarden.agent.ingest import Ingest
from innerwarden.agent.state.read import Reader
from innerwarden.agent.state.writer import Writer
from tests.unit.agent.support import wait_until
from tests.unit.sensor.live_sensor import compiled

ATTACKERS = 60
FAILURES = 20
KILLS = 6
SECOND_APART = 0.2


def lines(rng: random.Random) -> list[str]:
    """Each attacker's failures lie within a minute; the attackers overlap, so that every kill cuts several."""
    now = int(time.time()) - 3600
    moments = []
    for attacker in range(ATTACKERS):
        for number in range(FAILURES):
            moments.append((attacker * 7 + number * 3 + rng.random(), attacker))
    out = []
    for at, attacker in sorted(moments):
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now + int(at)))
        out.append(
            f"{stamp}.{int(at % 1 * 1e6):06d}+00:00 web sshd[{1000 + attacker}]: Failed password for root "
            f"from 198.51.100.{attacker + 1} port {20000 + attacker} ssh2\n"
        )
    return out


class Sensor:
    """A real sensor process without its kernel source, which needs root."""

    def __init__(self, directory: Path, log: Path) -> None:
        self.data_dir = directory / "data"
        self.data_dir.mkdir()
        paths.rule_cache(self.data_dir).write_bytes(compiled())
        config = directory / "config.toml"
        config.write_text(
            f"[collectors.kernel]\nenabled = false\n[collectors.journald]\nenabled = false\n"
            f'[collectors.auth_log]\npath = "{log}"\n'
        )
        self._command = [
            sys.executable, "-m", "innerwarden", "sensor", "--data-dir", str(self.data_dir),
            "--config", str(config),
        ]  # fmt: skip
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        health = paths.sensor_health(self.data_dir)
        before = health.stat().st_mtime_ns if health.exists() else 0
        self.process = subprocess.Popen(self._command, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: health.exists() and health.stat().st_mtime_ns > before, 60)
        except AssertionError:
            self.end(signal.SIGKILL)
            raise

    def end(self, how: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(how)
        self.process.wait(timeout=30)


def told(data_dir: Path) -> Counter[str]:
    """Brute force incidents per address, as the agent's own ingest stores the findings file."""
    writer = Writer(paths.state_db(data_dir))
    ingest = Ingest(paths.findings(data_dir), writer, lambda tx, incident: 0)
    while ingest.step() is not None:
        pass
    ingest.close()
    writer.close()
    with Reader(paths.state_db(data_dir)) as reader:
        rows = reader.incidents(detector="ssh_bruteforce", limit=10_000)
    return Counter(row.fields.entities[0].value for row in rows)


@pytest.mark.fault(
    fault="kill -9 of the sensor, six times, in the middle of a line",
    expect="each attack in the log is told exactly once",
    levels=("sensor_down",),
)
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [1, 2])
def test_every_attack_exactly_once_over_six_kills(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    log = tmp_path / "auth.log"
    log.touch()
    sensor = Sensor(tmp_path, log)
    sensor.start()
    stream = lines(rng)
    kills = set(rng.sample(range(50, len(stream) - 50), KILLS))
    with log.open("a") as file:
        for number, line in enumerate(stream):
            # A kill in the middle of a line: the rest of it comes while no sensor runs.
            if number in kills:
                file.write(line[:40])
                file.flush()
                time.sleep(rng.random() * 0.3)
                sensor.end(signal.SIGKILL)
                file.write(line[40:])
                sensor.start()
            else:
                file.write(line)
            file.flush()
    expected = {f"198.51.100.{n + 1}" for n in range(ATTACKERS)}
    try:
        wait_until(lambda: set(told(sensor.data_dir)) == expected, 20)
    finally:
        sensor.end(signal.SIGTERM)
    found = told(sensor.data_dir)
    assert set(found) == expected
    assert {address: n for address, n in found.items() if n != 1} == {}


def gaps(data_dir: Path) -> list[str]:
    lines = paths.findings(data_dir).read_text().splitlines()
    return [line for line in lines if '"detector":"sensor_gap"' in line]


@pytest.mark.fault(
    fault="kill -9 of the sensor, seen by the next one",
    expect="the time without a sensor is an incident of its own: sensor_gap",
    levels=("sensor_down",),
)
def test_a_killed_sensor_is_reported_by_the_next_one_and_a_stopped_one_is_not(tmp_path: Path) -> None:
    log = tmp_path / "auth.log"
    log.touch()
    sensor = Sensor(tmp_path, log)
    sensor.start()
    sensor.end(signal.SIGTERM)
    sensor.start()
    assert gaps(sensor.data_dir) == []
    sensor.end(signal.SIGKILL)
    sensor.start()
    sensor.end(signal.SIGTERM)
    assert len(gaps(sensor.data_dir)) == 1

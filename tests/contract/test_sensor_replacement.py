# SPDX-License-Identifier: Apache-2.0
"""findings.jsonl is the whole contract: a script of 30 lines replaces the sensor, seen within a second."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from innerwarden import paths
from innerwarden.agent.state.read import Reader
from tests.unit.agent.process import end, start
from tests.unit.agent.support import wait_until

SENSOR = Path(__file__).with_name("tiny_sensor.py")


def test_a_tiny_script_replaces_the_sensor(tmp_path: Path) -> None:
    assert len(SENSOR.read_text().splitlines()) <= 30
    agent = start(tmp_path)
    try:
        wait_until(lambda: paths.state_db(tmp_path).exists() and _readable(tmp_path))
        subprocess.run([sys.executable, SENSOR, tmp_path, "1"], check=True)
        written = time.monotonic()
        with Reader(paths.state_db(tmp_path)) as reader:
            wait_until(lambda: bool(reader.incidents()))
            seen_s = time.monotonic() - written
            (row,) = reader.incidents()
        subprocess.run([sys.executable, SENSOR, tmp_path, "20"], check=True)
        with Reader(paths.state_db(tmp_path)) as reader:
            wait_until(lambda: len(reader.incidents()) == 21)
            assert reader.cursor().bad_lines == 0
            assert len(reader.incidents(entity="service:rack-0")) == 2
    finally:
        end(agent)
    assert row.fields.summary == "The door of cabinet 0 was opened."
    assert (row.detector, row.severity, row.fields.host) == ("door_sensor", "medium", "rack-room")
    assert seen_s < 1.0


def _readable(data_dir: Path) -> bool:
    try:
        Reader(paths.state_db(data_dir)).close()
    except Exception:
        return False
    return True

# SPDX-License-Identifier: Apache-2.0
"""kill -9 while triage decides: every incident is decided exactly once, with everything that follows from it."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import apsw
import pytest

from innerwarden import paths
from innerwarden.agent.state.connection import open_read_only
from tests.unit.agent.process import ROOT
from tests.unit.agent.support import append, ingest_all
from tests.unit.agent.triage.support import guessing

FINDINGS = 3000
KILLS = 10
SCRIPT = """
import sys
from pathlib import Path
from tests.unit.agent.triage.support import settings, triaging
from tests.unit.agent.triage.test_pipeline import BLOCK
chosen = settings(rules=(BLOCK,), enabled=True, hourly_cap=700, max_proposals=600)
with triaging(Path(sys.argv[1]), chosen) as triage:
    print("begins", flush=True)
    while triage.step():
        pass
"""


def start(data_dir: Path) -> subprocess.Popen[bytes]:
    run = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(data_dir)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert run.stdout is not None
    line = run.stdout.readline()
    assert line == b"begins\n", line + run.stdout.read()
    return run


def count(db: apsw.Connection, sql: str) -> int:
    return int(db.execute(sql).get)


@pytest.mark.fault(
    fault="kill -9 while triage decides, ten times",
    expect="each incident is decided exactly once, with its order and its entry in the record",
    levels=("agent_down",),
)
@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", [1, 2])
def test_each_is_decided_exactly_once_over_ten_kills(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    # Two thirds of the addresses come a second time and fold.
    found = [guessing(f"203.0.{n // 250}.{n % 250 + 1}", at_s=n / 100) for n in range(FINDINGS * 3 // 5)]
    found += [
        guessing(f"203.0.{n // 250}.{n % 250 + 1}", at_s=60 + n / 100) for n in range(FINDINGS * 2 // 5)
    ]
    append(tmp_path, *found)
    ingest_all(tmp_path)
    kills = 0
    while kills < KILLS:
        run = start(tmp_path)
        time.sleep(chance.uniform(0.01, 0.12))
        if run.poll() is None:
            run.send_signal(signal.SIGKILL)
        kills += run.wait(10) == -signal.SIGKILL
        db = open_read_only(paths.state_db(tmp_path))
        left = count(db, "SELECT count(*) FROM incidents WHERE triaged_ns IS NULL")
        db.close()
        if not left:
            break
    assert kills >= 3, "it was done before it could be killed often enough"
    assert start(tmp_path).wait(60) == 0
    db = open_read_only(paths.state_db(tmp_path))
    first = FINDINGS * 3 // 5
    assert count(db, "SELECT count(*) FROM incidents WHERE triaged_ns IS NULL") == 0
    assert count(db, "SELECT count(*) FROM triage") == FINDINGS
    assert count(db, "SELECT count(*) FROM triage WHERE folded_into IS NOT NULL") == FINDINGS - first
    assert count(db, "SELECT value FROM counters WHERE name = 'triage.in'") == FINDINGS
    assert count(db, "SELECT count(*) FROM responses") == 1300
    assert count(db, "SELECT count(DISTINCT key) FROM responses") == 1300
    assert count(db, "SELECT count(*) FROM responses WHERE state = 'intended'") == 700
    assert count(db, "SELECT count(*) FROM record WHERE kind = 'decided'") == 1300
    assert count(db, "SELECT count(*) FROM notice_intake") == FINDINGS
    db.close()

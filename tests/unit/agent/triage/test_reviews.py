# SPDX-License-Identifier: Apache-2.0
"""Reviews that nobody made: low and medium run out with an entry in the record, high and critical never."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from innerwarden import paths
from innerwarden.agent.slow_loop import TaskContext
from innerwarden.agent.state.writer import Writer
from innerwarden.agent.tasks.run_out_triage import run
from innerwarden.agent.triage.rule import Rule
from innerwarden.clock import NS, realtime_ns
from innerwarden.config import Config, TriageConfig
from innerwarden.model.entity import EntityRef
from innerwarden.model.finding import Trusted
from innerwarden.model.severity import Severity
from tests.unit.agent.support import append
from tests.unit.agent.triage.support import about, guessing, landed, settings, triage_all
from tests.unit.agent.triage.test_pipeline import record, rows

REVIEW = Rule(id="look", why="look", detectors=("*",), min_severity=Severity.DEBUG, outcome="needs_review")
DAY_NS = 86_400 * NS


@pytest.mark.parametrize(("days", "age_days", "closed"), [(14, 15, True), (14, 13, False), (0, 400, False)])
def test_only_what_is_not_grave_runs_out(tmp_path: Path, days: int, age_days: int, closed: bool) -> None:
    append(tmp_path, *(about("port_scan", EntityRef.user(s), severity=s, key=s) for s in Severity))
    mark = Trusted(entry="e", severity=Severity.CRITICAL, lowered=False, reason="r", owner="o")
    append(
        tmp_path,
        about("port_scan", EntityRef.user("x"), severity=Severity.DEBUG, key="was-critical", trusted=mark),
    )
    triage_all(tmp_path, settings(rules=(REVIEW,), playbooks=()))
    db = apsw.Connection(str(paths.state_db(tmp_path)))
    db.execute("UPDATE incidents SET triaged_ns = ?", (realtime_ns() - age_days * DAY_NS,))
    db.close()
    before = len(record(tmp_path))
    writer = Writer(paths.state_db(tmp_path))
    try:
        run(TaskContext(writer, Config(triage=TriageConfig(review_days=days)), tmp_path))
    finally:
        writer.close()
    still = {
        row[0] for row in rows(tmp_path, "SELECT incident_id FROM incidents WHERE status = 'needs_review'")
    }
    assert {name.split(":")[1] for name in still} >= {"high", "critical", "was-critical"}
    assert len(still) == (3 if closed else 7)
    entries = record(tmp_path)[before:]
    assert [entry["by"] for entry in entries] == ["gate:review"] * (4 if closed else 0)


def test_what_nothing_folds_into_is_forgotten(tmp_path: Path) -> None:
    append(tmp_path, about("port_scan", EntityRef.user("a")))
    triage_all(tmp_path)
    db = apsw.Connection(str(paths.state_db(tmp_path)))
    writer = Writer(paths.state_db(tmp_path))
    try:
        run(TaskContext(writer, Config(), tmp_path))
        assert db.execute("SELECT count(*) FROM triage_latest").get == 1
        db.execute("UPDATE triage_latest SET decided_ns = decided_ns - ?", (3 * DAY_NS,))
        run(TaskContext(writer, Config(), tmp_path))
        assert db.execute("SELECT count(*) FROM triage_latest").get == 0
    finally:
        writer.close()
        db.close()


@pytest.mark.parametrize(("age_hours", "ended"), [(23, False), (25, True)])
def test_proposals_that_nobody_answers_end(tmp_path: Path, age_hours: int, ended: bool) -> None:
    append(tmp_path, guessing(), landed("203.0.113.10"))
    triage_all(tmp_path, settings(playbooks=()))
    db = apsw.Connection(str(paths.state_db(tmp_path)))
    db.execute("UPDATE responses SET created_ns = ?", (realtime_ns() - age_hours * 3600 * NS,))
    db.close()
    writer = Writer(paths.state_db(tmp_path))
    try:
        run(TaskContext(writer, Config(), tmp_path))
    finally:
        writer.close()
    found = rows(tmp_path, "SELECT detector, status FROM incidents ORDER BY id")
    if not ended:
        assert [status for _, status in found] == ["proposed", "proposed"]
        return
    assert found == [("ssh_bruteforce", "watched"), ("login_after_failures", "needs_review")]
    assert rows(tmp_path, "SELECT DISTINCT state FROM responses") == [("denied",)]
    kinds = [(entry["entry"], entry.get("outcome")) for entry in record(tmp_path)[2:]]
    assert kinds == [
        ("answered", None), ("decided", "watch"), ("answered", None), ("decided", "needs_review")
    ]  # fmt: skip

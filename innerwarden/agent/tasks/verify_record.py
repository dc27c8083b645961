# SPDX-License-Identifier: Apache-2.0
"""Verify the record at the start and once a day; a pause between two slices leaves the disk to others."""

from __future__ import annotations

import time

from innerwarden.agent.self_check import Alarm, judge
from innerwarden.agent.slow_loop import Task, TaskContext
from innerwarden.agent.state.audit import Audit
from innerwarden.model.severity import Severity
from innerwarden.paths import state_db

PAUSE_S = 0.05
ALARM = Alarm(
    detector="record_broken",
    severity=Severity.CRITICAL,
    title="The record of decisions does not hold",
    checks=(
        "Run: innerwarden audit verify, with the anchors that were kept elsewhere (docs/audit.md).",
        "Copy the file as it is (innerwarden backup PATH) and compare it with the last backup.",
        "Ask who had root or the agent's account since the last anchor that fits.",
    ),
    attack=("T1070", "T1565.001"),
)


def run(context: TaskContext) -> None:
    judge(context, "record", lambda: _look(context), ALARM)


def _look(context: TaskContext) -> str | None:
    with Audit(state_db(context.data_dir)) as audit:
        verifier = audit.verifier()
        while verifier.step():
            time.sleep(PAUSE_S)
        report = verifier.report
    if report is None or report.holds:
        return None
    return f"{report.verdict} at entry {report.seq}: {report.what}"


TASK = Task(name="verify_record", cadence_s=86_400, budget_ms=300_000, run=run, heavy=True)

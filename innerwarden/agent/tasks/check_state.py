# SPDX-License-Identifier: Apache-2.0
"""Look once an hour whether state.db is whole."""

from __future__ import annotations

from innerwarden.agent.self_check import Alarm, judge
from innerwarden.agent.slow_loop import Task, TaskContext
from innerwarden.agent.state.checks import quick_check
from innerwarden.model.severity import Severity
from innerwarden.paths import state_db

ALARM = Alarm(
    detector="state_damaged",
    severity=Severity.HIGH,
    title="The agent's database is damaged",
    checks=(
        "Read the kernel's log for errors of the disk (journalctl -k).",
        "Stop the agent and put the last backup in place: innerwarden restore PATH (docs/state.md).",
    ),
)


def run(context: TaskContext) -> None:
    judge(context, "state", lambda: quick_check(state_db(context.data_dir)), ALARM)


TASK = Task(name="check_state", cadence_s=3600, budget_ms=300_000, run=run, heavy=True)

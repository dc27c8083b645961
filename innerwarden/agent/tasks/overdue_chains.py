# SPDX-License-Identifier: Apache-2.0
"""Tell the stories of which the last step is that something did not follow."""

from __future__ import annotations

from innerwarden.agent.overdue import tell_overdue
from innerwarden.agent.slow_loop import Task, TaskContext


def run(context: TaskContext) -> None:
    tell_overdue(context.writer)


TASK = Task(name="overdue_chains", cadence_s=5, budget_ms=250, run=run)

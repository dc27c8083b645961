# SPDX-License-Identifier: Apache-2.0
"""Forget process trees in which nothing was found for a day."""

from __future__ import annotations

from innerwarden.agent.slow_loop import Task, TaskContext
from innerwarden.agent.state.progress import ExpireTrees


def run(context: TaskContext) -> None:
    context.writer.run(ExpireTrees())


TASK = Task(name="expire_trees", cadence_s=30, budget_ms=250, run=run)

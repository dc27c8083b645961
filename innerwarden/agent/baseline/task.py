# SPDX-License-Identifier: Apache-2.0
"""The periodic task of the baseline."""

from __future__ import annotations

from innerwarden.agent.baseline.engine import Learn
from innerwarden.agent.slow_loop import Task, TaskContext


def run(context: TaskContext) -> None:
    if context.config.baseline.enabled:
        context.writer.run(Learn.by_clock(context.config.baseline))


TASK = Task(name="learn_baseline", cadence_s=60, budget_ms=500, run=run)

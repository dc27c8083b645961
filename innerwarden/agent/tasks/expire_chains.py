# SPDX-License-Identifier: Apache-2.0
"""Forget correlation chains whose window is over, and bound those that are open."""

from __future__ import annotations

from innerwarden.agent.slow_loop import Task, TaskContext
from innerwarden.agent.state.maintain import ExpireChains


def run(context: TaskContext) -> None:
    context.writer.run(ExpireChains())


TASK = Task(name="expire_chains", cadence_s=30, budget_ms=250, run=run)

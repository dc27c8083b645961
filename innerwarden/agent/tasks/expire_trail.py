# SPDX-License-Identifier: Apache-2.0
"""Forget what correlation no longer needs, and bound what it keeps."""

from __future__ import annotations

from innerwarden.agent.slow_loop import Task, TaskContext
from innerwarden.agent.state.maintain import ExpireTrail


def run(context: TaskContext) -> None:
    context.writer.run(ExpireTrail())


TASK = Task(name="expire_trail", cadence_s=30, budget_ms=250, run=run)

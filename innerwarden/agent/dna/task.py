# SPDX-License-Identifier: Apache-2.0
"""The periodic task of the fingerprints."""

from __future__ import annotations

from innerwarden.agent.dna.engine import CloseSessions
from innerwarden.agent.slow_loop import Task, TaskContext


def run(context: TaskContext) -> None:
    context.writer.run(CloseSessions())


TASK = Task(name="close_sessions", cadence_s=30, budget_ms=500, run=run)

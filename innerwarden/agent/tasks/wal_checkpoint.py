# SPDX-License-Identifier: Apache-2.0
"""Fold the write-ahead log into state.db. A reader in the way is normal: the next run does it."""

from __future__ import annotations

from innerwarden.agent.slow_loop import Task, TaskContext
from innerwarden.agent.state.writer import Checkpoint


def run(context: TaskContext) -> None:
    context.writer.run(Checkpoint())


TASK = Task(name="wal_checkpoint", cadence_s=300, budget_ms=500, run=run)

# SPDX-License-Identifier: Apache-2.0
"""Give back what retention has freed inside state.db, in steps of milliseconds with ingest in between."""

from __future__ import annotations

import time

from innerwarden.agent.slow_loop import Task, TaskContext
from innerwarden.agent.state.maintain import Reclaim

BUDGET_MS = 250


def run(context: TaskContext) -> None:
    stop = time.monotonic() + BUDGET_MS / 2000
    while context.writer.run(Reclaim()) and time.monotonic() < stop:
        pass


TASK = Task(name="reclaim_space", cadence_s=10, budget_ms=BUDGET_MS, run=run)

# SPDX-License-Identifier: Apache-2.0
"""Forget incidents after `agent.retention_days`."""

from __future__ import annotations

import time

from innerwarden.agent.slow_loop import Task, TaskContext
from innerwarden.agent.state.maintain import PRUNE_ROWS, PruneIncidents
from innerwarden.clock import NS, realtime_ns

DAY_NS = 86_400 * NS
BUDGET_MS = 250


def run(context: TaskContext) -> None:
    """Several small transactions, ingest in between; what is left waits for the next run."""
    stop = time.monotonic() + BUDGET_MS / 2000
    before_ns = realtime_ns() - context.config.agent.retention_days * DAY_NS
    while context.writer.run(PruneIncidents(before_ns)) == PRUNE_ROWS and time.monotonic() < stop:
        pass


TASK = Task(name="prune_incidents", cadence_s=10, budget_ms=BUDGET_MS, run=run)

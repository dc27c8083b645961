# SPDX-License-Identifier: Apache-2.0
"""Forget entries of the record after `agent.record_days`, a day's worth at a time."""

from __future__ import annotations

import time

from innerwarden.agent.slow_loop import Task, TaskContext
from innerwarden.agent.state.maintain import PruneRecord
from innerwarden.clock import NS, realtime_ns

DAY_NS = 86_400 * NS
BUDGET_MS = 500


def run(context: TaskContext) -> None:
    stop = time.monotonic() + BUDGET_MS / 2000
    before_ns = realtime_ns() - context.config.agent.record_days * DAY_NS
    while context.writer.run(PruneRecord(before_ns, DAY_NS)) and time.monotonic() < stop:
        pass


TASK = Task(name="prune_record", cadence_s=600, budget_ms=BUDGET_MS, run=run)

# SPDX-License-Identifier: Apache-2.0
"""Keep two weeks of telemetry, or less when incidents are kept for less."""

from __future__ import annotations

from innerwarden.agent.slow_loop import Task, TaskContext
from innerwarden.agent.state.maintain import PruneTelemetry
from innerwarden.clock import NS, realtime_ns

DAYS_KEPT = 14


def run(context: TaskContext) -> None:
    days = min(DAYS_KEPT, context.config.agent.retention_days)
    context.writer.run(PruneTelemetry(realtime_ns() - days * 86_400 * NS))


TASK = Task(name="prune_telemetry", cadence_s=60, budget_ms=250, run=run)

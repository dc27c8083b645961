# SPDX-License-Identifier: Apache-2.0
"""Give freed memory back to the kernel: glibc keeps the high-water mark of a burst otherwise."""

from __future__ import annotations

from innerwarden.agent.slow_loop import Task, TaskContext


def run(_context: TaskContext) -> None:
    from innerwarden_core.memory import trim

    trim()


TASK = Task(name="malloc_trim", cadence_s=300, budget_ms=250, run=run)

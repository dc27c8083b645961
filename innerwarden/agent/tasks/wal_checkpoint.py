# SPDX-License-Identifier: Apache-2.0
"""Fold the write-ahead log into state.db. A reader in the way is normal: the next run does it. One that stays open
makes the log grow without end, and that is told."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from innerwarden.agent.slow_loop import Task, TaskContext
from innerwarden.agent.state.checks import SaveCheck
from innerwarden.agent.state.rows import CheckRow
from innerwarden.agent.state.writer import Checkpoint
from innerwarden.clock import realtime_ns
from innerwarden.paths import state_db

logger = logging.getLogger(__name__)

WARN_BYTES = 64 << 20


def run(context: TaskContext) -> None:
    began = time.monotonic()
    done = context.writer.run(Checkpoint())
    log = Path(f"{state_db(context.data_dir)}-wal")
    size = log.stat().st_size if log.exists() else 0
    ok = done or size < WARN_BYTES
    detail = (
        "" if ok else f"a program that reads state.db keeps {size >> 20} MiB of writes from being folded in"
    )
    if not ok:
        logger.warning("%s", detail)
    took_ms = round((time.monotonic() - began) * 1000, 1)
    context.writer.run(
        SaveCheck(
            row=CheckRow(name="wal", ok=ok, ts_ns=realtime_ns(), took_ms=took_ms, detail=detail),
            durable=False,
        )
    )


TASK = Task(name="wal_checkpoint", cadence_s=300, budget_ms=500, run=run)

# SPDX-License-Identifier: Apache-2.0
"""Tell the system's log what the record is, every `agent.anchor_minutes`: where that log goes to another host, the
record cannot be made anew unseen."""

from __future__ import annotations

import logging
import os
import socket
import time

from innerwarden.agent.slow_loop import Task, TaskContext
from innerwarden.agent.state.audit import Audit
from innerwarden.agent.state.checks import SaveCheck
from innerwarden.agent.state.rows import CheckRow
from innerwarden.clock import NS, realtime_ns
from innerwarden.paths import state_db

logger = logging.getLogger(__name__)

SYSLOG = "/dev/log"
IDENTIFIER = "innerwarden-audit"
#: LOG_AUTHPRIV | LOG_NOTICE (RFC 3164, 4.1.1).
PRIORITY = 10 << 3 | 5
DAY_NS = 86_400 * NS


def run(context: TaskContext) -> None:
    minutes = context.config.agent.anchor_minutes
    if minutes == 0:
        return
    began, now_ns = time.monotonic(), realtime_ns()
    with Audit(state_db(context.data_dir)) as audit:
        last = audit.check("anchor")
        if last is not None and 0 <= now_ns - last.ts_ns < minutes * 60 * NS:
            return
        anchor = audit.anchor(context.config.host_name())
    told = f"entry {anchor.seq} told to the system's log"
    if anchor.seq == 0 or (
        last is not None and last.ok and last.detail == told and 0 <= now_ns - last.ts_ns < DAY_NS
    ):
        return
    failed = _send(anchor.line())
    if failed is not None and (last is None or last.detail != failed):
        logger.warning("%s", failed)
    row = CheckRow(
        name="anchor",
        ok=failed is None,
        ts_ns=now_ns,
        took_ms=round((time.monotonic() - began) * 1000, 1),
        detail=failed or told,
    )
    context.writer.run(SaveCheck(row=row))


def _send(line: str) -> str | None:
    """One datagram as syslog(3) makes it; why it could not be sent, or None."""
    stamp = time.strftime("%b %e %H:%M:%S")
    message = f"<{PRIORITY}>{stamp} {IDENTIFIER}[{os.getpid()}]: {line}"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as log:
            log.settimeout(1)
            log.connect(SYSLOG)
            log.send(message.encode())
    except OSError as error:
        return f"the system's log {SYSLOG} cannot be told: {error.strerror or error}"
    return None


TASK = Task(name="anchor_record", cadence_s=60, budget_ms=1500, run=run)

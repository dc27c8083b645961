# SPDX-License-Identifier: Apache-2.0
"""End proposals that nobody answered, close reviews that nobody made, forget what triage needs no more."""

from __future__ import annotations

import time

from innerwarden.agent.slow_loop import Task, TaskContext
from innerwarden.agent.state.reviews import ROWS, CloseReviews, ExpireProposals, PruneTriage
from innerwarden.clock import NS, realtime_ns

DAY_S = 86_400
BUDGET_MS = 250


def run(context: TaskContext) -> None:
    """Several small transactions, decisions in between; what is left waits for the next run."""
    stop = time.monotonic() + BUDGET_MS / 2000
    triage, now_ns = context.config.triage, realtime_ns()
    expire = ExpireProposals(
        before_ns=now_ns - triage.proposal_hours * 3600 * NS, hours=triage.proposal_hours
    )
    while context.writer.run(expire) == ROWS and time.monotonic() < stop:
        pass
    if triage.review_days:
        before_ns = now_ns - triage.review_days * DAY_S * NS
        close = CloseReviews(before_ns=before_ns, days=triage.review_days)
        while context.writer.run(close) == ROWS and time.monotonic() < stop:
            pass
    # A day more than the window, so that findings that come late still fold; budgets last a day.
    prune = PruneTriage(folded_ns=now_ns - (triage.dedupe_s + 2 * DAY_S) * NS)
    while context.writer.run(prune) >= ROWS and time.monotonic() < stop:
        pass


TASK = Task(name="run_out_triage", cadence_s=30, budget_ms=BUDGET_MS, run=run)

# SPDX-License-Identifier: Apache-2.0
"""What the agent's checks of its own state have in common: timing, keeping the result, telling of a failure."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import msgspec

from innerwarden.agent.slow_loop import TaskContext
from innerwarden.agent.state.checks import SaveCheck
from innerwarden.agent.state.rows import CheckRow
from innerwarden.agent.state.tx import NewIncident
from innerwarden.clock import realtime_ns, rfc3339
from innerwarden.model.entity import EntityRef
from innerwarden.model.finding import Evidence, Finding, IncidentFields
from innerwarden.model.severity import Severity
from innerwarden.paths import state_db

logger = logging.getLogger(__name__)


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """What a failed check is told as: `detector` is the incident's, with the source `agent`."""

    detector: str
    severity: Severity
    title: str
    checks: tuple[str, ...]
    attack: tuple[str, ...] = ()


def judge(context: TaskContext, name: str, look: Callable[[], str | None], alarm: Alarm) -> None:
    """Run `look`, which says what is wrong or None; keep the answer, and raise the alarm once for each new one."""
    began = time.monotonic()
    wrong = look()
    row = CheckRow(
        name=name,
        ok=wrong is None,
        ts_ns=realtime_ns(),
        took_ms=round((time.monotonic() - began) * 1000, 1),
        detail=wrong or "",
    )
    if wrong is not None:
        logger.error("%s: %s", alarm.title, wrong)
    context.writer.run(
        SaveCheck(row=row, incident=_incident(context, alarm, wrong, row.ts_ns) if wrong else None)
    )


def _incident(context: TaskContext, alarm: Alarm, wrong: str, now_ns: int) -> NewIncident:
    path = str(state_db(context.data_dir))
    ts = rfc3339(now_ns)
    fields = IncidentFields(
        incident_id=f"{alarm.detector}:{path}:{ts}",
        host=context.config.host_name(),
        title=alarm.title,
        summary=f"{alarm.title}: {wrong}",
        evidence=(Evidence(kind="state", text=wrong, ts=ts, details={"path": path}),),
        recommended_checks=alarm.checks,
        tags=("agent",),
        entities=(EntityRef.path(path),),
        attack=alarm.attack,
    )
    finding = Finding(ts=ts, detector=alarm.detector, severity=alarm.severity, fields=fields)
    return NewIncident(finding=finding, ts_ns=now_ns, fields=msgspec.json.encode(fields), source="agent")

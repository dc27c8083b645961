# SPDX-License-Identifier: Apache-2.0
"""What a view may ask: the state reader of this thread, the sensor's report, the time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from innerwarden import clock
from innerwarden.agent.dashboard.types import IncidentSummary, ResponseSummary, SensorState, Switches
from innerwarden.agent.state.read import Reader
from innerwarden.agent.state.rows import IncidentRow, ResponseRow
from innerwarden.config import ResponderConfig
from innerwarden.model.health import SILENT_AFTER_S, SensorHealth, read


class Context:
    """Shared by the server's threads; each thread keeps its own read-only connection."""

    def __init__(
        self,
        reader_factory: Callable[[], Reader],
        health_path: Path,
        responder: ResponderConfig = ResponderConfig(),  # noqa: B008 - frozen
    ) -> None:
        self._factory = reader_factory
        self._responder = responder
        self._health_path = health_path
        self._local = threading.local()
        self._lock = threading.Lock()
        self._readers: list[Reader] = []

    def reader(self) -> Reader:
        reader: Reader | None = getattr(self._local, "reader", None)
        if reader is None:
            reader = self._local.reader = self._factory()
            with self._lock:
                self._readers.append(reader)
        return reader

    def close(self) -> None:
        """Close the connections; call it when no request runs any more."""
        with self._lock:
            for reader in self._readers:
                reader.close()
            self._readers.clear()
        self._local = threading.local()

    def health(self) -> SensorHealth | None:
        return read(self._health_path)

    def now_ns(self) -> int:
        return clock.realtime_ns()

    def switches(self) -> Switches:
        enabled, dry_run = self._responder.enabled, self._responder.dry_run
        if not enabled:
            text = "Responses are off (responder.enabled): nothing is done, only proposed."
        elif dry_run:
            text = "Dry run (responder.dry_run): it is said what would be done, and nothing is touched."
        else:
            text = "Responses are on."
        return Switches(enabled=enabled, dry_run=dry_run, text=text)

    def sensor_state(self, health: SensorHealth | None) -> SensorState:
        """Judge a report by its age; a report of long ago says nothing about now."""
        if health is None:
            return SensorState(
                state="absent", reason="The sensor has not written a report. Start it: innerwarden run"
            )
        age_s = clock.age_s(health.ts, health.boot_ns, health.boot_id)
        silent = health.stopped or age_s > SILENT_AFTER_S
        last = f"was stopped {age_s:.0f} s ago" if health.stopped else f"last reported {age_s:.0f} s ago"
        reason = f"The sensor {last}, so nothing is seen now." if silent else None
        return SensorState(
            state="silent" if silent else "watching",
            reason=reason,
            age_s=round(age_s, 1),
            pid=health.pid,
            sensor_version=health.version,
            hooks_working=sum(hook.canary == "working" for hook in health.hooks),
            hooks_attached=sum(hook.state == "attached" for hook in health.hooks),
            hooks_total=len(health.hooks),
            collectors_working=sum(collector.state == "working" for collector in health.collectors),
            collectors_total=len(health.collectors),
            detectors_loaded=health.detectors.loaded,
            detectors_disabled=len(health.detectors.disabled),
            events_per_s=round(sum(health.rates.values()), 1),
            lost_total=sum(health.lost.values()),
            rss_bytes=health.rss_bytes,
        )


def summary(row: IncidentRow) -> IncidentSummary:
    """The list form of a stored incident."""
    process = row.fields.process
    return IncidentSummary(
        id=row.id,
        incident_id=row.incident_id,
        ts=row.ts,
        severity=row.severity,
        detector=row.detector,
        title=row.title,
        summary=row.summary,
        status=row.status,
        source=row.source,
        host=row.fields.host,
        attack=row.fields.attack,
        acting_exe=process.exe if process else None,
        suppressed_count=row.fields.suppressed_count,
    )


def response_summary(row: ResponseRow) -> ResponseSummary:
    """The list form of a response."""
    return ResponseSummary(
        response_id=row.response_id,
        verb=row.verb.id,
        target=row.verb.target().value,
        incident_id=row.incident_id,
        by=row.by,
        reason=row.reason,
        state=row.state,
        is_live=row.state in ("intended", "active", "undoing"),
        created=clock.rfc3339(row.created_ns),
        expires=None if row.expires_ns is None else clock.rfc3339(row.expires_ns),
        detail=row.detail,
    )

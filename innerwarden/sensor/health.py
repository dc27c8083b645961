# SPDX-License-Identifier: Apache-2.0
"""The sensor's report on its own sight: sensor-health.json and the telemetry finding."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from innerwarden import __version__
from innerwarden.clock import NS, rfc3339
from innerwarden.model.finding import TELEMETRY, Telemetry, TelemetryFields
from innerwarden.model.health import (
    CollectorHealth,
    DetectorsHealth,
    DisabledDetector,
    HookHealth,
    ModulesHealth,
    ProcessTableHealth,
    RingHealth,
    SensorHealth,
    TrustHealth,
)
from innerwarden.model.severity import Severity


def rss_bytes() -> int:
    """Resident memory of this process, ring mappings included."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Snapshot(msgspec.Struct, kw_only=True):
    """What the main loop gathers for one report. Totals and losses count since the sensor's start."""

    now_ns: int
    totals: dict[str, int]
    lost: dict[str, int]
    hooks: list[HookHealth]
    rings: list[RingHealth]
    collectors: list[CollectorHealth]
    detectors_loaded: int
    disabled: dict[str, str]
    modules: ModulesHealth
    process_entries: int
    process_evicted: int
    trust: TrustHealth = TrustHealth()
    table_bytes: dict[str, int] = msgspec.field(default_factory=dict)


class Reporter:
    """Writes the health file (atomically) and builds the minute's telemetry finding."""

    def __init__(self, path: Path, host: str, started_ns: int) -> None:
        self._path = path
        self._host = host
        self._last: tuple[int, dict[str, int]] = (started_ns, {})
        self._minute: tuple[int, dict[str, int], dict[str, int]] = (started_ns, {}, {})

    def write(self, snapshot: Snapshot, *, stopped: bool = False) -> None:
        """Raises OSError when the directory refuses; the caller logs it and goes on."""
        last_ns, last = self._last
        seconds = max((snapshot.now_ns - last_ns) / NS, 0.001)
        rates = {k: round((n - last.get(k, 0)) / seconds, 1) for k, n in snapshot.totals.items()}
        self._last = (snapshot.now_ns, dict(snapshot.totals))
        report = SensorHealth(
            ts=rfc3339(snapshot.now_ns),
            pid=os.getpid(),
            version=__version__,
            hooks=tuple(snapshot.hooks),
            rates=rates,
            totals=snapshot.totals,
            lost=snapshot.lost,
            rings=tuple(snapshot.rings),
            collectors=tuple(snapshot.collectors),
            detectors=DetectorsHealth(
                loaded=snapshot.detectors_loaded,
                disabled=tuple(DisabledDetector(id=i, reason=r) for i, r in snapshot.disabled.items()),
            ),
            modules=snapshot.modules,
            process_table=ProcessTableHealth(
                entries=snapshot.process_entries, evicted=snapshot.process_evicted
            ),
            trust=snapshot.trust,
            rss_bytes=rss_bytes(),
            table_bytes=snapshot.table_bytes,
            stopped=stopped,
        )
        temporary = self._path.with_suffix(".tmp")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        with os.fdopen(fd, "wb") as file:
            file.write(msgspec.json.encode(report))
        temporary.replace(self._path)

    def telemetry(self, snapshot: Snapshot, waiting: int) -> Telemetry:
        """Rates and losses since the last call."""
        since_ns, totals, lost = self._minute
        self._minute = (snapshot.now_ns, dict(snapshot.totals), dict(snapshot.lost))
        return Telemetry(
            ts=rfc3339(snapshot.now_ns),
            detector=TELEMETRY,
            severity=Severity.DEBUG,
            fields=TelemetryFields(
                host=self._host,
                period_s=round((snapshot.now_ns - since_ns) / NS, 3),
                events=_increase(snapshot.totals, totals),
                lost=_increase(snapshot.lost, lost),
                queue_depth={**{r.name: r.pending_bytes for r in snapshot.rings}, "findings": waiting},
                rss_bytes=rss_bytes(),
            ),
        )


def _increase(now: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    return {k: n - before.get(k, 0) for k, n in now.items() if n != before.get(k, 0)}

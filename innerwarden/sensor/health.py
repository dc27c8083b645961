# SPDX-License-Identifier: Apache-2.0
"""The sensor's report on its own sight: sensor-health.json and the telemetry finding."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import msgspec

from innerwarden import __version__
from innerwarden.clock import NS, boot_id, boottime_ns, rfc3339
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

PAGE_BYTES = 4096


class Resident:
    """Resident memory of this process, ring mappings included; needs no new descriptor after the first."""

    def __init__(self) -> None:
        self._fd = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)

    def bytes(self) -> int:
        return int(os.pread(self._fd, 200, 0).split()[1]) * os.sysconf("SC_PAGE_SIZE")


class ReportFile:
    """The report under its name, replaced as a whole. Where a new file gets no room, no inode or no descriptor, the
    one that is there is written over in place: what says that the disk is full does not need the disk's room."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1
        self._room_bytes = 0

    def write(self, content: bytes) -> None:
        """Raises OSError when neither goes."""
        room_bytes = (len(content) // PAGE_BYTES + 2) * PAGE_BYTES
        try:
            fd = self._replace(content.ljust(room_bytes))
        except OSError:
            if self._fd < 0 or len(content) > self._room_bytes:
                raise
            os.pwrite(self._fd, content.ljust(self._room_bytes), 0)
            return
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._room_bytes = fd, room_bytes

    def _replace(self, content: bytes) -> int:
        temporary = self._path.with_suffix(".tmp")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        try:
            if os.write(fd, content) != len(content):
                raise OSError(errno.ENOSPC, "no space left for the whole report")
            temporary.replace(self._path)
        except OSError:
            os.close(fd)
            raise
        return fd


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
    canary_rounds: int | None = None
    table_bytes: dict[str, int] = msgspec.field(default_factory=dict)
    findings_waiting: int = 0
    recently_lost: dict[str, int] = msgspec.field(default_factory=dict)
    clock_moved_s: float = 0.0
    cursors_problem: str = ""


class Reporter:
    """Writes the health file (atomically) and builds the minute's telemetry finding."""

    def __init__(self, path: Path, host: str, started_ns: int) -> None:
        self._file = ReportFile(path)
        self._resident = Resident()
        self._host = host
        self._boot_id = boot_id()
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
            rss_bytes=self._resident.bytes(),
            canary_rounds=snapshot.canary_rounds,
            table_bytes=snapshot.table_bytes,
            boot_ns=boottime_ns(),
            boot_id=self._boot_id,
            findings_waiting=snapshot.findings_waiting,
            recently_lost=snapshot.recently_lost,
            clock_moved_s=snapshot.clock_moved_s,
            cursors_problem=snapshot.cursors_problem,
            stopped=stopped,
        )
        self._file.write(msgspec.json.encode(report))

    def telemetry(self, snapshot: Snapshot) -> Telemetry:
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
                queue_depth={
                    **{r.name: r.pending_bytes for r in snapshot.rings},
                    "findings": snapshot.findings_waiting,
                },
                rss_bytes=self._resident.bytes(),
            ),
        )


def _increase(now: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    return {k: n - before.get(k, 0) for k, n in now.items() if n != before.get(k, 0)}

# SPDX-License-Identifier: Apache-2.0
"""The time in which no sensor watched: a killed sensor leaves evidence in the next one's first finding."""

from __future__ import annotations

from pathlib import Path

from innerwarden.clock import NS, parse_rfc3339, rfc3339
from innerwarden.model import health
from innerwarden.model.entity import EntityRef
from innerwarden.model.finding import Evidence, Finding, IncidentFields
from innerwarden.model.severity import Severity

DETECTOR = "sensor_gap"


def last_seen_ns(health_path: Path) -> int | None:
    """When the last sensor of this data directory reported, if it ended without being stopped."""
    last = health.read(health_path)
    if last is None or last.stopped:
        return None
    return parse_rfc3339(last.ts)


def finding(host: str, since_ns: int, now_ns: int) -> Finding:
    """The gap as an incident: killing the sensor is what an intruder with root does first (T1562.001)."""
    seconds = (now_ns - since_ns) / NS
    since, now = rfc3339(since_ns), rfc3339(now_ns)
    fields = IncidentFields(
        incident_id=f"{DETECTOR}:{host}:{now}",
        host=host,
        title="The sensor was not watching for a while",
        summary=f"The sensor ended without being stopped; nothing was seen for {seconds:.0f} seconds.",
        evidence=(
            Evidence(kind="sensor", text="last report of the sensor that ended", ts=since),
            Evidence(kind="sensor", text="this sensor watches from here on", ts=now),
        ),
        recommended_checks=(
            "See why it ended: journalctl -k | grep -iE 'oom|killed process', last -x reboot shutdown",
            "If nobody stopped it and the machine did not restart, look at who was root then: last -w",
        ),
        tags=("attack.defense-evasion",),
        entities=(EntityRef.service("innerwarden-sensor"),),
        attack=("T1562.001",),
        blind=(f"everything between {since} and {now}, except what log files hold",),
    )
    return Finding(ts=now, detector=DETECTOR, severity=Severity.MEDIUM, fields=fields)

# SPDX-License-Identifier: Apache-2.0
"""Bodies of the JSON API. The pages render exactly these, and name the members in `data-field`."""

from __future__ import annotations

import msgspec

from innerwarden.agent.state.rows import CursorRow, TaskRow
from innerwarden.model.entity import EntityRef
from innerwarden.model.finding import Evidence, Process, TelemetryFields
from innerwarden.model.health import SensorHealth
from innerwarden.model.severity import Severity


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every response; `version` rises when a member changes its meaning."""


class IncidentSummary(Body, frozen=True, kw_only=True):
    """One row of a list. `acting_exe` is None when no process is known."""

    id: int
    incident_id: str
    ts: str
    severity: Severity
    detector: str
    title: str
    summary: str
    status: str
    source: str
    host: str
    attack: tuple[str, ...]
    acting_exe: str | None
    suppressed_count: int


class SensorState(Body, frozen=True, kw_only=True):
    """`state`: watching (a fresh report), silent (a report that is too old) or absent (none at all).

    Numbers are None when there is no report."""

    state: str
    reason: str | None
    age_s: float | None = None
    pid: int | None = None
    sensor_version: str | None = None
    hooks_working: int | None = None
    hooks_attached: int | None = None
    hooks_total: int | None = None
    collectors_working: int | None = None
    collectors_total: int | None = None
    detectors_loaded: int | None = None
    detectors_disabled: int | None = None
    events_per_s: float | None = None
    lost_total: int | None = None
    rss_bytes: int | None = None


class HourCount(Body, frozen=True, kw_only=True):
    hour: str
    count: int


class Overview(Body, frozen=True, kw_only=True):
    """The last 24 hours by event time."""

    version: int = 1
    host: str | None
    total: int
    by_severity: dict[str, int]
    by_detector: dict[str, int]
    by_hour: tuple[HourCount, ...]
    latest: tuple[IncidentSummary, ...]
    sensor: SensorState
    lost: dict[str, int]
    """Losses since the sensor's start, by place; places with none are left out."""
    bad_lines: int
    """Findings lines that the agent could not read, since the database was made."""


class Filters(Body, frozen=True, kw_only=True):
    """What the list was asked for, as given."""

    severity: str | None = None
    detector: str | None = None
    since: str | None = None
    entity: str | None = None
    text: str | None = None


class IncidentList(Body, frozen=True, kw_only=True):
    """`next_before` continues the list (`?before=`); None at the end."""

    version: int = 1
    filters: Filters
    incidents: tuple[IncidentSummary, ...]
    next_before: int | None
    detectors: tuple[str, ...]
    """Detector ids with incidents in the last 30 days, for the filter."""


class Switches(Body, frozen=True, kw_only=True):
    """Whether anything may be done on this host. `text` says it in words."""

    enabled: bool
    dry_run: bool
    text: str


class ResponseSummary(Body, frozen=True, kw_only=True):
    """One response; `is_live`: it is in effect, or on its way there or back."""

    response_id: str
    verb: str
    target: str
    incident_id: str | None
    by: str
    reason: str
    state: str
    is_live: bool
    created: str
    expires: str | None
    detail: str


class ResponseList(Body, frozen=True, kw_only=True):
    version: int = 1
    switches: Switches
    waiting: tuple[ResponseSummary, ...]
    in_effect: tuple[ResponseSummary, ...]
    over: tuple[ResponseSummary, ...]
    by_state: dict[str, int]


class IncidentDetail(Body, frozen=True, kw_only=True):
    version: int = 1
    incident: IncidentSummary
    process: Process | None
    evidence: tuple[Evidence, ...]
    recommended_checks: tuple[str, ...]
    entities: tuple[EntityRef, ...]
    tags: tuple[str, ...]
    blind: tuple[str, ...]
    related: tuple[IncidentSummary, ...]
    responses: tuple[ResponseSummary, ...]
    switches: Switches


class SensorView(Body, frozen=True, kw_only=True):
    version: int = 1
    sensor: SensorState
    health: SensorHealth | None
    telemetry: TelemetryFields | None
    telemetry_ts: str | None
    ingest: CursorRow
    tasks: tuple[TaskRow, ...]


class Pulse(Body, frozen=True, kw_only=True):
    """`change` differs whenever a page may have something new to show."""

    version: int = 1
    change: str

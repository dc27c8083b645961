# SPDX-License-Identifier: Apache-2.0
"""What the readers of state.db get: frozen Structs, one per table that people see."""

from __future__ import annotations

import msgspec

from innerwarden.model.finding import IncidentFields
from innerwarden.model.severity import Severity
from innerwarden.model.verb import AnyVerb


class IncidentRow(msgspec.Struct, frozen=True, kw_only=True):
    """A stored incident. `id` grows with arrival; `source` is sensor, correlation or agent. `ts_ns` is event time,
    `stored_ns` the moment from which it could be read."""

    id: int
    incident_id: str
    ts_ns: int
    ts: str
    stored_ns: int
    severity: Severity
    detector: str
    title: str
    summary: str
    status: str
    source: str
    fields: IncidentFields


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """`by_hour` holds (start of the UTC hour in ns, incidents), oldest first, hours without any left out."""

    total: int
    by_severity: dict[str, int]
    by_detector: dict[str, int]
    by_hour: tuple[tuple[int, int], ...]


class TaskRow(msgspec.Struct, frozen=True, kw_only=True):
    """A periodic task. `state`: waiting, running or hung (past its budget many times over)."""

    name: str
    cadence_s: float
    budget_ms: int
    state: str
    runs: int
    overruns: int
    failures: int
    last_ns: int | None
    last_ms: float | None
    last_error: str | None


class CheckRow(msgspec.Struct, frozen=True, kw_only=True):
    """What the agent last found out about its own state; `name` is state, record, wal, anchor or responder."""

    name: str
    ok: bool
    ts_ns: int
    took_ms: float
    detail: str


class StateRow(msgspec.Struct, frozen=True, kw_only=True):
    """state.db on the disk: `wal_bytes` were written and not yet folded in, `free_bytes` are free inside the file."""

    file_bytes: int
    wal_bytes: int
    free_bytes: int
    record_entries: int


class BadLine(msgspec.Struct, frozen=True, kw_only=True):
    """A findings line that was skipped; `offset` is where it starts in `file`."""

    ts_ns: int
    file: str
    offset: int
    reason: str


class CursorRow(msgspec.Struct, frozen=True, kw_only=True):
    """How far findings.jsonl is read, and what ingest counted since the database was made.

    `file` is None before the first line was read."""

    file: str | None
    offset: int
    updated_ns: int | None
    bad_lines: int
    duplicates: int
    restarts: int
    """Times the file was found cut or replaced in place."""
    missed_files: int
    """Times the file that the cursor named was gone before it was read to its end."""
    last_bad: tuple[BadLine, ...]


class ResponseRow(msgspec.Struct, frozen=True, kw_only=True):
    """A response. `state`: proposed, intended, active, undoing, undone, done, dry_run, refused, failed or denied.
    Times are wall times; `expires_ns` is None before it took effect."""

    response_id: str
    verb: AnyVerb
    incident_id: str | None
    by: str
    reason: str
    state: str
    created_ns: int
    ttl_s: int
    expires_ns: int | None
    verified_ns: int | None
    attempts: int
    detail: str


class TriageRow(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided about an incident. `folded_into` is the incident whose decision stands for this one too;
    `explanation` is a model's, and nothing rests on it."""

    outcome: str
    by: str
    reason: str
    confidence: float
    folded_into: str | None
    decided_ns: int
    explanation: str


class GateCount(msgspec.Struct, frozen=True, kw_only=True):
    """`came_in` incidents reached the gate, it said something about `spoke`, and `settled` went no further."""

    gate: str
    came_in: int
    spoke: int
    settled: int


class Funnel(msgspec.Struct, frozen=True, kw_only=True):
    """From what came in to what was done, since the database was made; `waiting`, `open_proposals` and `in_effect`
    are of this moment. `gates` are in their order."""

    came_in: int
    folded: int
    gates: tuple[GateCount, ...]
    outcomes: dict[str, int]
    failed: int
    proposed: int
    ordered: int
    executed: int
    dry_run: int
    waiting: int
    open_proposals: int
    in_effect: int
    lookups: dict[str, int]
    """What asking others came to: `<provider>.asked`, `.failed`, `.over_budget` and so on."""

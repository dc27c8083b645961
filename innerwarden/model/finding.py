# SPDX-License-Identifier: Apache-2.0
"""The line of findings.jsonl: all that sensor and agent share.

Readers ignore members they do not know, so these Structs do not forbid unknown fields;
writers fill every member that they can. `ts` is RFC 3339 UTC with nanoseconds.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from innerwarden.model.entity import EntityRef
from innerwarden.model.severity import Severity

MAX_LINE_BYTES = 65536
TELEMETRY = "telemetry"
#: Detectors that tell facts for the agent's baseline and no incidents: lists for people leave them out.
FACTS = frozenset({"first_seen"})
#: Tag of incidents that put others together or are only unusual: nothing may ever be done because of one.
OBSERVE_ONLY = "observe-only"


class ProcessRef(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One process of a tree; `start_ns` is CLOCK_BOOTTIME and with `pid` names it for good."""

    pid: int
    start_ns: int = 0
    ppid: int | None = None
    exe: str | None = None
    exe_inode: int | None = None
    exe_dev: int | None = None
    """Of the file that `exe` was at exec, as the kernel knows it: major << 20 | minor."""
    argv: tuple[str, ...] = ()
    argv_len: int | None = None
    """Bytes that were passed to exec, terminators included."""
    argv_incomplete: bool = False
    """`argv` holds fewer of them than were passed."""
    comm: str | None = None
    uid: int | None = None
    user: str | None = None
    login_uid: int | None = None
    cwd: str | None = None
    container_id: str | None = None
    container_runtime: str | None = None
    pod_uid: str | None = None


class Process(ProcessRef, frozen=True, omit_defaults=True, kw_only=True):
    """The acting process with its birth chain, nearest first."""

    ancestors: tuple[ProcessRef, ...] = ()
    argv_sha256: str | None = None
    """Of the argument bytes that the exec's record carries, in hexadecimal; only where the finding is about an exec."""


class Evidence(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One fact. `kind` is the event kind (or `window`, `sequence`, `log`), `text` a sentence for a
    person, `details` the fields it rests on."""

    kind: str
    text: str
    ts: str | None = None
    details: dict[str, str | int | None] = msgspec.field(default_factory=dict)


class Trusted(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The trust entry that covers a finding. `severity` is what the detector said; `lowered`: it became debug."""

    entry: str
    severity: Severity
    lowered: bool
    reason: str
    owner: str
    expires: str | None = None
    """RFC 3339; None: the entry has no expiry."""


class IncidentFields(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    incident_id: str
    host: str
    title: str
    summary: str
    evidence: tuple[Evidence, ...] = ()
    recommended_checks: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    entities: tuple[EntityRef, ...] = ()
    attack: tuple[str, ...] = ()
    process: Process | None = None
    blind: tuple[str, ...] = ()
    """What was lost or unseen in the time this finding rests on."""
    suppressed_count: int = 0
    """Equal matches that the cooldown folded into this one."""
    trusted: Trusted | None = None


class TelemetryFields(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What the sensor says of itself once a minute (detector id `telemetry`, severity debug)."""

    host: str
    period_s: float
    events: dict[str, int] = msgspec.field(default_factory=dict)
    """Records per dotted kind in the period."""
    lost: dict[str, int] = msgspec.field(default_factory=dict)
    """Loss counters in the period, by place: ring.prio, ring.bulk, hits, malformed, sink, collector ids."""
    queue_depth: dict[str, int] = msgspec.field(default_factory=dict)
    rss_bytes: int = 0


class Finding(msgspec.Struct, frozen=True):
    """An incident on the wire."""

    ts: str
    detector: str
    severity: Severity
    fields: IncidentFields


def without_facts(findings: Iterable[Finding]) -> list[Finding]:
    """What people want to read."""
    return [finding for finding in findings if finding.detector not in FACTS]


class Telemetry(msgspec.Struct, frozen=True):
    ts: str
    detector: str
    severity: Severity
    fields: TelemetryFields

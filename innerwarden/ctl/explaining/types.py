# SPDX-License-Identifier: Apache-2.0
"""What `innerwarden explain --json` prints."""

from __future__ import annotations

import msgspec


class Clause(msgspec.Struct, frozen=True, kw_only=True):
    """One field with its values. `path`: which alternative of a selection it belongs to."""

    text: str
    holds: bool
    path: tuple[int, ...] = ()


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """`negated`: the condition wants it not to hold."""

    name: str
    holds: bool
    negated: bool
    clauses: tuple[Clause, ...]


class WindowState(msgspec.Struct, frozen=True, kw_only=True):
    """A correlation that the rule feeds, under this event's key. `held` of `wanted` (events, values or steps) after the
    event; `fired`: the condition held with it, and the window began anew."""

    correlation: str
    kind: str
    held: int
    wanted: int
    timespan_s: int
    fired: bool
    key: dict[str, str | int | None]
    steps: tuple[str, ...] = ()


class RuleStory(msgspec.Struct, frozen=True, kw_only=True):
    """`told`: the rule's own match became a finding. `guard` is what the log source demands, where it demands
    something. `nearness`: the share of the clauses in favour that hold."""

    rule: str
    title: str
    place: str
    condition: str
    holds: bool
    told: bool
    only_counts: bool
    nearness: float
    guard: Clause | None
    selections: tuple[Selection, ...]
    windows: tuple[WindowState, ...] = ()


class TrustAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`objection` is None where the entry covers the finding."""

    entry: str
    file: str
    line: int
    objection: str | None


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A finding. `found_as` is the severity before trust."""

    detector: str
    severity: str
    found_as: str
    summary: str
    trusted_by: str | None
    trust: tuple[TrustAnswer, ...]


class LineStory(msgspec.Struct, frozen=True, kw_only=True):
    """`kind` is None when the parser makes no event of the line. `looked_at`: rules that wait for this kind."""

    source: str
    line: str
    kind: str | None
    why: str = ""
    fields: dict[str, str | int] = msgspec.field(default_factory=dict)
    looked_at: int = 0
    rules: tuple[RuleStory, ...] = ()
    findings: tuple[Told, ...] = ()
    folded: tuple[str, ...] = ()
    """Detectors whose match was folded into an earlier one by their cooldown."""
    passed_over: tuple[str, ...] = ()
    """Python detectors whose prefilter matched and whose code said nothing."""
    native: tuple[str, ...] = ()
    """Native detectors that look at the kind; what they think is in code."""
    trust_problems: tuple[str, ...] = ()


class IncidentStory(msgspec.Struct, frozen=True, kw_only=True):
    incident_id: str
    detector: str
    form: str
    severity: str
    kind: str | None
    parameters: dict[str, int]
    cooldown_s: int
    suppressed_count: int
    window: str | None
    """What was counted, in words."""
    rules: tuple[RuleStory, ...]
    """Evaluated anew on the stored evidence."""
    notes: tuple[str, ...]
    steps: tuple[str, ...]
    """Of a correlation of incidents: its members."""
    trusted_by: str | None
    trust_text: str | None
    blind_spots: tuple[str, ...]
    lost: tuple[str, ...]
    """What was lost in the time that the finding rests on."""
    lost_around: dict[str, int]
    """What the sensor said it lost in the minute of the finding."""

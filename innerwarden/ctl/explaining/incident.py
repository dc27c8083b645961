# SPDX-License-Identifier: Apache-2.0
"""A stored incident: its detector, and what the rule's parts say to the evidence as it was stored."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from innerwarden.agent.state.read import Reader
from innerwarden.agent.state.rows import IncidentRow
from innerwarden.clock import NS, parse_rfc3339
from innerwarden.ctl.explaining.bench import Bench
from innerwarden.ctl.explaining.types import IncidentStory, RuleStory
from innerwarden.model._wire import KINDS, LAYOUT, RECORD_OF, Flag
from innerwarden.model.detector import DetectorSpec
from innerwarden.model.finding import Evidence, Process, ProcessRef
from innerwarden.model.wire import FIRST_LOG_KIND
from innerwarden.sensor.detection.host import DETAIL_CHARACTERS
from innerwarden.sensor.replay_events import record_of_fields

#: The sensor tells its losses once a minute.
TELEMETRY_NS = 61 * NS
UNSET_UID = 0xFFFFFFFF


def explain_incident(bench: Bench, reader: Reader, row: IncidentRow) -> IncidentStory:
    fields = row.fields
    spec = bench.modules.specs.get(row.detector)
    evidence = next((one for one in reversed(fields.evidence) if one.kind in KINDS), None)
    notes: list[str] = []
    rules: tuple[RuleStory, ...] = ()
    if evidence is not None and spec is not None:
        rules = _rules(bench, row, evidence, notes)
    elif spec is None and row.source == "sensor":
        notes.append(f"no detector {row.detector} is loaded now, so nothing can be asked again")
    window = next((one.text for one in fields.evidence if one.kind == "window"), None)
    mark = fields.trusted
    trust = next((one.text for one in fields.evidence if one.kind == "trust"), None)
    return IncidentStory(
        incident_id=row.incident_id,
        detector=row.detector,
        form=spec.form
        if spec
        else ("correlation of incidents" if row.source == "correlation" else "not loaded"),
        severity=str(row.severity),
        kind=evidence.kind if evidence else None,
        parameters=dict(spec.parameters) if spec else {},
        cooldown_s=spec.cooldown_s if spec else 0,
        suppressed_count=fields.suppressed_count,
        window=window,
        rules=rules,
        notes=tuple(notes),
        steps=_steps(reader, row),
        trusted_by=mark.entry if mark else None,
        trust_text=trust,
        blind_spots=spec.blind_spots if spec else (),
        lost=fields.blind,
        lost_around=_lost(reader, row.ts_ns),
    )


def _rules(bench: Bench, row: IncidentRow, evidence: Evidence, notes: list[str]) -> tuple[RuleStory, ...]:
    spec = bench.modules.specs[row.detector]
    record = record_again(evidence, row.fields.process, notes)
    if record is None:
        return ()
    for process in _chain(row.fields.process):
        bench.seed(**_seed(process, row.fields.process))
    _hits, holding = bench.feed(record)
    stories = tuple(bench.story(owner, holding, frozenset()) for owner in _owners(bench, spec, evidence.kind))
    if spec.form == "native":
        notes.append("a native detector: its conditions are code; see docs/detectors.md for its trigger")
    elif stories and not any(story.holds for story in stories):
        notes.append(
            "on the stored evidence the rule does not hold now: it changed, or the evidence is not all it saw"
        )
    return stories


def _owners(bench: Bench, spec: DetectorSpec, kind: str) -> Sequence[str]:
    """The rule itself, or those that a correlation is made of and that look at the evidence's kind."""
    correlation = bench.correlations.get(spec.id)
    waiting = set(bench.waiting(kind))
    owners = correlation.rules if correlation is not None else (spec.id,)
    return [owner for owner in owners if owner in waiting]


def record_again(evidence: Evidence, process: Process | None, notes: list[str]) -> bytes | None:
    """The record that the evidence was made of, as far as it was stored; what is missing goes to `notes`."""
    kind = KINDS[evidence.kind]
    details: dict[str, Any] = {name: value for name, value in evidence.details.items() if value is not None}
    names = {name for name, _at, _shape in LAYOUT[RECORD_OF[kind]]}
    if "argv" in names and process is not None:
        details["argv"] = list(process.argv)
    if kind >= FIRST_LOG_KIND:
        details["flags"] = int(Flag.REALTIME)
    if evidence.ts is not None:
        details.setdefault("ts_ns", parse_rfc3339(evidence.ts))
    cut = [n for n, value in details.items() if isinstance(value, str) and len(value) == DETAIL_CHARACTERS]
    if cut:
        notes.append(f"stored only in part: {', '.join(cut)}")
    try:
        return record_of_fields(evidence.kind, details)
    except (KeyError, ValueError, TypeError, OverflowError, struct.error):
        notes.append("the stored evidence makes no record again")
        return None


def _chain(process: Process | None) -> tuple[ProcessRef, ...]:
    return () if process is None else (process, *process.ancestors)


def _seed(one: ProcessRef, process: Process | None) -> dict[str, Any]:
    chain = _chain(process)
    place = next(number for number, other in enumerate(chain) if other is one)
    parent = chain[place + 1] if place + 1 < len(chain) else None
    return {
        "pid": one.pid,
        "start_ns": one.start_ns,
        "ppid": parent.pid if parent else (one.ppid or 0),
        "parent_start_ns": parent.start_ns if parent else 0,
        "uid": one.uid or 0,
        "login_uid": UNSET_UID if one.login_uid is None else one.login_uid,
        "comm": (one.comm or "").encode()[:15],
        "exe_path": one.exe.encode() if one.exe else None,
        "argv": b"".join(word.encode() + b"\0" for word in one.argv),
        "cwd": one.cwd.encode() if one.cwd else None,
    }


def _steps(reader: Reader, row: IncidentRow) -> tuple[str, ...]:
    if row.source != "correlation":
        return ()
    return tuple(
        f"{one.ts} {one.detector}: {one.summary} ({one.incident_id})"
        for one in reader.related(row.incident_id)
    )


def _lost(reader: Reader, ts_ns: int) -> dict[str, int]:
    """Of the first report after the finding that is about its time."""
    for report in reader.telemetry_since(ts_ns):
        begun_ns = parse_rfc3339(report.ts) - int(report.fields.period_s * NS)
        if begun_ns <= ts_ns + TELEMETRY_NS:
            return dict(report.fields.lost) if begun_ns <= ts_ns else {}
        break
    return {}

# SPDX-License-Identifier: Apache-2.0
"""The stories for a person."""

from __future__ import annotations

from collections.abc import Iterator

from innerwarden.ctl.explaining.types import (
    Clause,
    IncidentStory,
    LineStory,
    RuleStory,
    Selection,
    Told,
    WindowState,
)
from innerwarden.model.vocabulary import LOG_KINDS

YES, NO = "+", "-"
#: Fields that say nothing to a person.
DULL = ("flags", "cpu", "sequence", "source_id", "reserved0")


def line_text(story: LineStory) -> Iterator[str]:
    yield f"line      {story.line}"
    if story.kind is None:
        yield f"event     none: {story.why}"
        return
    yield f"event     {story.kind}, read as {story.source}"
    for name, value in story.fields.items():
        if name not in DULL and not (value == 0 and story.kind in LOG_KINDS):
            yield f"          {name} = {value}"
    matched = sum(rule.holds for rule in story.rules)
    yield f"rules     {story.looked_at} look at {story.kind}; {matched} match"
    for rule in story.rules:
        yield ""
        yield from _rule(rule)
    yield ""
    for finding in story.findings:
        yield from _finding(finding)
    for name in story.folded:
        yield f"folded    {name}: into an earlier match"
    for name in story.passed_over:
        yield f"passed    {name}: Python behind this prefilter, which said nothing (or folded it)"
    if story.native:
        yield f"native    {', '.join(story.native)} look at it as well; what they think is in code"
    if not story.findings:
        yield "finding   none"
    for problem in story.trust_problems:
        yield f"trust     not used: {problem}"


def _rule(rule: RuleStory) -> Iterator[str]:
    state = "matches" if rule.holds else "does not match"
    state += " (only counts)" if rule.only_counts and rule.holds else ""
    yield f"{YES if rule.holds else NO} {rule.rule} {state}: {rule.title}"
    yield f"    condition: {rule.condition}" + (f"    ({rule.place})" if rule.place else "")
    if rule.guard is not None:
        yield f"    {_sign(rule.guard)} {rule.guard.text}"
    for selection in rule.selections:
        yield from _selection(selection)
    for window in rule.windows:
        yield f"    {_window(window)}"


def _selection(selection: Selection) -> Iterator[str]:
    against = ", which speaks against the rule" if selection.negated else ""
    yield f"    {YES if selection.holds else NO} {selection.name}{against}"
    for clause in selection.clauses:
        where = f"[{'.'.join(str(n + 1) for n in clause.path)}] " if clause.path else ""
        yield f"        {_sign(clause)} {where}{clause.text}"


def _sign(clause: Clause) -> str:
    return YES if clause.holds else NO


def _window(window: WindowState) -> str:
    key = ", ".join(f"{name} {value}" for name, value in window.key.items()) or "one window for all"
    what = {"event_count": "events", "value_count": "values"}.get(window.kind, "steps")
    state = "fired" if window.fired else f"{window.held} of {window.wanted} {what}"
    steps = f" ({', '.join(window.steps)})" if window.steps else ""
    wanted = f" ({window.wanted} {what})" if window.fired else ""
    return f"window {window.correlation}: {state}{wanted}{steps} in {window.timespan_s} s, for {key}"


def _finding(finding: Told) -> Iterator[str]:
    yield f"finding   {finding.severity}: {finding.detector}: {finding.summary}"
    if finding.trusted_by is not None:
        yield f"trust     covered by {finding.trusted_by}; the detector said {finding.found_as}"
    for answer in finding.trust:
        yield f"          {answer.entry} ({answer.file}:{answer.line}): {answer.objection or 'covers it'}"


def incident_text(story: IncidentStory) -> Iterator[str]:
    yield f"incident  {story.incident_id}"
    yield f"detector  {story.detector} ({story.form}), {story.severity}"
    for name, value in story.parameters.items():
        yield f"          {name} = {value}"
    if story.form != "correlation of incidents":
        folded = f"; {story.suppressed_count} more folded into it" if story.suppressed_count else ""
        yield f"          equal matches fold for {story.cooldown_s} s{folded}"
    if story.window:
        yield f"counted   {story.window}"
    for step in story.steps:
        yield f"step      {step}"
    if story.rules:
        yield f"rules     on the stored evidence ({story.kind})"
    for rule in story.rules:
        yield ""
        yield from _rule(rule)
    if story.rules:
        yield ""
    for note in story.notes:
        yield f"note      {note}"
    yield f"trust     {story.trust_text or 'no entry covered it'}"
    for text in story.lost or ("nothing was lost in the time that it rests on",):
        yield f"lost      {text}"
    for place, count in story.lost_around.items():
        yield f"          in its minute: {count} at {place}"
    for text in story.blind_spots:
        yield f"blind     {text}"

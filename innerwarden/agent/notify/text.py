# SPDX-License-Identifier: Apache-2.0
"""A message in plain words: lines of spans, each either ours or from outside."""

from __future__ import annotations

import shlex

import msgspec

from innerwarden.agent.notify.message import Message, cut
from innerwarden.agent.state.notices import Held
from innerwarden.clock import rfc3339
from innerwarden.model.entity import EntityRef, EntityType
from innerwarden.model.record import Outcome

VALUE_LIMIT = 120
_WHO = {
    EntityType.IP: "address",
    EntityType.USER: "user",
    EntityType.PATH: "file",
    EntityType.CONTAINER: "container",
    EntityType.SERVICE: "service",
    EntityType.PROCESS: "process",
}
_DONE = {
    Outcome.ACT: "Decided: ",
    Outcome.PROPOSE: "Proposed, and waiting for your word: ",
    Outcome.WATCH: "Nothing was done; it is being watched",
    Outcome.DISMISS: "Nothing was done; it was dismissed",
    Outcome.NEEDS_REVIEW: "Nothing was done; a person should look at it",
}
_COUNTED = {
    Outcome.ACT: "an action was decided",
    Outcome.PROPOSE: "an action was proposed",
    Outcome.WATCH: "watched only",
    Outcome.DISMISS: "dismissed",
    Outcome.NEEDS_REVIEW: "left for a person",
}


class Span(msgspec.Struct, frozen=True):
    """`outside`: an attacker may have chosen it, so it is escaped and never interpreted."""

    text: str
    outside: bool = False


Line = tuple[Span, ...]


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """`last` says how to see more; it stays when the rest must be cut."""

    title: Line
    body: tuple[Line, ...]
    last: Line


def tell(message: Message) -> Text:
    """What happened, who, what was done or is proposed, how to see more."""
    return _TELL[message.kind](message)


def ours(text: str) -> Span:
    return Span(text)


def theirs(text: str, limit: int = VALUE_LIMIT) -> Span:
    return Span(cut(text, limit), outside=True)


def _incident(message: Message) -> Text:
    title = (
        ours(f"{message.severity.value.upper()} on "),
        theirs(message.host),
        ours(": "),
        theirs(message.title),
    )
    body: list[Line] = [(theirs(message.summary, 600),)] if message.summary else []
    if message.entities:
        body.append((ours("Who: "), *_who(message.entities)))
    body.append(_done(message))
    if message.attack:
        body.append((ours("Technique: "), theirs(", ".join(message.attack))))
    body.append((ours(f"When: {_time(message.ts_ns)}, told by "), theirs(message.detector)))
    return Text(title=title, body=tuple(body), last=_see(message.incident_id))


def _closed(message: Message) -> Text:
    title = (ours("Closed on "), theirs(message.host), ours(": "), theirs(message.title))
    body = ((ours("By: "), theirs(message.reason)),) if message.reason else ()
    return Text(title=title, body=body, last=_see(message.incident_id))


def _summary(message: Message) -> Text:
    title = (
        ours(f"{message.count} more {message.severity.value.upper()} on "),
        theirs(message.host),
        ours(": "),
        theirs(message.detector),
    )
    body: list[Line] = [(ours(f"Like the one told before, since {_time(message.ts_ns)}."),)]
    if message.entities:
        body.append((ours("Who: "), *_who(message.entities)))
    return Text(title=title, body=tuple(body), last=_see(message.incident_id))


def _digest(message: Message) -> Text:
    held = _held(message)
    title = (ours("Digest of "), theirs(message.host), ours(f": {_count(held.total)} not told one by one"))
    return Text(title=title, body=(*_numbers(held), *_evicted(message)), last=_list())


def _burst(message: Message) -> Text:
    held = _held(message)
    title = (
        ours("Under attack: "),
        theirs(message.host),
        ours(f", {_count(held.total)} held back within an hour"),
    )
    return Text(title=title, body=(*_numbers(held), *_evicted(message)), last=_list())


def _test(message: Message) -> Text:
    title = (ours("Test from "), theirs(message.host))
    body = ((ours("This channel works. Nothing happened."),),)
    return Text(title=title, body=body, last=(ours("Sent by: innerwarden notify test"),))


_TELL = {
    "incident": _incident,
    "closed": _closed,
    "summary": _summary,
    "digest": _digest,
    "burst": _burst,
    "test": _test,
}


def _held(message: Message) -> Held:
    if message.held is None:
        raise ValueError(f"a {message.kind} has no numbers")
    return message.held


def _numbers(held: Held) -> tuple[Line, ...]:
    lines: list[Line] = []
    if held.total:
        severities = ", ".join(f"{count} {name}" for name, count in held.by_severity.items())
        lines.append((ours(f"Severity: {severities}; about {held.entities} different subjects."),))
        outcomes = ", ".join(
            f"{_COUNTED[Outcome(name)]} for {count}" for name, count in held.by_outcome.items()
        )
        lines.append((ours(f"Outcome: {outcomes}."),))
    for detector, count in held.by_detector:
        lines.append((ours(f"{count} x "), theirs(detector)))
    if held.detectors > len(held.by_detector):
        lines.append((ours(f"and {held.detectors - len(held.by_detector)} more detectors"),))
    for incident_id in held.worst:
        lines.append((ours("Gravest: "), theirs(shlex.quote(incident_id), 300)))
    return tuple(lines)


def _evicted(message: Message) -> tuple[Line, ...]:
    text = f"{message.evicted} more since the last digest are in these numbers nowhere: too many waited."
    return ((ours(text),),) if message.evicted else ()


def _who(entities: tuple[EntityRef, ...]) -> Line:
    spans: list[Span] = []
    for one in entities:
        spans += [ours(f"{', ' if spans else ''}{_WHO[one.type]} "), theirs(one.value)]
    return tuple(spans)


def _done(message: Message) -> Line:
    """Decided is not done: whether it took effect is known later, and told by the command in the last line."""
    outcome = message.outcome or Outcome.WATCH
    if outcome not in (Outcome.ACT, Outcome.PROPOSE) or not message.action:
        why = (ours(": "), theirs(message.reason, 300)) if message.reason else ()
        text = _DONE[outcome] if outcome not in (Outcome.ACT, Outcome.PROPOSE) else "An action was decided"
        return (ours(text), *why)
    ttl = "" if message.ttl_s is None else f" for {_span(message.ttl_s)}"
    rehearsal = " (rehearsal: nothing is touched)" if message.dry_run else ""
    why = (ours("; "), theirs(message.reason, 300)) if message.reason else ()
    return (ours(_DONE[outcome]), theirs(message.action, 300), ours(f"{ttl}{rehearsal}"), *why)


def _see(incident_id: str) -> Line:
    return (ours("See more: innerwarden incident "), theirs(shlex.quote(incident_id), 400))


def _list() -> Line:
    return (ours("See more: innerwarden incidents --since 1d"),)


def _count(number: int) -> str:
    return "1 incident" if number == 1 else f"{number} incidents"


def _span(seconds: int) -> str:
    return f"{seconds // 60} min" if seconds % 60 == 0 else f"{seconds} s"


def _time(ts_ns: int) -> str:
    return f"{rfc3339(ts_ns)[:19].replace('T', ' ')} UTC"

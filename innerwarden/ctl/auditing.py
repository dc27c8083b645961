# SPDX-License-Identifier: Apache-2.0
"""Opening the record, and its entries in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from innerwarden import paths
from innerwarden.ctl.reading import check_readable
from innerwarden.model.record import Answered, AnyEntry, Decided, Operated, Outcome, Pruned, Requested, Undone
from innerwarden.model.verb import Verb

if TYPE_CHECKING:
    from innerwarden.agent.state.audit import Audit

OUTCOMES = {
    Outcome.ACT: "act",
    Outcome.PROPOSE: "propose, and wait for an operator",
    Outcome.WATCH: "watch",
    Outcome.DISMISS: "dismiss",
    Outcome.NEEDS_REVIEW: "a person must look",
}


@contextmanager
def auditing(data_dir: Path) -> Iterator[Audit]:
    """A read-only connection to the record, closed at the end."""
    from innerwarden.agent.state.audit import Audit

    check_readable(data_dir)
    with Audit(paths.state_db(data_dir)) as audit:
        yield audit


def words(entry: AnyEntry | None) -> str:
    """One sentence; what outside text stands in it is escaped by who prints it."""
    text = "an entry that this version does not know"
    match entry:
        case Decided():
            verb = "" if entry.verb is None else f" ({_verb(entry.verb)}{_span(entry.ttl_s)})"
            sure = "" if entry.confidence is None else f", {entry.confidence:.0%} sure"
            text = (
                f"{OUTCOMES[entry.outcome]}{verb} on {entry.incident_id}: {entry.reason} [{entry.by}{sure}]"
            )
        case Requested():
            asked = "tried without effect (dry run)" if entry.dry_run else "asked the responder"
            text = f"{entry.response_id}: {asked} to {_verb(entry.verb)}{_span(entry.ttl_s)} [{entry.by}]"
        case Answered():
            text = f"{entry.response_id}: {_state(entry.state)}{_detail(entry.detail)}"
        case Undone():
            text = f"{entry.response_id}: {_state(entry.state)}, because {entry.why}{_detail(entry.detail)}"
        case Operated():
            text = f"{entry.who}: {entry.what} {entry.subject}{_detail(entry.reason)}"
        case Pruned():
            text = f"retention removed entries {entry.first_seq} to {entry.last_seq} ({entry.entry_count})"
    return text


def _state(name: str) -> str:
    return name.replace("_", " ")


def _verb(verb: Verb) -> str:
    target = verb.target()
    return f"{verb.id.replace('_', ' ')} {target.value}"


def _span(seconds: int | None) -> str:
    return "" if seconds is None else f" for {seconds} s"


def _detail(text: str) -> str:
    return f": {text}" if text else ""

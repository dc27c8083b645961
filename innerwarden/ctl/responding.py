# SPDX-License-Identifier: Apache-2.0
"""What `doctor` says of the responder: asked over its own socket, and held against state.db."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from innerwarden.agent.respond.client import Away, Client
from innerwarden.clock import NS, realtime_ns
from innerwarden.config import Config, ResponderConfig
from innerwarden.ctl.output import shown
from innerwarden.ctl.reading import reading
from innerwarden.ctl.sources import Check
from innerwarden.errors import InnerWardenError
from innerwarden.model.responder import Hello, Live, Way, Welcome
from innerwarden.switches import switches_on

ANSWER_S = 30.0
#: The responder looks every 15 s; a look may take its time.
UNSEEN_S = 120.0
#: Entries that a check names.
NAMED = 3
#: States of a response that its effect belongs to.
_WANTED = ("intended", "active", "undoing")
RESTART = "Restart it: systemctl restart innerwarden-responder (or innerwarden run)"


def responder_checks(config: Config, data_dir: Path) -> list[Check]:
    """Nothing is asked while `responder.enabled` is off: then nobody misses it."""
    settings = config.responder
    if settings.enabled is not True:
        return [Check(name="responder", state="ok", detail="responder.enabled is off: nothing is done")]
    checks = list(_operators(settings))
    client = Client(settings.socket, ANSWER_S)
    try:
        welcome = client.ask(Hello())
        live = client.live()
    except Away as away:
        remedy = f"{away.remedy}; only root and the agent may ask, so run this with sudo"
        return [*checks, _failed("responder", away.problem, remedy)]
    finally:
        client.close()
    if not isinstance(welcome, Welcome):
        return [*checks, _failed("responder", "it answered something else than who it is", RESTART)]
    return [*checks, _itself(welcome, settings), *_ways(welcome.ways), *_effects(live, data_dir)]


def _operators(settings: ResponderConfig) -> Iterator[Check]:
    if switches_on(settings) and not settings.operators:
        yield Check(
            name="responder.operators",
            state="warning",
            detail="it is empty: every session is protected, that of an intruder with a login too",
            remedy="Name the users who administer this host in responder.operators",
        )


def _itself(welcome: Welcome, settings: ResponderConfig) -> Check:
    if welcome.problem:
        return _failed("responder", f"it cannot act: {welcome.problem}", "Look at the disk of its journal")
    if (welcome.enabled, welcome.dry_run) != (settings.enabled, settings.dry_run):
        return Check(
            name="responder",
            state="warning",
            detail=f"it runs with enabled = {welcome.enabled}, dry_run = {welcome.dry_run}, and was configured anew",
            remedy=RESTART,
        )
    mode = "dry run" if welcome.dry_run else "acts"
    detail = f"pid {welcome.pid}, {mode}, {welcome.live_count} in effect"
    return Check(name="responder", state="ok", detail=detail)


def _ways(ways: dict[str, Way]) -> Iterator[Check]:
    for verb, way in ways.items():
        by = f"{verb} by {way.name}: {way.why}"
        if not way.name:
            yield _failed(f"responder.{verb}", shown(way.problem), "Set responder.backend to one that can")
        elif way.problem:
            detail = shown(f"{by}; {way.problem}")
            yield Check(
                name=f"responder.{verb}",
                state="warning",
                detail=detail,
                remedy="Set responder.backend to auto, or disable all but one program that rules this host",
            )
        else:
            yield Check(name=f"responder.{verb}", state="ok", detail=by)


def _effects(live: list[Live], data_dir: Path) -> Iterator[Check]:
    stuck = [one for one in live if one.state == "undoing"]
    if stuck:
        detail = f"{len(stuck)} cannot be undone: {_named(stuck)}"
        yield _failed("responder.undo", detail, "It is tried again; remove what stands in the way")
    unseen = [one for one in live if one.state == "active" and (one.detail or _is_old(one))]
    if unseen:
        detail = f"{len(unseen)} are not verified to be in effect: {_named(unseen)}"
        yield _failed(
            "responder.verify", detail, "See the responder's log; innerwarden undo ends one that is no use"
        )
    unknown = _unknown(live, data_dir)
    if unknown:
        detail = f"{len(unknown)} in effect belong to no response of the agent: {_named(unknown)}"
        yield Check(
            name="responder.unknown",
            state="warning",
            detail=detail,
            remedy="The agent undoes its own within a minute; others end in time, or by: innerwarden responder --clear",
        )


def _is_old(one: Live) -> bool:
    return one.verified_ns is None or realtime_ns() - one.verified_ns > UNSEEN_S * NS


def _unknown(live: list[Live], data_dir: Path) -> list[Live]:
    """In effect, and no response of state.db wants it. Without state.db nothing is claimed."""
    with suppress(InnerWardenError), reading(data_dir) as reader:
        wanted = {row.response_id for row in reader.responses(states=_WANTED, limit=len(live) + 1_000)}
        return [one for one in live if one.request_id.partition("-")[0] not in wanted]
    return []


def _named(some: list[Live]) -> str:
    texts = [f"{one.request_id} {one.verb.key()} {one.detail}".rstrip() for one in some[:NAMED]]
    more = [f"and {len(some) - NAMED} more"] if len(some) > NAMED else []
    return shown("; ".join([*texts, *more]))


def _failed(name: str, detail: str, remedy: str) -> Check:
    return Check(name=name, state="failed", detail=detail, remedy=remedy)

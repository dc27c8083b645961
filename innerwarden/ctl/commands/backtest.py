# SPDX-License-Identifier: Apache-2.0
"""`innerwarden backtest`: whom the rules of now would have acted on, over what is stored."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from innerwarden import paths
from innerwarden.ctl.options import ConfigFile, DataDir, Json, data_dir_of, since_ns
from innerwarden.ctl.output import emit_json, note, shown, table

if TYPE_CHECKING:
    from innerwarden.agent.backtest import Backtest, WouldAct
    from innerwarden.agent.ingest import Observer
    from innerwarden.agent.triage.gather import Sources
    from innerwarden.agent.triage.settings import Settings
    from innerwarden.config import Config

PROGRESS_S = 2.0
#: Targets that are printed; --json has all.
SHOWN = 200


def register(app: typer.Typer) -> None:
    app.command("backtest")(backtest)


def backtest(
    *,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    since: Annotated[str, typer.Option(help="15m, 1h, 7d back, or an RFC 3339 time.")] = "7d",
    json: Json = False,
) -> None:
    """Say whom the rules of now would have acted on and why; nothing is done and nothing is stored."""
    from innerwarden.agent.backtest import backtest as replay
    from innerwarden.config import load
    from innerwarden.ctl.reading import check_readable

    settings = load(config)
    moment = since_ns(since)
    directory = data_dir_of(data_dir)
    check_readable(directory)
    found = replay(
        paths.state_db(directory),
        moment or 0,
        observe=_observe(),
        made_anew=_reported(),
        settings=_settings(settings, directory),
        sources=_sources(settings),
        progress=_Progress(),
    )
    if json:
        emit_json("backtest", found)
    else:
        _print(found)


class _Progress:
    """A line every PROGRESS_S, so that a long run is seen to go on."""

    def __init__(self) -> None:
        self._next = time.monotonic() + PROGRESS_S

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + PROGRESS_S
            note(f"{done} of {total} findings")


def _observe() -> Observer:
    """What depends on the findings alone. What the baseline and the profiles of attackers said is taken as it was
    said: they know more than what is stored."""
    from innerwarden.agent.correlate.engine import Correlator
    from innerwarden.agent.correlate.registry import find_rules
    from innerwarden.agent.killchain.engine import KillChain
    from innerwarden.users import Users

    correlate, advance = Correlator(find_rules(), Users().name).observe, KillChain().observe
    return lambda tx, incident: correlate(tx, incident) + advance(tx, incident)


def _reported() -> list[str]:
    """What the kill chain reports."""
    from innerwarden.agent.killchain.patterns import PATTERNS
    from innerwarden.agent.killchain.story import PROGRESS

    return [PROGRESS, *(pattern.detector for pattern in PATTERNS)]


def _settings(config: Config, data_dir: Path) -> Settings:
    """The host is looked at once: two runs judge by the same facts."""
    from innerwarden.agent import derived
    from innerwarden.agent.correlate.registry import find_rules
    from innerwarden.agent.triage.compose import Safety, settings_of
    from innerwarden.safety import look

    facts = look()
    safety = Safety(config, own=paths.own_places(data_dir), facts=lambda: facts)
    return settings_of(config, safety, [rule.id for rule in find_rules()], derived.ids())


def _sources(config: Config) -> Sources:
    from innerwarden.agent.triage.gather import Sources
    from innerwarden.agent.triage.sshd import read_sshd
    from innerwarden.clock import NS
    from innerwarden.trust.store import TrustStore

    trust = TrustStore(Path(config.trust.directory))
    trust.refresh()
    entries, ssh = trust.current, read_sshd()
    return Sources(ssh=lambda: ssh, trust=lambda: entries, related_ns=config.triage.related_s * NS)


def _print(found: Backtest) -> None:
    from innerwarden.ctl.commands.status import print_funnel

    if found.first is None or found.last is None:
        note("no finding is stored in that time")
        return
    print(f"{found.finding_count} findings from {found.first[:19]} to {found.last[:19]} UTC\n")
    if found.acts:
        columns = ("first (UTC)", "would", "what", "target", "times", "by")
        table("", columns, [_cells(one, found.dry_run) for one in found.acts[:SHOWN]])
        print()
        for one in found.acts[:SHOWN]:
            print(shown(f"{one.verb.target().value}: {one.reason} [{one.incident_id}]"))
        if len(found.acts) > SHOWN:
            note(f"{len(found.acts)} targets; the first {SHOWN} are shown, --json has all")
    else:
        print("nobody would have been acted on, and nothing proposed")
    print_funnel(found.funnel)
    note("nothing was done; reputation was not asked, and nobody answered a proposal")


def _cells(one: WouldAct, dry_run: bool) -> tuple[str, ...]:
    would = "propose" if not one.unasked else "dry run" if dry_run else "act"
    when = f"{one.first[:10]} {one.first[11:19]}"
    return when, would, one.verb.id, one.verb.target().value, str(one.count), one.by

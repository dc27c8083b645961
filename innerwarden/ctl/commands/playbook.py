# SPDX-License-Identifier: Apache-2.0
"""`innerwarden playbook list|test`: which there are, and what they would do about an incident."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from innerwarden.ctl.options import ConfigFile, DataDir, Json, data_dir_of
from innerwarden.ctl.output import emit_json, note, shown, table

if TYPE_CHECKING:
    from innerwarden.agent.triage.settings import Settings
    from innerwarden.config import Config

group = typer.Typer(help="Look at playbooks.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="playbook")


@group.command("list")
def list_(config: ConfigFile = None, json: Json = False) -> None:
    """List the playbooks in effect (exit code 1: one of the files cannot be used)."""
    from innerwarden.config import load

    chosen = _settings(load(config))
    if json:
        emit_json("playbook list", chosen.playbooks)
        return
    rows = [
        (
            one.id,
            "shadow" if one.shadow else "acts" if one.auto_execute else "proposes",
            ", ".join(step.verb for step in one.steps),
            one.title,
        )
        for one in chosen.playbooks
    ]
    table("", ("playbook", "mode", "steps", "for"), rows)


@group.command("test")
def test(
    incident_id: Annotated[str, typer.Argument(metavar="ID", help="As `innerwarden incidents` prints it.")],
    data_dir: DataDir = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Say what each playbook would do about a stored incident; nothing is done (exit code 1: none applies)."""
    from innerwarden import paths
    from innerwarden.agent.triage.simulate import simulate
    from innerwarden.config import load
    from innerwarden.ctl.reading import reading
    from innerwarden.errors import UsageError

    settings = load(config)
    directory = data_dir_of(data_dir)
    with reading(directory) as reader:
        row = reader.incident(incident_id)
    if row is None:
        raise UsageError(f"no incident has the id {incident_id!r}", "List them: innerwarden incidents")
    found = simulate(paths.state_db(directory), row, _settings(settings), settings)
    if json:
        emit_json("playbook test", {"incident_id": incident_id, "playbooks": found})
    else:
        for one in found:
            print(shown(f"{one.playbook}: {one.objection or 'applies'}"))
            for step in one.steps:
                print(shown(f"  {step.step}: {step.verb} {step.target}: {step.answer}"))
        note("nothing was done")
    raise typer.Exit(0 if any(one.objection is None for one in found) else 1)


def _settings(config: Config) -> Settings:
    from innerwarden.agent import derived
    from innerwarden.agent.correlate.registry import find_rules
    from innerwarden.agent.triage.compose import Safety, settings_of

    return settings_of(config, Safety(config), [rule.id for rule in find_rules()], derived.ids())

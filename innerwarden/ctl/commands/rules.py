# SPDX-License-Identifier: Apache-2.0
"""`innerwarden rules check`: what a directory of Sigma rules is worth on this sensor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from innerwarden.ctl.options import Json
from innerwarden.ctl.output import emit_json, note, shown, table

group = typer.Typer(help="Look at Sigma rules from elsewhere.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="rules")


@group.callback()
def _rules() -> None:
    """Keeps `check` a command of its own while it is the only one."""


@group.command("check")
def check_(
    directory: Annotated[
        Path, typer.Argument(help="A directory of Sigma files, or one file.", show_default=False)
    ],
    every: Annotated[
        bool, typer.Option("--all", help="List every rule that is refused or fires in part.")
    ] = False,
    json: Json = False,
) -> None:
    """How many rules compile, how many can fire with the events there are, and why not (exit code 1: some refused)."""
    from innerwarden.errors import UsageError
    from innerwarden.rules.check import FIRES, IN_PART, REFUSED, check
    from innerwarden.rules.files import sources_below

    if not directory.exists():
        raise UsageError(f"there is no {directory}", "Give a directory of Sigma files")
    report = check(sources_below(directory, relative=True))
    if not report.rules:
        raise UsageError(f"{directory} holds no .yml or .yaml file", "Give a directory of Sigma files")
    totals = report.totals
    if json:
        data = {
            "directory": str(directory),
            "rules": len(report.rules),
            "compiled": totals[FIRES] + totals[IN_PART],
            "by_state": {state: totals[state] for state in (FIRES, IN_PART, REFUSED)},
            "by_source": report.by_source,
            "reasons": report.groups,
            "documents": report.rules,
        }
        emit_json("rules check", data)
        raise typer.Exit(1 if totals[REFUSED] else 0)
    rows = [
        (source, str(sum(counts.values())), *(str(counts[state]) for state in (FIRES, IN_PART, REFUSED)))
        for source, counts in report.by_source.items()
    ]
    sums = (str(totals[state]) for state in (FIRES, IN_PART, REFUSED))
    table(
        "", ("log source", "rules", FIRES, IN_PART, REFUSED), [*rows, ("all", str(len(report.rules)), *sums)]
    )
    if report.groups:
        print()
        table(
            "", ("rules", "state", "why"), [(str(one.count), one.state, one.reason) for one in report.groups]
        )
    if every:
        print()
        for rule in report.rules:
            for reason in rule.reasons:
                print(shown(f"{rule.file}:{rule.line}: {rule.state}: {reason}"))
    note(
        f"{len(report.rules)} rules: {totals[FIRES] + totals[IN_PART]} compile, {totals[FIRES]} can fire whole"
    )
    raise typer.Exit(1 if totals[REFUSED] else 0)

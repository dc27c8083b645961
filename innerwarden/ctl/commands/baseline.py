# SPDX-License-Identifier: Apache-2.0
"""`innerwarden baseline`: what was learned about this host, and what was unusual."""

from __future__ import annotations

import typer

from innerwarden.ctl.options import ConfigFile, DataDir, Json, data_dir_of
from innerwarden.ctl.output import emit_json, note, shown, table

PERCENT = 100


def register(app: typer.Typer) -> None:
    app.command("baseline")(baseline)


def baseline(data_dir: DataDir = None, config: ConfigFile = None, json: Json = False) -> None:
    """Show how much was learned of what is usual here, and what was unusual."""
    from innerwarden import paths
    from innerwarden.agent.state.usual_read import UsualReader
    from innerwarden.config import load

    settings = load(config).baseline
    with UsualReader(paths.state_db(data_dir_of(data_dir))) as reader:
        report = reader.report(settings.learning_days)
    if json:
        emit_json("baseline", report)
        return
    if not settings.enabled:
        note("baseline.enabled is false: nothing is learned")
    rows = [(p.part, f"{p.percent} %", str(p.known), str(p.waiting), p.reason) for p in report.parts]
    table("", ("part", "learned", "known", "waiting", "why"), rows)
    if not report.unusual:
        note("nothing was unusual so far")
        return
    table(
        "",
        ("time (UTC)", "part", "what", "told"),
        [
            (f"{u.ts[:10]} {u.ts[11:19]}", u.part, shown(u.text), u.told or "would have alerted")
            for u in report.unusual
        ],
    )

# SPDX-License-Identifier: Apache-2.0
"""`innerwarden responses`: what is done or proposed about incidents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from innerwarden.ctl.options import DataDir, Json, data_dir_of

if TYPE_CHECKING:
    from innerwarden.agent.state.rows import ResponseRow

COLUMNS = ("id", "state", "what", "target", "until (UTC)", "by", "why")


def register(app: typer.Typer) -> None:
    app.command("responses")(responses)


def responses(
    *,
    data_dir: DataDir = None,
    state: Annotated[
        list[str] | None, typer.Option(help="Only these states, such as proposed or active. May be repeated.")
    ] = None,
    incident: Annotated[str | None, typer.Option(help="Only those of one incident.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=10000)] = 50,
    json: Json = False,
) -> None:
    """List responses, newest first."""
    from innerwarden.ctl.output import emit_json, note, table
    from innerwarden.ctl.reading import reading

    with reading(data_dir_of(data_dir)) as reader:
        rows = reader.responses(states=state or (), incident_id=incident, limit=limit)
    if json:
        emit_json("responses", rows)
    elif rows:
        table("", COLUMNS, map(_cells, rows))
    else:
        note("no response matches" if state or incident else "nothing was done or proposed so far")


def _cells(row: ResponseRow) -> tuple[str, ...]:
    from innerwarden.clock import rfc3339

    until = "" if row.expires_ns is None else rfc3339(row.expires_ns)[:19].replace("T", " ")
    return row.response_id, row.state, row.verb.id, row.verb.target().value, until, row.by, row.reason

# SPDX-License-Identifier: Apache-2.0
"""`innerwarden incidents`: what was found, newest first."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from innerwarden.ctl.options import DataDir, Json, data_dir_of, severity_of, since_ns
from innerwarden.ctl.output import emit_json, note, table

if TYPE_CHECKING:
    from innerwarden.agent.state.rows import IncidentRow

COLUMNS = ("time (UTC)", "severity", "detector", "what", "id")


def register(app: typer.Typer) -> None:
    app.command("incidents")(incidents)


def incidents(
    *,
    data_dir: DataDir = None,
    since: Annotated[str | None, typer.Option(help="15m, 1h, 2d back, or an RFC 3339 time.")] = None,
    severity: Annotated[str | None, typer.Option(help="This severity and above.")] = None,
    detector: Annotated[str | None, typer.Option(help="Only this detector's.")] = None,
    entity: Annotated[str | None, typer.Option(help="About this address, user or path.")] = None,
    text: Annotated[str | None, typer.Option(help="Words in title, summary, detector or id.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=10000)] = 50,
    json: Json = False,
) -> None:
    """List incidents, newest first."""
    from innerwarden.ctl.reading import reading
    from innerwarden.ctl.story import brief

    since_moment, least = since_ns(since), severity_of(severity)
    with reading(data_dir_of(data_dir)) as reader:
        rows = reader.incidents(
            since_ns=since_moment,
            min_severity=least,
            detector=detector,
            entity=entity,
            text=text,
            limit=limit + 1,
        )
    shown_rows = rows[:limit]
    if json:
        emit_json("incidents", shown_rows)
        return
    if not shown_rows:
        note(
            "no incident matches" if since or severity or detector or entity or text else "no incident so far"
        )
        return
    if sys.stdout.isatty():
        brief(shown_rows)
    else:
        table("", COLUMNS, map(_cells, shown_rows), styled=1)
    if len(rows) > limit:
        note(f"more than {limit}; give --limit or --since")


def _cells(row: IncidentRow) -> tuple[str, ...]:
    when = f"{row.ts[:10]} {row.ts[11:19]}"
    return when, str(row.severity), row.detector, row.summary, row.incident_id

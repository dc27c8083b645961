# SPDX-License-Identifier: Apache-2.0
"""`innerwarden close INCIDENT`: say that an incident is dealt with."""

from __future__ import annotations

from typing import Annotated

import typer

from innerwarden.ctl.options import DataDir, Json, data_dir_of

IncidentId = Annotated[str, typer.Argument(metavar="INCIDENT", help="As `innerwarden incidents` lists it.")]
Reason = Annotated[str, typer.Option(help="Kept in the record.")]


def register(app: typer.Typer) -> None:
    app.command("close")(close)


def close(incident: IncidentId, reason: Reason = "", data_dir: DataDir = None, json: Json = False) -> None:
    """Say that an incident is dealt with."""
    from innerwarden.ctl.operating import say, tell
    from innerwarden.model.command import Close

    say(tell(data_dir_of(data_dir), Close(incident_id=incident, reason=reason)), "close", json)

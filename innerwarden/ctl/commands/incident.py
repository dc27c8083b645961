# SPDX-License-Identifier: Apache-2.0
"""`innerwarden incident ID`: the whole story of one."""

from __future__ import annotations

from typing import Annotated

import typer

from innerwarden.ctl.options import DataDir, Json, data_dir_of
from innerwarden.ctl.output import emit_json


def register(app: typer.Typer) -> None:
    app.command("incident")(incident)


def incident(
    incident_id: Annotated[str, typer.Argument(metavar="ID", help="As `innerwarden incidents` prints it.")],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Tell one incident: what, who, evidence, next checks, what could not be seen."""
    from innerwarden.ctl.reading import reading
    from innerwarden.ctl.story import tell
    from innerwarden.errors import UsageError

    with reading(data_dir_of(data_dir)) as reader:
        row = reader.incident(incident_id)
        if row is None:
            raise UsageError(f"no incident has the id {incident_id!r}", "List them: innerwarden incidents")
        related = reader.related(incident_id)
        decided = reader.triage(incident_id)
    if json:
        data = {name: getattr(row, name) for name in row.__struct_fields__}
        emit_json("incident", {**data, "related": [one.incident_id for one in related], "triage": decided})
    else:
        tell(row, related, decided)

# SPDX-License-Identifier: Apache-2.0
"""`innerwarden undo ID`: end a response before its time."""

from __future__ import annotations

from typing import Annotated

import typer

from innerwarden.ctl.options import DataDir, Json, data_dir_of

ResponseId = Annotated[str, typer.Argument(metavar="ID", help="As `innerwarden responses` lists it.")]
Reason = Annotated[str, typer.Option(help="Kept in the record.")]


def register(app: typer.Typer) -> None:
    app.command("undo")(undo)


def undo(response_id: ResponseId, reason: Reason = "", data_dir: DataDir = None, json: Json = False) -> None:
    """End a response before its time."""
    from innerwarden.ctl.operating import say, tell
    from innerwarden.model.command import Undo

    say(tell(data_dir_of(data_dir), Undo(response_id=response_id, reason=reason)), "undo", json)

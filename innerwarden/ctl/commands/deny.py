# SPDX-License-Identifier: Apache-2.0
"""`innerwarden deny ID`: say no to a proposed response."""

from __future__ import annotations

from typing import Annotated

import typer

from innerwarden.ctl.options import DataDir, Json, data_dir_of

ResponseId = Annotated[str, typer.Argument(metavar="ID", help="As `innerwarden responses` lists it.")]
Reason = Annotated[str, typer.Option(help="Kept in the record.")]


def register(app: typer.Typer) -> None:
    app.command("deny")(deny)


def deny(response_id: ResponseId, reason: Reason = "", data_dir: DataDir = None, json: Json = False) -> None:
    """Say no to a proposed response."""
    from innerwarden.ctl.operating import say, tell
    from innerwarden.model.command import Deny

    say(tell(data_dir_of(data_dir), Deny(response_id=response_id, reason=reason)), "deny", json)

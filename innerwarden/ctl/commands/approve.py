# SPDX-License-Identifier: Apache-2.0
"""`innerwarden approve ID`: let a proposed response happen."""

from __future__ import annotations

from typing import Annotated

import typer

from innerwarden.ctl.options import DataDir, Json, data_dir_of

ResponseId = Annotated[str, typer.Argument(metavar="ID", help="As `innerwarden responses` lists it.")]


def register(app: typer.Typer) -> None:
    app.command("approve")(approve)


def approve(response_id: ResponseId, data_dir: DataDir = None, json: Json = False) -> None:
    """Let a proposed response happen."""
    from innerwarden.ctl.operating import say, tell
    from innerwarden.model.command import Approve

    say(tell(data_dir_of(data_dir), Approve(response_id=response_id)), "approve", json)

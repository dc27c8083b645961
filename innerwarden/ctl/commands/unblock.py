# SPDX-License-Identifier: Apache-2.0
"""`innerwarden unblock ADDRESS`: let an address in again."""

from __future__ import annotations

from typing import Annotated

import typer

from innerwarden.ctl.options import DataDir, Json, data_dir_of

Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="One IPv4 or IPv6 address.")]
Reason = Annotated[str, typer.Option(help="Kept in the record.")]


def register(app: typer.Typer) -> None:
    app.command("unblock")(unblock)


def unblock(address: Address, reason: Reason = "", data_dir: DataDir = None, json: Json = False) -> None:
    """End everything that keeps an address out."""
    from innerwarden.ctl.operating import say, tell
    from innerwarden.model.command import Unblock

    say(tell(data_dir_of(data_dir), Unblock(address=address, reason=reason)), "unblock", json)

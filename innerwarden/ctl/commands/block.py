# SPDX-License-Identifier: Apache-2.0
"""`innerwarden block ADDRESS`: keep one address out."""

from __future__ import annotations

from typing import Annotated

import typer

from innerwarden.ctl.options import DataDir, Json, data_dir_of, seconds_of

Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="One IPv4 or IPv6 address.")]
Reason = Annotated[str, typer.Option(help="Kept in the record.")]


def register(app: typer.Typer) -> None:
    app.command("block")(block)


def block(
    address: Address,
    length: Annotated[
        str | None, typer.Option("--for", help="30m, 2h, 7d (default: responder.block_ttl_s).")
    ] = None,
    reason: Reason = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Keep one address out for a while. Needs responder.enabled; in dry run it says what would be done."""
    from innerwarden.ctl.operating import say, tell
    from innerwarden.model.command import Block

    command = Block(address=address, ttl_s=seconds_of(length), reason=reason)
    say(tell(data_dir_of(data_dir), command), "block", json)

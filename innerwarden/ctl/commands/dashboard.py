# SPDX-License-Identifier: Apache-2.0
"""`innerwarden dashboard token`: a new way in, when the printed one is gone."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from innerwarden.ctl.options import ConfigFile, DataDir, Json, data_dir_of
from innerwarden.ctl.output import emit_json, note

group = typer.Typer(help="Access to the dashboard.", no_args_is_help=True)


class NewToken(msgspec.Struct, frozen=True, kw_only=True):
    """`url` logs in when it is opened; the token is stored nowhere."""

    token: str
    url: str
    days: int


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="dashboard")


@group.callback()
def _group() -> None:
    """Access to the dashboard."""


@group.command("token")
def token(
    data_dir: DataDir = None,
    config: ConfigFile = None,
    only: Annotated[bool, typer.Option("--only", help="End every other token.")] = False,
    days: Annotated[int, typer.Option(help="Days until it ends.", min=1, max=3650)] = 30,
    json: Json = False,
) -> None:
    """Make a token and print it once; works while the agent runs."""
    from innerwarden import paths
    from innerwarden.agent.dashboard.auth import new_token
    from innerwarden.agent.state.writer import Writer
    from innerwarden.config import load
    from innerwarden.ctl.tokens import add
    from innerwarden.errors import UnavailableError

    settings = load(config)
    state_db = paths.state_db(data_dir_of(data_dir))
    if not state_db.exists():
        raise UnavailableError(f"{state_db} does not exist", "Start the agent first: innerwarden run")
    secret = new_token()
    writer = Writer(state_db)  # a short second writer: SQLite's own lock keeps it and the agent apart
    try:
        add(writer, secret, only=only, days=days)
    finally:
        writer.close()
    address = settings.dashboard.public_url or f"http://{settings.dashboard.listen}"
    url = f"{address}/login#{secret}"
    if json:
        emit_json("dashboard token", NewToken(token=secret, url=url, days=days))
    else:
        print(url)
        note("this token is shown once; an agent started with another --listen has another address")

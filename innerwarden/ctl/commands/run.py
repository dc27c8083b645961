# SPDX-License-Identifier: Apache-2.0
"""`innerwarden run`: sensor, agent and dashboard in the foreground, observing only."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from innerwarden.ctl.options import ConfigFile, DataDir, data_dir_of, private_dir


def register(app: typer.Typer) -> None:
    app.command("run")(run)


def run(
    *,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    listen: Annotated[str | None, typer.Option(help="Dashboard address (default: 127.0.0.1:8787).")] = None,
    seconds: Annotated[
        float | None, typer.Option("--for", metavar="SECONDS", min=0.1, help="Stop by itself.")
    ] = None,
) -> None:
    """Start everything, print the dashboard's address and every incident. Nothing is blocked."""
    from innerwarden.agent.dashboard.address import split_listen
    from innerwarden.config import load
    from innerwarden.ctl.foreground import Foreground

    settings = load(config)
    address = listen or settings.dashboard.listen
    split_listen(address)
    directory: Path = private_dir(data_dir_of(data_dir))
    raise typer.Exit(Foreground(settings, directory, config, address).run(seconds))

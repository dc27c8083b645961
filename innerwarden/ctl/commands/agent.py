# SPDX-License-Identifier: Apache-2.0
"""`innerwarden agent`: the daemon that stores, correlates and shows; it needs no privilege."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from innerwarden.ctl.options import ConfigFile, DataDir, data_dir_of, private_dir

if TYPE_CHECKING:
    from innerwarden.agent.operate.operator import Operator
    from innerwarden.agent.state.writer import Writer
    from innerwarden.config import Config


def register(app: typer.Typer) -> None:
    app.command("agent")(agent)


def agent(
    data_dir: DataDir = None,
    config: ConfigFile = None,
    listen: Annotated[
        str | None, typer.Option("--listen", help="Dashboard address (default: dashboard.listen).")
    ] = None,
    token: Annotated[
        bool, typer.Option("--token/--no-token", help="Make a dashboard token and print it once.")
    ] = True,
) -> None:
    """Store findings, correlate them, serve the dashboard."""
    from innerwarden import log, paths
    from innerwarden.agent.dashboard.address import split_listen
    from innerwarden.agent.main import run
    from innerwarden.config import load
    from innerwarden.ctl.children import follow_parent
    from innerwarden.libbpf.inotify import Changes

    follow_parent()
    settings = load(config)
    address = listen or settings.dashboard.listen
    split_listen(address)
    directory = data_dir_of(data_dir)
    private_dir(paths.agent_dir(directory))
    log.setup("agent")

    def start(writer: Writer, operator: Operator) -> Callable[[], None]:
        return _serve(writer, operator, settings=settings, data_dir=directory, listen=address, token=token)

    run(settings, directory, serve=start, watch=Changes)


def _serve(
    writer: Writer, operator: Operator, *, settings: Config, data_dir: Path, listen: str, token: bool
) -> Callable[[], None]:
    """Start the dashboard; announce its address on stdout, with a new token when asked."""
    from innerwarden import paths
    from innerwarden.agent.dashboard.auth import new_token
    from innerwarden.agent.dashboard.server import serve
    from innerwarden.agent.state.read import Reader
    from innerwarden.ctl.tokens import add

    server = serve(
        lambda: Reader(paths.state_db(data_dir)), paths.sensor_health(data_dir), listen,
        operate=operator.run, responder=settings.responder, public_url=settings.dashboard.public_url,
    )  # fmt: skip
    url = settings.dashboard.public_url or server.url
    address = f"{url}/"
    if token:
        secret = new_token()
        add(writer, secret)
        address = f"{url}/login#{secret}"
    server.start()
    print(f"dashboard: {address}", flush=True)
    return server.stop

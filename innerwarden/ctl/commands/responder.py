# SPDX-License-Identifier: Apache-2.0
"""`innerwarden responder`: the root helper that acts, within what its own configuration grants."""

from __future__ import annotations

from typing import Annotated

import typer

from innerwarden.ctl.options import ConfigFile, DataDir, data_dir_of


def register(app: typer.Typer) -> None:
    app.command("responder")(responder)


def responder(
    data_dir: DataDir = None,
    config: ConfigFile = None,
    clear: Annotated[
        bool, typer.Option("--clear", help="Undo all that is in effect, remove what was made, and end.")
    ] = False,
    if_needed: Annotated[
        bool,
        typer.Option(
            "--if-needed", help="End at once when responder.enabled is off and nothing is in effect."
        ),
    ] = False,
) -> None:
    """Carry out responses: judge them again, journal them, end them in time (root)."""
    import os

    from innerwarden import log, paths
    from innerwarden.config import load
    from innerwarden.ctl.children import follow_parent
    from innerwarden.errors import UnavailableError
    from innerwarden.files import who_else_writes
    from innerwarden.responder import main

    follow_parent()
    if os.geteuid() != 0:
        raise UnavailableError("the responder acts as root", "Start it as root")
    file = config if config is not None else paths.SYSTEM_CONFIG
    settings = load(config)
    if file.exists() and (doubt := who_else_writes(str(file.resolve()), sticky=True)):
        raise UnavailableError(f"{file} decides what root does, and {doubt}", "Give it to root alone")
    log.setup("responder")
    directory = data_dir_of(data_dir)
    if if_needed and not settings.responder.enabled and not main.has_live(directory):
        print("responder.enabled is off and nothing is in effect: nothing to do")
        return
    if not clear:
        main.run(settings, directory)
        return
    done = main.clear(settings, directory)
    print(f"undone: {done.undone_count}")
    for problem in done.problems:
        print(f"problem: {problem}")
    raise typer.Exit(1 if done.problems else 0)

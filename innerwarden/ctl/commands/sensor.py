# SPDX-License-Identifier: Apache-2.0
"""`innerwarden sensor`: the daemon that watches; it opens no network connection."""

from __future__ import annotations

import typer

from innerwarden.ctl.options import ConfigFile, DataDir, data_dir_of, private_dir


def register(app: typer.Typer) -> None:
    app.command("sensor")(sensor)


def sensor(
    data_dir: DataDir = None,
    config: ConfigFile = None,
    stop_after_s: float | None = typer.Option(None, "--for", metavar="SECONDS", help="Stop by itself."),
) -> None:
    """Watch this machine and write findings.jsonl (root for eBPF; log sources need only read access)."""
    from innerwarden import log
    from innerwarden.config import load
    from innerwarden.ctl.children import follow_parent
    from innerwarden.sensor.beginning import Beginning

    follow_parent()
    settings = load(config)
    log.setup("sensor")
    directory = private_dir(data_dir_of(data_dir))
    with Beginning(settings, directory) as begun:
        from innerwarden.sensor.main import run  # while the kernel verifies its programs

        raise typer.Exit(run(settings, directory, stop_after_s=stop_after_s, beginning=begun))

# SPDX-License-Identifier: Apache-2.0
"""`innerwarden backup PATH`: a checked copy of state.db."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from innerwarden import paths
from innerwarden.ctl.options import DataDir, Json, data_dir_of
from innerwarden.ctl.output import bytes_text, emit_json, note, shown


def register(app: typer.Typer) -> None:
    app.command("backup")(backup)


def backup(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A new file; nothing is overwritten.")],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Copy state.db while the agent runs, and check the copy (exit code 1 when its record does not hold)."""
    from innerwarden.agent.state.backup import backup as copy
    from innerwarden.ctl.reading import check_readable

    directory = data_dir_of(data_dir)
    check_readable(directory)
    copied = copy(paths.state_db(directory), path)
    if json:
        emit_json("backup", copied)
    else:
        print(
            shown(
                f"{copied.path}: {bytes_text(copied.file_bytes)}, {copied.incident_count} incidents,"
                f" {copied.record.entry_count} entries of the record, {copied.record.verdict}"
            )
        )
    if not copied.record.holds:
        note(
            f"the record does not hold: {copied.record.what}. The copy is kept as evidence; it cannot be restored"
        )
        raise typer.Exit(1)

# SPDX-License-Identifier: Apache-2.0
"""`innerwarden restore PATH`: a copy of state.db back in its place."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from innerwarden import paths
from innerwarden.ctl.options import DataDir, Json, data_dir_of
from innerwarden.ctl.output import emit_json, note, shown


def register(app: typer.Typer) -> None:
    app.command("restore")(restore)


def restore(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="What `innerwarden backup` made.")],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Put a backup in the place of state.db; the agent must not run. What was there is set aside, not deleted."""
    from innerwarden.agent.main import lock
    from innerwarden.agent.state.backup import restore as put_back

    directory = data_dir_of(data_dir)
    held = paths.agent_lock(directory)
    fresh = not held.exists()
    fd = lock(directory)
    try:
        if fresh and os.geteuid() == 0:  # the agent's own user must be able to open it later
            os.fchown(fd, held.parent.stat().st_uid, held.parent.stat().st_gid)
        restored = put_back(path, paths.state_db(directory), _who())
    finally:
        os.close(fd)
    if json:
        emit_json("restore", restored)
        return
    print(
        shown(
            f"{restored.path}: {restored.incident_count} incidents, {restored.entry_count} entries of the record"
            f" (from schema version {restored.from_version})"
        )
    )
    if restored.set_aside:
        print(shown(f"what was there is in {restored.set_aside}"))
    if restored.dropped_responses:
        note(f"{restored.dropped_responses} responses that waited to be carried out were given up")


def _who() -> str:
    """Who typed it: the login's name survives sudo."""
    import pwd

    for uid in (os.environ.get("SUDO_UID", ""), str(os.getuid())):
        if uid.isdigit():
            try:
                return pwd.getpwuid(int(uid)).pw_name
            except KeyError:
                return f"uid {uid}"
    return "unknown"

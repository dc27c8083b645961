# SPDX-License-Identifier: Apache-2.0
"""`innerwarden explain LINE|INCIDENT_ID`: why it became what it became."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from innerwarden.ctl.options import ConfigFile, DataDir, Json, data_dir_of
from innerwarden.ctl.output import emit_json, shown

if TYPE_CHECKING:
    from innerwarden.ctl.explaining.types import IncidentStory

#: detector:subject:time, as the sensor and the agent make ids.
INCIDENT = re.compile(r"[a-z][a-z0-9_]*:.+:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]*Z")
STDIN_MAX_BYTES = 16 << 20


def register(app: typer.Typer) -> None:
    app.command("explain")(explain)


def explain(
    what: Annotated[
        str,
        typer.Argument(
            metavar="[LINE|INCIDENT_ID]",
            help="A log line, or the id of a stored incident. Without: lines from stdin; the last is explained.",
        ),
    ] = "-",
    *,
    source: Annotated[
        str, typer.Option(help="What the line is: auth_log, nginx_access, journald, events ...")
    ] = "auth_log",
    rule: Annotated[
        list[str] | None, typer.Option("--rule", help="Tell of this rule as well. May be repeated.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Tell of every rule that looks at the event.")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Say which event a line is, which rules looked at it, what held, what is counted, and who is trusted."""
    from innerwarden.config import load
    from innerwarden.ctl.explaining import text

    if INCIDENT.fullmatch(what):
        story = _incident(what, data_dir_of(data_dir), config)
        if json:
            emit_json("explain", {"incident": story})
            return
        lines = text.incident_text(story)
    else:
        from innerwarden.ctl.explaining.bench import Bench
        from innerwarden.ctl.explaining.line import explain_line
        from innerwarden.modules.apart.pool import Workers

        given = _stdin() if what == "-" else [what.encode("utf-8", "surrogateescape")]
        with contextlib.closing(Workers()) as workers:
            told = explain_line(Bench(load(config), workers), given, source, rule or (), every)
        if json:
            emit_json("explain", {"line": told})
            raise typer.Exit(0 if told.kind else 1)
        lines = text.line_text(told)
        if told.kind is None:
            _print(lines)
            raise typer.Exit(1)
    _print(lines)


def _print(lines: Iterator[str]) -> None:
    for line in lines:
        print(shown(line))


def _incident(incident_id: str, data_dir: Path, config: Path | None) -> IncidentStory:
    from innerwarden.config import load
    from innerwarden.ctl.explaining.bench import Bench
    from innerwarden.ctl.explaining.incident import explain_incident
    from innerwarden.ctl.reading import reading
    from innerwarden.errors import UsageError
    from innerwarden.modules.apart.pool import Workers

    with reading(data_dir) as reader, contextlib.closing(Workers()) as workers:
        row = reader.incident(incident_id)
        if row is None:
            raise UsageError(f"no incident has the id {incident_id!r}", "List them: innerwarden incidents")
        return explain_incident(Bench(load(config), workers), reader, row)


def _stdin() -> list[bytes]:
    """Whole lines; raises UsageError without any."""
    from innerwarden.errors import UsageError

    data = sys.stdin.buffer.read(STDIN_MAX_BYTES + 1)
    if len(data) > STDIN_MAX_BYTES:
        raise UsageError(
            f"stdin holds more than {STDIN_MAX_BYTES} bytes", "Give the last lines, or use innerwarden replay"
        )
    lines = [line for line in data.split(b"\n") if line]
    if not lines:
        raise UsageError("no line to explain", "Give one as the argument, or on stdin")
    return lines

# SPDX-License-Identifier: Apache-2.0
"""`innerwarden audit log|verify|anchor`: the record of what was decided and done, and whether it is whole."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from innerwarden.ctl.options import ConfigFile, DataDir, Json, data_dir_of, since_ns
from innerwarden.ctl.output import emit_json, note, shown, table
from innerwarden.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from innerwarden.agent.state.audit import RecordRow

group = typer.Typer(
    help="The record of what was decided and done, and whether it is whole; see docs/audit.md.",
    no_args_is_help=True,
)
COLUMNS = ("entry", "time (UTC)", "kind", "what")


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="audit")


@group.command("log")
def log(
    *,
    data_dir: DataDir = None,
    since: Annotated[str | None, typer.Option(help="15m, 1h, 2d back, or an RFC 3339 time.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only entries of this kind, e.g. decided.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many, the newest.", min=1, max=10000)] = 50,
    json: Json = False,
) -> None:
    """Tell what was decided, asked for, done and undone, by whom and why."""
    from innerwarden.ctl.auditing import auditing
    from innerwarden.model.record import KINDS

    if kind is not None and kind not in KINDS:
        raise UsageError(f"--kind {kind!r} is no kind of entry", "Use one of: " + ", ".join(KINDS))
    moment = since_ns(since)
    with auditing(data_dir_of(data_dir)) as audit:
        rows = audit.entries(since_ns=moment, kind=kind, limit=limit + 1)
    more, rows = len(rows) > limit, rows[-limit:]
    if json:
        emit_json("audit log", rows)
        return
    if not rows:
        note("no entry matches" if since or kind else "nothing was decided so far")
        return
    table("", COLUMNS, map(_cells, rows))
    if more:
        note(f"more than {limit}; give --limit or --since")


@group.command("verify")
def verify(
    *,
    data_dir: DataDir = None,
    anchor: Annotated[
        Path | None, typer.Option("--anchor", help="Anchors that were kept elsewhere, one a line.")
    ] = None,
    json: Json = False,
) -> None:
    """Check every link of the record, and the anchors given (exit code 1 when one does not hold)."""
    from innerwarden.agent.state.anchor import parse_anchors
    from innerwarden.ctl.auditing import auditing

    anchors = parse_anchors(_lines(anchor), str(anchor)) if anchor else []
    with auditing(data_dir_of(data_dir)) as audit:
        report = audit.verify(anchors)
    if json:
        emit_json("audit verify", report)
        raise typer.Exit(0 if report.holds else 1)
    print(shown(f"{report.verdict}: {report.what}"))
    if report.entry_count:
        print(
            f"entries {report.first_seq} to {report.last_seq}, {report.entry_count} in all;"
            f" the last is {report.last_hash}"
        )
    if anchors:
        print(f"{report.anchors_met} of {report.anchors_given} anchors met")
    elif report.holds:
        note(
            "Without an anchor that was kept elsewhere, a record that was made anew as a whole looks the same."
        )
    if report.todo:
        note(report.todo)
    raise typer.Exit(0 if report.holds else 1)


@group.command("anchor")
def anchor(
    *,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    file: Annotated[Path | None, typer.Option("--file", help="Append it to this file.")] = None,
) -> None:
    """Print what the record is now, to be kept where this host cannot change it."""
    from innerwarden.config import load
    from innerwarden.ctl.auditing import auditing

    host = load(config).host_name()
    with auditing(data_dir_of(data_dir)) as audit:
        line = audit.anchor(host).line()
    if file is not None:
        _append(file, line + "\n")
    print(line)


def _cells(row: RecordRow) -> tuple[str, ...]:
    from innerwarden.ctl.auditing import words

    return str(row.seq), f"{row.ts[:10]} {row.ts[11:19]}", row.kind, words(row.entry)


def _lines(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8", errors="replace") if str(path) != "-" else sys.stdin as file:
            return list(file)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}", "Give a file of anchors, or -"
        ) from error


def _append(path: Path, text: str) -> None:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(fd)
    except OSError as error:
        raise UnavailableError(
            f"{path} cannot be written: {error.strerror}", "Give another --file"
        ) from error

# SPDX-License-Identifier: Apache-2.0
"""`innerwarden replay PATH...`: recorded input through the detectors, by the time in the input."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from innerwarden.ctl.options import ConfigFile
from innerwarden.ctl.output import note, table

if TYPE_CHECKING:
    from innerwarden.sensor.replay import ReplayResult

Progress = Callable[[int, int], None]


def register(app: typer.Typer) -> None:
    app.command("replay")(replay)


def replay(
    files: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Files, plain or gzip, or a recording.")
    ],
    source: Annotated[
        str, typer.Option(help="What they are: auth_log, nginx_access, journald, events ...")
    ] = "auth_log",
    config: ConfigFile = None,
    json: Annotated[bool, typer.Option("--json", help="One finding a line, as in findings.jsonl.")] = False,
) -> None:
    """Find what the enabled detectors see in recorded input (exit code 1 when they find something)."""
    from innerwarden.config import load
    from innerwarden.sensor.replay import run

    settings = load(config)
    with _bar() as progress:
        result = run(files, source, settings, progress)
    if json:
        _lines(result)
    else:
        _table(result)
    for problem in result.problems:
        note(f"not loaded: {problem}")
    if result.cut:
        note(f"the recording is not whole: {result.cut}")
    rate = result.lines / result.seconds if result.seconds else 0.0
    note(
        f"{len(result.findings)} findings; {result.lines} lines, {result.matched} of them events, "
        f"{result.malformed} malformed, in {result.seconds:.2f} s ({rate:,.0f} lines/s)"
    )
    raise typer.Exit(1 if result.findings else 0)


def _lines(result: ReplayResult) -> None:
    import msgspec

    encode = msgspec.json.Encoder().encode
    for finding in result.findings:
        sys.stdout.buffer.write(encode(finding) + b"\n")
    sys.stdout.buffer.flush()


def _table(result: ReplayResult) -> None:
    rows = [
        (f"{f.ts[:10]} {f.ts[11:19]}", str(f.severity), f.detector, f.fields.summary) for f in result.findings
    ]
    if rows:
        table("", ("time (UTC)", "severity", "detector", "what"), rows, styled=1)


@contextmanager
def _bar() -> Iterator[Progress | None]:
    """A progress bar on stderr, when a person looks at it."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    console = Console(stderr=True)
    with Progress(
        BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=console, transient=True
    ) as bar:
        task = bar.add_task("replay", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)

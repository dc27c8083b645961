# SPDX-License-Identifier: Apache-2.0
"""`innerwarden record FILE`: the kernel's stream into a file that `innerwarden replay` judges again."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from innerwarden.ctl.options import ConfigFile
from innerwarden.ctl.output import note

if TYPE_CHECKING:
    from innerwarden.sensor.recorder import Progress, Recorded


def register(app: typer.Typer) -> None:
    app.command("record")(record)


def record(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file; only its owner may read it.")],
    seconds: Annotated[
        float, typer.Option("--for", metavar="SECONDS", min=0.1, max=86400, help="How long at most.")
    ] = 60.0,
    max_mib: Annotated[
        int, typer.Option("--max-mib", metavar="MIB", min=1, max=65536, help="How large at most.")
    ] = 256,
    config: ConfigFile = None,
    json: Annotated[bool, typer.Option("--json", help="What was found meanwhile, a line each.")] = False,
) -> None:
    """Record what the kernel tells, until Ctrl-C, the time or the size (root; exit code 3 without the hooks)."""
    from innerwarden.config import load
    from innerwarden.sensor.recorder import Recorder, create
    from innerwarden.stopping import Stop

    settings = load(config)
    stop = Stop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    target = create(file)
    try:
        recorder = Recorder(settings, target)
        try:
            recorder.start()
            result = recorder.run(stop, seconds, max_mib << 20, _teller())
        finally:
            recorder.close()
    except BaseException:
        if file.stat().st_size == 0:
            file.unlink()
        raise
    if json:
        _lines(result)
        if result.findings_count > len(result.findings):
            note(f"the first {len(result.findings)} findings are printed; innerwarden replay tells all")
    _tell(file, result)


def _teller() -> Callable[[Progress], None]:
    """One line on stderr that is written over, when a person looks at it; else nothing."""
    if not sys.stderr.isatty():
        return lambda progress: None

    def tell(progress: Progress) -> None:
        text = f"{progress.seconds:.0f} s, {progress.records} records, {progress.bytes_written >> 10} KiB"
        print(
            f"\r{text}, {progress.lost} lost, {progress.findings} findings ",
            end="",
            file=sys.stderr,
            flush=True,
        )

    return tell


def _lines(result: Recorded) -> None:
    import msgspec

    encode = msgspec.json.Encoder().encode
    for finding in result.findings:
        sys.stdout.buffer.write(encode(finding) + b"\n")
    sys.stdout.buffer.flush()


def _tell(file: Path, result: Recorded) -> None:
    for problem in result.problems:
        note(f"not loaded: {problem}")
    lost = ", ".join(f"{count} at {place}" for place, count in sorted(result.lost.items())) or "nothing"
    note(
        f"{file}: {result.records} records, {result.bytes_written >> 10} KiB, ended by {result.ended}; lost: {lost}; "
        f"{result.findings_count} findings meanwhile"
    )
    if result.ended.startswith("disk"):
        raise typer.Exit(3)

# SPDX-License-Identifier: Apache-2.0
"""Output for people (rich on a terminal, plain text elsewhere) and for programs (versioned JSON)."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from rich.console import Console

JSON_VERSION = 1

SEVERITY_STYLE = {
    "critical": "bold white on red",
    "high": "bold red",
    "medium": "yellow",
    "low": "cyan",
    "info": "blue",
    "debug": "dim",
}
STATE_STYLE = {
    "working": "green",
    "ok": "green",
    "attached": "green",
    "available": "green",
    "refused": "red",
    "dead": "bold red",
    "replaced": "yellow",
    "unconfirmed": "yellow",
    "warning": "yellow",
    "absent": "red",
    "failed": "bold red",
}


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What every `--json` prints; `version` rises when the shape of `data` changes incompatibly."""

    version: int = JSON_VERSION
    command: str
    data: object


def shown(text: str) -> str:
    """Outside text as one harmless line: everything that is not printable is escaped visibly."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text
    )


def emit_json(command: str, data: object) -> None:
    """One JSON document and a newline on stdout."""
    sys.stdout.buffer.write(msgspec.json.encode(Envelope(command=command, data=data)) + b"\n")
    sys.stdout.flush()


def console(stderr: bool = False) -> Console:
    """A rich console without markup or highlighting, so that outside text is never interpreted."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else 160
    return Console(
        stderr=stderr, markup=False, highlight=False, emoji=False, width=width, soft_wrap=width is not None
    )


def note(text: str) -> None:
    """A remark for the person, on stderr so that stdout stays data."""
    sys.stdout.flush()
    print(shown(text), file=sys.stderr, flush=True)


def table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], styled: int | None = None
) -> None:
    """Print rows; column number `styled` is coloured by severity or state. Cells are escaped here."""
    cells = [[shown(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        _plain(columns, cells)
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    drawn = Table(title=title or None, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in cells:
        drawn.add_row(*(Text(cell, _style(cell) if n == styled else "") for n, cell in enumerate(row)))
    console().print(drawn)


def _style(cell: str) -> str:
    return SEVERITY_STYLE.get(cell) or STATE_STYLE.get(cell, "")


def _plain(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns padded with spaces: readable in a file and easy for awk."""
    everything = [list(columns), *map(list, rows)]
    widths = [max(len(row[n]) for row in everything) for n in range(len(columns))]
    for row in everything:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print(line.rstrip())


def bytes_text(count: int) -> str:
    """1536 -> '1.5 KiB'."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError("unreachable")

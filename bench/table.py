# SPDX-License-Identifier: Apache-2.0
"""The table that `make bench` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

COLUMNS = ("#", "what", "value", "ratio", "goal", "gate", "", "spread", "beside it")


def number(value: float) -> str:
    """Three significant digits, no exponent."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def figure(row: Mapping[str, Any]) -> str:
    return "-" if row["value"] is None else f"{number(row['value'])} {row['unit']}"


def verdict(passed: bool | None) -> str:
    return {True: "ok", False: "MISSED", None: "-"}[passed]


def machine_line(run: Mapping[str, Any]) -> str:
    """Where and when a run was made."""
    host = run["machine"]
    parts = [
        f"{host['cpus']} x {host.get('processor', host['machine'])}",
        f"{host.get('memory_gib', '?')} GiB",
        f"Linux {host['kernel']}",
        f"Python {host['python']}",
    ]
    if "day" in run:
        parts.append(
            f"{run['day']}, load before it {run['load_before']:g}, {run['seconds'] / 60:.0f} minutes"
        )
    return ", ".join(parts)


def render(rows: Sequence[Mapping[str, Any]]) -> str:
    """Aligned text; the note of a row stands below it."""
    cells = [
        (
            str(row["row"]),
            row["what"],
            figure(row),
            "-" if row["ratio"] is None else f"{row['ratio']:.3g} x",
            row["goal"],
            row["gate"],
            verdict(row["passed"]),
            "-" if row["spread"] is None else f"{row['spread']:.0%}",
            row["peer"] or "-",
        )
        for row in rows
    ]
    widths = [max(len(line[i]) for line in [COLUMNS, *cells]) for i in range(len(COLUMNS))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(COLUMNS, widths, strict=True)).rstrip()]
    lines.append("  ".join("-" * width for width in widths))
    for row, line in zip(rows, cells, strict=True):
        lines.append("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
        if row["note"]:
            lines.append(f"{'':{widths[0]}}  {row['note']}")
    return "\n".join(lines)

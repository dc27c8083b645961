# SPDX-License-Identifier: Apache-2.0
"""Bars as SVG text that reads on a light and on a dark page; nothing but numbers and words goes in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, LABELS, RIGHT = 900, 330, 170
ROW, TOP, BOTTOM = 24, 44, 34
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-size: 14px; font-weight: 600 }
.small { font-size: 11px; fill: #57606a }
.grid { stroke: #d0d7de; stroke-width: 1 }
.own { fill: #1f6feb } .peer { fill: #8c959f } .bad { fill: #cf222e }
.gate { stroke: #cf222e; stroke-width: 2 } .goal { stroke: #1a7f37; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .small { fill: #9198a1 } .grid { stroke: #3d444d }
.own { fill: #4493f8 } .peer { fill: #6e7681 } .bad { fill: #f85149 }
.gate { stroke: #f85149 } .goal { stroke: #3fb950 }
}
"""


@dataclass(frozen=True)
class Bar:
    """`kind`: own, peer or bad. `text` stands at the right; `goal` is marked on its line."""

    label: str
    value: float
    text: str
    kind: str = "own"
    goal: float | None = None


class Scale:
    """From a value to a place between the labels and the right border."""

    def __init__(self, values: Sequence[float], *, logarithmic: bool) -> None:
        self._log = logarithmic
        positive = [value for value in values if value > 0] or [1.0]
        if logarithmic:
            self._low = 10.0 ** math.floor(math.log10(min(positive)))
            self._high = max(10.0 ** math.ceil(math.log10(max(positive))), self._low * 10)
        else:
            self._low, self._high = 0.0, max(positive) * 1.05

    def __call__(self, value: float) -> float:
        room = WIDTH - LABELS - RIGHT
        if not self._log:
            return LABELS + room * max(value, 0.0) / self._high
        value = min(max(value, self._low), self._high)
        return LABELS + room * math.log(value / self._low) / math.log(self._high / self._low)

    def ticks(self) -> list[float]:
        if self._log:
            count = round(math.log10(self._high / self._low))
            return [float(self._low * 10.0**power) for power in range(count + 1)]
        step = 10.0 ** math.floor(math.log10(self._high / 2))
        step *= next(factor for factor in (1, 2, 5, 10) if self._high / (step * factor) <= 6)
        return [step * number for number in range(int(self._high / step) + 1)]


def _line(kind: str, x: float, y1: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{y1:.1f}" y2="{y2:.1f}"/>'


def _bar(bar: Bar, number: int, scale: Scale) -> list[str]:
    top = TOP + number * ROW
    middle = top + ROW / 2 + 4
    end = max(scale(bar.value), LABELS + 1.0)
    out = [
        f'<text x="{LABELS - 8}" y="{middle:.0f}" text-anchor="end">{escape(bar.label)}</text>',
        f'<rect class="{bar.kind}" x="{LABELS}" y="{top + 5}" width="{end - LABELS:.1f}" height="{ROW - 10}"/>',
        f'<text class="small" x="{max(end, WIDTH - RIGHT) + 8:.1f}" y="{middle:.0f}">{escape(bar.text)}</text>',
    ]
    if bar.goal is not None:
        out.append(_line("goal", scale(bar.goal), top + 2, top + ROW - 2))
    return out


def bars(
    title: str, axis: str, rows: Sequence[Bar], *, logarithmic: bool = False, gate: float | None = None
) -> str:
    """A picture of horizontal bars; `gate` is a line through all of them. Ends with a newline."""
    values = [row.value for row in rows] + [row.goal for row in rows if row.goal is not None]
    scale = Scale([*values, *([gate] if gate is not None else [])], logarithmic=logarithmic)
    bottom = TOP + ROW * len(rows)
    height = bottom + BOTTOM
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        f' role="img" aria-label="{escape(title, quote=True)}">',
        f"<style>{STYLE}</style>",
        f'<text class="title" x="12" y="20">{escape(title)}</text>',
    ]
    for tick in scale.ticks():
        out.append(_line("grid", scale(tick), TOP - 4, bottom))
        out.append(
            f'<text class="small" x="{scale(tick):.1f}" y="{bottom + 14}" text-anchor="middle">{tick:g}</text>'
        )
    for number, row in enumerate(rows):
        out += _bar(row, number, scale)
    if gate is not None:
        out.append(_line("gate", scale(gate), TOP - 4, bottom))
    out.append(f'<text class="small" x="{LABELS}" y="{bottom + 29}">{escape(axis)}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"

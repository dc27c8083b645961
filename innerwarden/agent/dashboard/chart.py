# SPDX-License-Identifier: Apache-2.0
"""Bars as SVG; attributes only, because the page's policy allows no inline style."""

from __future__ import annotations

from collections.abc import Sequence

from innerwarden.agent.dashboard.html import Html, el
from innerwarden.agent.dashboard.types import HourCount

BAR, GAP, HEIGHT, LABELS = 10, 3, 72, 16


def hourly_bars(hours: Sequence[HourCount]) -> Html:
    """One bar an hour; the numbers are in each bar's title and in the label for screen readers."""
    highest = max((hour.count for hour in hours), default=0) or 1
    drawn = []
    for number, hour in enumerate(hours):
        height = max(2, round(hour.count / highest * (HEIGHT - 8))) if hour.count else 2
        drawn.append(
            el(
                "rect",
                el("title", f"{hour.hour[11:13]}:00 UTC: {hour.count}"),
                x=number * (BAR + GAP),
                y=HEIGHT - height,
                width=BAR,
                height=height,
                rx=2,
                class_="bar" if hour.count else "bar none",
                data_field="by_hour.count",
            )
        )
        if number % 6 == 0:
            text = el(
                "text",
                hour.hour[11:13],
                x=number * (BAR + GAP),
                y=HEIGHT + LABELS - 3,
                data_field="by_hour.hour",
            )
            drawn.append(text)
    width = len(hours) * (BAR + GAP) - GAP
    busiest = max(hours, key=lambda hour: hour.count, default=None)
    said = f"Incidents by hour; most at {busiest.hour[11:13]}:00 UTC with {busiest.count}" if busiest else ""
    return el(
        "svg", *drawn, viewBox=f"0 0 {width} {HEIGHT + LABELS}", class_="bars", role="img", aria_label=said
    )

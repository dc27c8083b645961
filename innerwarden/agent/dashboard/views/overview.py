# SPDX-License-Identifier: Apache-2.0
"""The last day at a glance."""

from __future__ import annotations

import falcon

from innerwarden.agent.dashboard.chart import hourly_bars
from innerwarden.agent.dashboard.context import Context, summary
from innerwarden.agent.dashboard.html import Html, el, join
from innerwarden.agent.dashboard.types import HourCount, Overview
from innerwarden.agent.dashboard.view import View
from innerwarden.agent.dashboard.widgets import (
    SHOWN_SEVERITIES,
    count,
    facts,
    grid,
    incident_rows,
    list_href,
    panel,
    sensor_line,
    size,
)
from innerwarden.clock import NS, rfc3339

HOURS = 24
HOUR_NS = 3600 * NS
LATEST = 8
NOISIEST = 6


def load(context: Context, req: falcon.Request, params: dict[str, str]) -> Overview:
    reader = context.reader()
    health = context.health()
    now_ns = context.now_ns()
    first_hour_ns = (now_ns // HOUR_NS - HOURS + 1) * HOUR_NS
    counts = reader.counts(first_hour_ns)
    by_hour = dict(counts.by_hour)
    hours = (first_hour_ns + n * HOUR_NS for n in range(HOURS))
    latest = reader.incidents(limit=LATEST)
    return Overview(
        host=latest[0].fields.host if latest else None,
        total=counts.total,
        by_severity=counts.by_severity,
        by_detector=dict(list(counts.by_detector.items())[:NOISIEST]),
        by_hour=tuple(HourCount(hour=rfc3339(hour), count=by_hour.get(hour, 0)) for hour in hours),
        latest=tuple(map(summary, latest)),
        sensor=context.sensor_state(health),
        lost={place: n for place, n in health.lost.items() if n} if health else {},
        bad_lines=reader.cursor(last=0).bad_lines,
    )


def render(body: Overview) -> Html:
    heading = el("h1", "Overview", el("small", body.host, data_field="host") if body.host else None)
    return join(
        el("div", heading, sensor_line(body.sensor), id="headline", class_="headline", data_live=True),
        _tiles(body),
        el(
            "div",
            el("div", _latest(body), class_="wide"),
            el("div", _hours(body), _detectors(body), _sensor(body), class_="side"),
            class_="columns",
        ),
    )


def _tiles(body: Overview) -> Html:
    """One tile a severity, each a link to its incidents."""
    tiles = []
    for severity in SHOWN_SEVERITIES:
        number = body.by_severity.get(severity, 0)
        tiles.append(
            el(
                "a",
                el("b", number, data_field="by_severity"),
                el("span", str(severity)),
                href=list_href(severity=severity, since="24h"),
                class_=f"tile {severity}" + ("" if number else " none"),
                aria_label=f"{number} {severity} incidents in 24 hours",
            )
        )
    return el("div", *tiles, id="tiles", class_="tiles", data_live=True)


def _latest(body: Overview) -> Html:
    return panel(
        "Latest incidents",
        incident_rows(body.latest, "latest", "Nothing was detected so far."),
        el("p", el("a", "All incidents", href="/incidents"), class_="more"),
        id_="latest",
    )


def _hours(body: Overview) -> Html:
    total = el("p", el("b", body.total, data_field="total"), " incidents in 24 hours", class_="note")
    return panel("By hour", hourly_bars(body.by_hour), total, id_="hours")


def _detectors(body: Overview) -> Html:
    rows = [
        (
            el("a", detector, href=list_href(detector=detector), class_="mono", data_field="by_detector"),
            count(number),
        )
        for detector, number in body.by_detector.items()
    ]
    table = grid("Incidents by detector in 24 hours", ("detector", "incidents"), rows, "None in 24 hours.")
    return panel("By detector", table, id_="detectors")


def _sensor(body: Overview) -> Html:
    sensor = body.sensor
    lost = [(place, el("span", count(n), data_field="lost")) for place, n in body.lost.items()]
    return panel(
        "Sensor",
        facts(
            [
                ("events", el("span", f"{count(sensor.events_per_s)} /s", data_field="sensor.events_per_s")),
                (
                    "detectors",
                    el("span", count(sensor.detectors_loaded), data_field="sensor.detectors_loaded"),
                ),
                ("memory", el("span", size(sensor.rss_bytes), data_field="sensor.rss_bytes")),
                ("unreadable findings", el("span", count(body.bad_lines), data_field="bad_lines")),
                *[(f"lost: {place}", number) for place, number in lost],
            ]
        ),
        el("p", el("a", "What the sensor can see", href="/sensor"), class_="more"),
        id_="sensor",
    )


VIEW = View(
    name="overview",
    title="Overview",
    path="/",
    api_path="/api/v1/overview",
    body=Overview,
    load=load,
    render=render,
    nav=1,
)

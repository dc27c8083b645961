# SPDX-License-Identifier: Apache-2.0
"""The incident list with its filters."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlencode

import falcon
import msgspec

from innerwarden.agent.dashboard.context import Context, summary
from innerwarden.agent.dashboard.html import Html, el, join
from innerwarden.agent.dashboard.types import Filters, IncidentList
from innerwarden.agent.dashboard.view import View
from innerwarden.agent.dashboard.widgets import SHOWN_SEVERITIES, incident_rows
from innerwarden.clock import NS, parse_rfc3339
from innerwarden.model.severity import Severity

PAGE = 50
MAX_PAGE = 500
#: Of a row of SQLite.
MAX_ID = (1 << 63) - 1
DETECTORS_OVER_NS = 30 * 86400 * NS
SPANS = {"15m": "15 minutes", "1h": "hour", "24h": "24 hours", "7d": "7 days"}
_SPAN = re.compile(r"(\d{1,6})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def load(context: Context, req: falcon.Request, params: dict[str, str]) -> IncidentList:
    filters = Filters(**{name: _param(req, name) for name in Filters.__struct_fields__})
    limit = req.get_param_as_int("limit", min_value=1, max_value=MAX_PAGE, default=PAGE)
    reader = context.reader()
    rows = reader.incidents(
        since_ns=_since_ns(filters.since, context.now_ns()),
        min_severity=_severity(filters.severity),
        detector=filters.detector,
        entity=filters.entity,
        text=filters.text,
        limit=limit + 1,
        before_id=req.get_param_as_int("before", min_value=0, max_value=MAX_ID),
    )
    page = rows[:limit]
    return IncidentList(
        filters=filters,
        incidents=tuple(map(summary, page)),
        next_before=page[-1].id if len(rows) > limit else None,
        detectors=tuple(reader.detectors(context.now_ns() - DETECTORS_OVER_NS)),
    )


def _param(req: falcon.Request, name: str) -> str | None:
    value = req.get_param(name)
    return value.strip()[:200] or None if value else None


def _severity(text: str | None) -> Severity | None:
    if text is None:
        return None
    try:
        return Severity(text)
    except ValueError:
        raise falcon.HTTPInvalidParam("one of: " + ", ".join(Severity), "severity") from None


def _since_ns(text: str | None, now_ns: int) -> int | None:
    if text is None:
        return None
    if span := _SPAN.fullmatch(text):
        return max(0, now_ns - int(span[1]) * _SECONDS[span[2]] * NS)
    try:
        return min(max(0, parse_rfc3339(text)), MAX_ID)
    except ValueError:
        raise falcon.HTTPInvalidParam("a span such as 15m, 1h, 7d, or an RFC 3339 time", "since") from None


def render(body: IncidentList) -> Html:
    asked = {k: v for k, v in msgspec.structs.asdict(body.filters).items() if v}
    nothing = "No incident matches these filters." if asked else "Nothing was detected so far."
    more = None
    if body.next_before is not None:
        href = "/incidents?" + urlencode({**asked, "before": body.next_before})
        more = el("p", el("a", "Older incidents", href=href, data_field="next_before"), class_="more")
    listing = el(
        "section",
        el("h2", "Results", class_="hidden"),
        incident_rows(body.incidents, "incidents", nothing),
        more,
        id="list",
        class_="panel",
        data_live=True,
    )
    return join(el("div", el("h1", "Incidents"), class_="headline"), _form(body), listing)


def _form(body: IncidentList) -> Html:
    chosen = body.filters
    severities = [("", "any severity"), *((s, f"{s} and above") for s in SHOWN_SEVERITIES)]
    spans = [("", "any time"), *((span, f"last {text}") for span, text in SPANS.items())]
    if chosen.since and chosen.since not in SPANS:
        spans.append((chosen.since, f"since {chosen.since}"))
    detectors = [("", "any detector"), *((d, d) for d in body.detectors)]
    if chosen.detector and chosen.detector not in body.detectors:
        detectors.append((chosen.detector, chosen.detector))
    return el(
        "form",
        _select("Severity", "severity", severities, chosen.severity),
        _select("Time", "since", spans, chosen.since),
        _select("Detector", "detector", detectors, chosen.detector),
        _input("Entity", "entity", chosen.entity, "address, user, path"),
        _input("Text", "text", chosen.text, "words in title or summary"),
        el(
            "div",
            el("button", "Filter", type="submit"),
            el("a", "Clear", href="/incidents"),
            class_="actions",
        ),
        method="get",
        action="/incidents",
        class_="filters panel",
        role="search",
        aria_label="Filter incidents",
    )


def _select(label: str, name: str, options: list[tuple[str, str]], chosen: str | None) -> Html:
    drawn = [el("option", text, value=value, selected=value == (chosen or "")) for value, text in options]
    return el("label", el("span", label), el("select", *drawn, name=name, data_field=f"filters.{name}"))


def _input(label: str, name: str, value: str | None, hint: str) -> Html:
    field = el(
        "input", type="search", name=name, value=value or "", placeholder=hint, data_field=f"filters.{name}"
    )
    return el("label", el("span", label), field)


VIEW = View(
    name="incidents",
    title="Incidents",
    path="/incidents",
    api_path="/api/v1/incidents",
    body=IncidentList,
    load=load,
    render=render,
    nav=2,
    query={
        **dict.fromkeys(Filters.__struct_fields__, str),
        "severity": Severity,
        "limit": Annotated[int, msgspec.Meta(ge=1, le=MAX_PAGE)],
        "before": Annotated[int, msgspec.Meta(ge=0, le=MAX_ID)],
    },
)

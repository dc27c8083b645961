# SPDX-License-Identifier: Apache-2.0
"""Pieces that several pages draw."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote, urlencode

from innerwarden.agent.dashboard.html import Child, Html, el, join
from innerwarden.agent.dashboard.types import IncidentSummary, SensorState
from innerwarden.model.severity import Severity

SHOWN_SEVERITIES = tuple(s for s in reversed(Severity) if s is not Severity.DEBUG)

STATE_WORDS = {
    "watching": "good",
    "working": "good",
    "attached": "good",
    "waiting": "good",
    "running": "good",
    "active": "good",
    "done": "good",
    "undone": "good",
}
BAD_STATES = frozenset({"silent", "absent", "failed", "hung"})


def badge(severity: Severity, field: str | None = "severity") -> Html:
    return el("span", str(severity), class_=f"badge {severity}", data_field=field)


def state(word: str, field: str) -> Html:
    """A state with a mark that does not depend on colour."""
    tone = "bad" if word in BAD_STATES else STATE_WORDS.get(word, "warn")
    mark = {"good": "✓", "warn": "?", "bad": "✗"}[tone]
    return el(
        "span",
        el("span", mark, aria_hidden="true"),
        " ",
        el("span", word, data_field=field),
        class_=f"state {tone}",
    )


def moment(ts: str, field: str = "ts", *, brief: bool = False) -> Html:
    """UTC to the second, or only the time of day; the script adds how long ago that was."""
    text = ts[11:19] if brief else f"{ts[:10]} {ts[11:19]} UTC"
    return el("time", text, datetime=ts, title=ts, data_field=field)


def incident_href(incident_id: str) -> str:
    return "/incident/" + quote(incident_id, safe=":")


def list_href(**filters: str) -> str:
    return "/incidents?" + urlencode(filters)


def technique(attack_id: str, field: str = "attack") -> Html:
    """An ATT&CK technique; the link leaves the dashboard only when it is followed."""
    parts = attack_id.split(".")
    known = all(part.isalnum() and part.isascii() for part in parts) and len(parts) <= 2
    if not known:
        return el("span", attack_id, class_="chip", data_field=field)
    href = "https://attack.mitre.org/techniques/" + "/".join(parts) + "/"
    return el("a", attack_id, href=href, rel="noopener noreferrer", class_="chip", data_field=field)


def panel(title: str, *content: Child, id_: str, live: bool = True, note: str | None = None) -> Html:
    """A titled section; a live one is swapped when the page changes."""
    return el(
        "section",
        el("h2", title, id=f"{id_}-title"),
        el("p", note, class_="note") if note else None,
        *content,
        id=id_,
        class_="panel",
        aria_labelledby=f"{id_}-title",
        data_live=live,
    )


def incident_rows(incidents: Sequence[IncidentSummary], prefix: str, empty: str) -> Html:
    """Incidents as a list of links, newest first. `prefix` is their member name in the body."""
    if not incidents:
        return el("p", empty, class_="empty")
    return el("ol", *(_incident_row(incident, prefix) for incident in incidents), class_="incidents")


def _incident_row(incident: IncidentSummary, prefix: str) -> Html:
    detail: list[Child] = [el("span", incident.detector, class_="mono", data_field=f"{prefix}.detector")]
    if incident.acting_exe:
        detail.append(el("span", incident.acting_exe, class_="mono", data_field=f"{prefix}.acting_exe"))
    detail += [el("span", a, data_field=f"{prefix}.attack") for a in incident.attack]
    if incident.suppressed_count:
        text = join(
            "and ", el("b", incident.suppressed_count, data_field=f"{prefix}.suppressed_count"), " more alike"
        )
        detail.append(el("span", text))
    if incident.source != "sensor":
        detail.append(el("span", incident.source, class_="chip", data_field=f"{prefix}.source"))
    return el(
        "li",
        el(
            "div",
            badge(incident.severity, f"{prefix}.severity"),
            moment(incident.ts, f"{prefix}.ts"),
            class_="when",
        ),
        el(
            "div",
            el("a", incident.title, href=incident_href(incident.incident_id), data_field=f"{prefix}.title"),
            el("p", incident.summary, data_field=f"{prefix}.summary"),
            el("p", *detail, class_="meta"),
        ),
        class_=f"row {incident.severity}",
        data_incident=incident.incident_id,
    )


def facts(pairs: Sequence[tuple[str, Child]], class_: str = "facts") -> Html:
    """Names and values; a pair whose value is None is left out."""
    shown = [(el("dt", name), el("dd", value)) for name, value in pairs if value is not None]
    return el("dl", *(el("div", *pair) for pair in shown), class_=class_)


def grid(caption: str, columns: Sequence[str], rows: Sequence[Sequence[Child]], empty: str) -> Html:
    """A table that scrolls inside its panel on a narrow screen."""
    if not rows:
        return el("p", empty, class_="empty")
    head = el("thead", el("tr", *(el("th", column, scope="col") for column in columns)))
    body = el("tbody", *(el("tr", *(el("td", cell) for cell in row)) for row in rows))
    table = el("table", el("caption", caption, class_="hidden"), head, body)
    return el("div", table, class_="scroll", tabindex="0", role="region", aria_label=caption)


def sensor_line(sensor: SensorState, prefix: str = "sensor") -> Html:
    """One sentence about what is seen right now."""
    if sensor.reason:
        return el(
            "p",
            state(sensor.state, f"{prefix}.state"),
            " ",
            el("span", sensor.reason, data_field=f"{prefix}.reason"),
            class_="verdict",
        )
    return el(
        "p",
        state(sensor.state, f"{prefix}.state"),
        ": ",
        _part(sensor.hooks_working, sensor.hooks_total, f"{prefix}.hooks_working", f"{prefix}.hooks_total"),
        " kernel hooks proven, ",
        _part(
            sensor.collectors_working,
            sensor.collectors_total,
            f"{prefix}.collectors_working",
            f"{prefix}.collectors_total",
        ),
        " sources working, ",
        el(
            "b",
            count(sensor.lost_total),
            class_="warn" if sensor.lost_total else None,
            data_field=f"{prefix}.lost_total",
        ),
        " records lost",
        class_="verdict",
    )


def _part(some: int | None, whole: int | None, some_field: str, whole_field: str) -> Html:
    """'14 of 17', coloured when something is missing."""
    numbers = (
        el("span", count(some), data_field=some_field),
        " of ",
        el("span", count(whole), data_field=whole_field),
    )
    return el("b", *numbers, class_="warn" if some != whole or not whole else None)


def count(number: int | float | None) -> str:
    """12345 -> '12,345'; None -> 'not known'."""
    if number is None:
        return "not known"
    return f"{number:,.1f}".removesuffix(".0") if isinstance(number, float) else f"{number:,}"


def size(number: int | None) -> str:
    """Bytes as MiB or KiB."""
    if number is None:
        return "not known"
    if number >= 1 << 20:
        return f"{number / (1 << 20):.1f} MiB"
    return f"{number / 1024:.1f} KiB" if number >= 1024 else f"{number} B"

# SPDX-License-Identifier: Apache-2.0
"""One incident: what happened, who did it, what it rests on, what to do next, what was not seen."""

from __future__ import annotations

import falcon

from innerwarden.agent.dashboard.act import form
from innerwarden.agent.dashboard.context import Context, response_summary, summary
from innerwarden.agent.dashboard.html import Html, el, join
from innerwarden.agent.dashboard.process_tree import process_tree
from innerwarden.agent.dashboard.response_rows import response_rows
from innerwarden.agent.dashboard.types import IncidentDetail
from innerwarden.agent.dashboard.view import View
from innerwarden.agent.dashboard.widgets import (
    badge,
    facts,
    incident_href,
    incident_rows,
    list_href,
    moment,
    panel,
    technique,
)
from innerwarden.model.command import Block, Close, Reopen
from innerwarden.model.entity import EntityType
from innerwarden.model.finding import Evidence


def load(context: Context, req: falcon.Request, params: dict[str, str]) -> IncidentDetail:
    reader = context.reader()
    row = reader.incident(params["incident_id"])
    if row is None:
        raise falcon.HTTPNotFound(title="no such incident", description="It may have been pruned by age.")
    return IncidentDetail(
        incident=summary(row),
        process=row.fields.process,
        evidence=row.fields.evidence,
        recommended_checks=row.fields.recommended_checks,
        entities=row.fields.entities,
        tags=row.fields.tags,
        blind=row.fields.blind,
        related=tuple(map(summary, reader.related(row.incident_id))),
        responses=tuple(map(response_summary, reader.responses(incident_id=row.incident_id))),
        switches=context.switches(),
    )


def render(body: IncidentDetail) -> Html:
    return join(
        _headline(body),
        el(
            "div",
            el("div", _process(body), _evidence(body), class_="wide"),
            el(
                "div",
                _checks(body),
                _responses(body),
                _blind(body),
                _about(body),
                _related(body),
                class_="side",
            ),
            class_="columns",
        ),
    )


def _headline(body: IncidentDetail) -> Html:
    one = body.incident
    techniques = (
        el("span", *(technique(a, "incident.attack") for a in one.attack), class_="chips")
        if one.attack
        else None
    )
    return el(
        "div",
        el("p", el("a", "Incidents", href="/incidents"), class_="crumbs"),
        el("h1", one.title, data_field="incident.title"),
        el(
            "p",
            badge(one.severity, "incident.severity"),
            moment(one.ts, "incident.ts"),
            el("span", "on ", el("b", one.host, data_field="incident.host")),
            techniques,
            class_="meta",
        ),
        el("p", one.summary, class_="lead", data_field="incident.summary"),
        class_=f"headline story {one.severity}",
    )


def _process(body: IncidentDetail) -> Html:
    if body.process is None:
        said = el(
            "p",
            "This incident rests on a log or on several processes; no single process is known.",
            class_="empty",
        )
        return panel("Process tree", said, id_="process", live=False)
    return panel("Process tree", process_tree(body.process), id_="process", live=False)


def _evidence(body: IncidentDetail) -> Html:
    if not body.evidence:
        return panel("Evidence", el("p", "None was recorded.", class_="empty"), id_="evidence", live=False)
    return panel(
        "Evidence", el("ol", *map(_fact, body.evidence), class_="timeline"), id_="evidence", live=False
    )


def _fact(one: Evidence) -> Html:
    known = [(k, el("span", str(v), class_="mono")) for k, v in one.details.items() if v is not None]
    details = el(
        "details",
        el("summary", f"{len(known)} fields"),
        facts(known, "facts fields"),
        data_field="evidence.details",
    )
    return el(
        "li",
        el(
            "p",
            moment(one.ts, "evidence.ts") if one.ts else None,
            el("span", one.kind, class_="mono", data_field="evidence.kind"),
            class_="meta",
        ),
        el("p", one.text, data_field="evidence.text"),
        details if known else None,
    )


def _checks(body: IncidentDetail) -> Html:
    checks = [el("li", check, data_field="recommended_checks") for check in body.recommended_checks]
    content = el("ol", *checks, class_="checks") if checks else el("p", "None are suggested.", class_="empty")
    return panel("Next checks", content, id_="checks", live=False)


def _responses(body: IncidentDetail) -> Html:
    """What was done about it, and what you may do."""
    one = body.incident
    back = incident_href(one.incident_id)
    over = one.status == "closed"
    word = Reopen(incident_id=one.incident_id) if over else Close(incident_id=one.incident_id)
    buttons = [form(word, "Reopen" if over else "Close", back, described=f"{word.id} this incident")]
    if body.switches.enabled:
        buttons += [
            form(Block(address=e.value, reason=one.title), f"Block {e.value}", back, careful=True)
            for e in body.entities
            if e.type is EntityType.IP
        ]
    return panel(
        "Responses",
        el("p", body.switches.text, class_="note", data_field="switches.text"),
        response_rows(body.responses, "responses", "None so far.", back),
        el("div", *buttons, class_="actions"),
        id_="responses",
    )


def _blind(body: IncidentDetail) -> Html:
    if body.blind:
        content = el("ul", *(el("li", text, data_field="blind") for text in body.blind), class_="blind")
    else:
        content = el("p", "Nothing was lost in the time that this incident rests on.", class_="empty")
    return panel("What this verdict could not see", content, id_="blind", live=False)


def _about(body: IncidentDetail) -> Html:
    one = body.incident
    entities = [
        el(
            "a", el("span", f"{entity.type} ", class_="kind", data_field="entities.type"), entity.value,
            href=list_href(entity=f"{entity.type}:{entity.value}"), class_="chip mono",
            data_field="entities.value",
        )
        for entity in body.entities
    ]  # fmt: skip
    tags = [el("span", tag, class_="chip", data_field="tags") for tag in body.tags]
    detector = el(
        "a",
        one.detector,
        href=list_href(detector=one.detector),
        class_="mono",
        data_field="incident.detector",
    )
    folded = (
        el("span", one.suppressed_count, data_field="incident.suppressed_count")
        if one.suppressed_count
        else None
    )
    return panel(
        "About",
        facts(
            [
                ("detector", detector),
                ("seen by", el("span", one.source, data_field="incident.source")),
                ("status", el("span", one.status, data_field="incident.status")),
                ("equal ones folded in", folded),
                ("entities", el("span", *entities, class_="chips") if entities else None),
                ("tags", el("span", *tags, class_="chips") if tags else None),
                ("id", el("span", one.incident_id, class_="mono small", data_field="incident.incident_id")),
            ]
        ),
        id_="about",
        live=False,
    )


def _related(body: IncidentDetail) -> Html:
    return panel("Related incidents", incident_rows(body.related, "related", "None."), id_="related")


VIEW = View(
    name="incident",
    title="Incident",
    path="/incident/{incident_id:path}",
    api_path="/api/v1/incident/{incident_id:path}",
    body=IncidentDetail,
    load=load,
    render=render,
)

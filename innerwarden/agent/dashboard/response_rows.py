# SPDX-License-Identifier: Apache-2.0
"""Responses as rows with the buttons that fit their state."""

from __future__ import annotations

from collections.abc import Sequence

from innerwarden.agent.dashboard.act import form
from innerwarden.agent.dashboard.html import Html, el
from innerwarden.agent.dashboard.types import ResponseSummary
from innerwarden.agent.dashboard.widgets import incident_href, moment, state
from innerwarden.model.command import Approve, Deny, Undo

#: Verb -> what a person calls it.
WORDS = {
    "block_address": "block",
    "rate_limit_address": "refuse in nginx",
    "capture_packets": "record packets of",
    "kill_process_tree": "end process tree",
    "stop_process_tree": "suspend process tree",
    "collect_forensics": "copy facts of process tree",
    "suspend_sudo": "suspend sudo of",
    "quarantine_file": "quarantine",
    "pause_container": "pause container",
}


def response_rows(responses: Sequence[ResponseSummary], prefix: str, empty: str, back: str) -> Html:
    """`prefix` is their member name in the body; `back` the page that a button returns to."""
    if not responses:
        return el("p", empty, class_="empty", data_field=prefix)
    return el("ol", *(_row(one, prefix, back) for one in responses), class_="responses")


def _row(one: ResponseSummary, prefix: str, back: str) -> Html:
    what = WORDS.get(one.verb, one.verb)
    story = (
        el("a", "incident", href=incident_href(one.incident_id), data_field=f"{prefix}.incident_id")
        if one.incident_id and back != incident_href(one.incident_id)
        else None
    )
    until = (
        el("span", "until ", moment(one.expires, f"{prefix}.expires"))
        if one.expires and one.is_live
        else None
    )
    return el(
        "li",
        el(
            "p",
            state(one.state, f"{prefix}.state"),
            el("b", el("span", what, data_field=f"{prefix}.verb"), " ", class_="what"),
            el("span", one.target, class_="mono", data_field=f"{prefix}.target"),
            until,
            class_="meta",
        ),
        el("p", one.reason, data_field=f"{prefix}.reason"),
        el(
            "p",
            moment(one.created, f"{prefix}.created"),
            el("span", "by ", el("span", one.by, class_="mono", data_field=f"{prefix}.by")),
            story,
            el("span", one.response_id, class_="mono small", data_field=f"{prefix}.response_id"),
            class_="meta small",
        ),
        el("p", one.detail, class_="small", data_field=f"{prefix}.detail") if one.detail else None,
        _buttons(one, what, back),
    )


def _buttons(one: ResponseSummary, what: str, back: str) -> Html | None:
    about = f"{what} {one.target}"
    if one.state == "proposed":
        return el(
            "div",
            form(
                Approve(response_id=one.response_id),
                "Approve",
                back,
                careful=True,
                described=f"Approve: {about}",
            ),
            form(Deny(response_id=one.response_id), "Deny", back, described=f"Deny: {about}"),
            class_="actions",
        )
    if one.state == "active":
        undo = form(Undo(response_id=one.response_id), "Undo", back, described=f"Undo: {about}")
        return el("div", undo, class_="actions")
    return None

# SPDX-License-Identifier: Apache-2.0
"""What is proposed, in effect and over; with the operator's word on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import falcon
import msgspec

from innerwarden.agent.dashboard.context import Context, response_summary
from innerwarden.agent.dashboard.html import Html, el, join
from innerwarden.agent.dashboard.response_rows import response_rows
from innerwarden.agent.dashboard.types import ResponseList, ResponseSummary
from innerwarden.agent.dashboard.view import View
from innerwarden.agent.dashboard.widgets import panel

PATH = "/responses"
SHOWN = 200
WAITING = ("proposed",)
IN_EFFECT = ("intended", "active", "undoing")
OVER = ("undone", "done", "dry_run", "refused", "failed", "denied")


def load(context: Context, req: falcon.Request, params: dict[str, str]) -> ResponseList:
    reader = context.reader()

    def some(states: Sequence[str], limit: int) -> tuple[ResponseSummary, ...]:
        return tuple(map(response_summary, reader.responses(states=states, limit=limit)))

    limit = req.get_param_as_int("limit", min_value=1, max_value=SHOWN, default=50)
    return ResponseList(
        switches=context.switches(),
        waiting=some(WAITING, SHOWN),
        in_effect=some(IN_EFFECT, SHOWN),
        over=some(OVER, limit),
        by_state=reader.response_counts(),
    )


def render(body: ResponseList) -> Html:
    counts = [
        el("span", f"{state} ", el("b", count), class_="chip", data_field="by_state")
        for state, count in body.by_state.items()
    ] or [el("span", "nothing so far", class_="chip", data_field="by_state")]
    return join(
        el(
            "div",
            el("h1", "Responses"),
            el("p", body.switches.text, class_="lead", data_field="switches.text"),
            el("p", *counts, class_="chips"),
            class_="headline",
        ),
        panel(
            "Waiting for your word",
            response_rows(body.waiting, "waiting", "Nothing is proposed.", PATH),
            id_="waiting",
        ),
        panel(
            "In effect",
            response_rows(body.in_effect, "in_effect", "Nothing is blocked, stopped or changed.", PATH),
            id_="effect",
        ),
        panel("Over", response_rows(body.over, "over", "Nothing yet.", PATH), id_="over"),
    )


VIEW = View(
    name="responses",
    title="Responses",
    path=PATH,
    api_path="/api/v1/responses",
    body=ResponseList,
    load=load,
    render=render,
    nav=3,
    query={"limit": Annotated[int, msgspec.Meta(ge=1, le=SHOWN)]},
)

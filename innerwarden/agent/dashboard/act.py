# SPDX-License-Identifier: Apache-2.0
"""POST /act/{what}: the operator's word from a page. Every form is one command of model.command."""

from __future__ import annotations

from collections.abc import Callable

import falcon
import msgspec

from innerwarden.agent.dashboard.html import Html, el, join
from innerwarden.agent.dashboard.page import plain_page
from innerwarden.model.command import Answer, AnyCommand, Command

#: Carries out a command of a named person.
Operate = Callable[[str, AnyCommand], Answer]

WHO = "dashboard"
MAX_VALUE = 500


class Act:
    """Answers with a page of one sentence; the way back is a page of ours."""

    def __init__(self, operate: Operate) -> None:
        self._operate = operate

    def on_post(self, req: falcon.Request, resp: falcon.Response, what: str) -> None:
        media = req.get_media(default_when_empty={})
        if not isinstance(media, dict):
            raise falcon.HTTPBadRequest(title="not a form", description="Send a form.")
        back = str(media.pop("back", "/responses"))
        fields = {str(name): str(value)[:MAX_VALUE] for name, value in media.items()}
        try:
            command = msgspec.convert({**fields, "command": what}, AnyCommand, strict=False)
        except msgspec.ValidationError as error:
            raise falcon.HTTPBadRequest(title="not a command", description=str(error)) from error
        answer = self._operate(WHO, command)
        resp.status = falcon.HTTP_200 if answer.done else falcon.HTTP_409
        resp.content_type = falcon.MEDIA_HTML
        title = "Done" if answer.done else "Nothing was changed"
        ours = back.startswith("/") and not back.startswith(("//", "/\\"))
        said = join(
            el("h1", title),
            el("p", answer.text, role="status", id="answer"),
            el("p", el("a", "Back", href=back if ours else "/responses")),
        )
        resp.text = plain_page(title, el("section", said, class_="login"), "act")


def form(command: Command, label: str, back: str, *, careful: bool = False, described: str = "") -> Html:
    """A button that sends one command; `described` tells what it does to whom for those who cannot see the row."""
    fields = msgspec.to_builtins(command)
    hidden = [
        el("input", type="hidden", name=name, value=str(value))
        for name, value in fields.items()
        if name != "command" and value not in (None, "")
    ]
    button = el(
        "button", label, type="submit", class_="careful" if careful else "quiet", aria_label=described or None
    )
    return el(
        "form",
        *hidden,
        el("input", type="hidden", name="back", value=back),
        button,
        method="post",
        action=f"/act/{command.id}",
        class_="act",
    )

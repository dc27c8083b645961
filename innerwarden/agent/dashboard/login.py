# SPDX-License-Identifier: Apache-2.0
"""Logging in with the token, and out again."""

from __future__ import annotations

import falcon

from innerwarden.agent.dashboard.auth import COOKIE, SESSION_S, Door
from innerwarden.agent.dashboard.html import el
from innerwarden.agent.dashboard.page import plain_page


class Login:
    """The token form, and the cookie that follows."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        if self._door.is_open(req):
            raise falcon.HTTPSeeOther("/")
        _form(resp, None)

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        media = req.get_media(default_when_empty={})
        token = media.get("token", "") if isinstance(media, dict) else ""
        token_hash = self._door.try_token(req, token.strip() if isinstance(token, str) else "")
        if token_hash is None:
            resp.status = falcon.HTTP_401
            _form(resp, "That is not a valid token. `innerwarden dashboard token` makes a new one.")
            return
        resp.set_cookie(
            COOKIE,
            self._door.sessions.open(token_hash),
            max_age=SESSION_S,
            path="/",
            secure=bool(getattr(req.context, "is_public", False)),
            http_only=True,
            same_site="Strict",
        )
        resp.status = falcon.HTTP_303
        resp.location = "/"


class Logout:
    def __init__(self, door: Door) -> None:
        self._door = door

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._door.sessions.close(str(req.cookies.get(COOKIE, "")))
        resp.unset_cookie(COOKIE, path="/", same_site="Strict")
        resp.status = falcon.HTTP_303
        resp.location = "/login"


def _form(resp: falcon.Response, problem: str | None) -> None:
    form = el(
        "form",
        el("label", "Access token", for_="token"),
        el(
            "input", type="password", id="token", name="token", required=True, autofocus=True,
            autocomplete="current-password", spellcheck="false",
            aria_describedby="problem" if problem else "hint",
        ),
        el("button", "Log in", type="submit"),
        method="post", action="/login", id="login",
    )  # fmt: skip
    said = el("p", problem, id="problem", role="alert", class_="problem") if problem else None
    hint = el(
        "p", "It was printed once when the agent started, as part of the dashboard's address.", id="hint"
    )
    heading = el("h1", el("img", src="/static/icon.svg", alt="", width=36, height=36), "InnerWarden")
    resp.content_type = falcon.MEDIA_HTML
    resp.text = plain_page("Log in", el("section", heading, form, said, hint, class_="login"), "login")

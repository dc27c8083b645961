# SPDX-License-Identifier: Apache-2.0
"""The WSGI application: routes, middleware, and what a failure looks like."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import falcon
import msgspec

from innerwarden.agent.dashboard import openapi, view
from innerwarden.agent.dashboard.act import Act, Operate
from innerwarden.agent.dashboard.auth import Door, Sessions, Throttle, TokenCheck
from innerwarden.agent.dashboard.context import Context
from innerwarden.agent.dashboard.html import el, join
from innerwarden.agent.dashboard.login import Login, Logout
from innerwarden.agent.dashboard.page import plain_page
from innerwarden.agent.dashboard.security import Guard
from innerwarden.agent.dashboard.types import Pulse
from innerwarden.errors import StateError

LOG = logging.getLogger(__name__)
STATIC = Path(__file__).resolve().parent / "static"

Application = falcon.App[falcon.Request, falcon.Response]


class PulseApi:
    """A short string that changes when a page should be fetched anew; cheap enough to ask twice a second."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        reader = self._context.reader()
        newest = reader.incidents(limit=1)
        cursor = reader.cursor(last=0)
        health = self._context.health()
        state = self._context.sensor_state(health)
        responses = ".".join(f"{name}{count}" for name, count in reader.response_counts().items())
        seen = newest[0].id if newest else 0
        parts = (seen, cursor.offset, health.ts if health else "", state.state, responses)
        resp.content_type = falcon.MEDIA_JSON
        resp.data = msgspec.json.encode(Pulse(change="/".join(map(str, parts))))


class Healthz:
    """For a watchdog: the server answers and state.db can be read."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._context.reader().incidents(limit=1)
        resp.content_type = falcon.MEDIA_TEXT
        resp.text = "ok\n"


def create(
    context: Context, is_valid: TokenCheck, operate: Operate | None = None, public_url: str = ""
) -> Application:
    """Everything wired; `is_valid` judges a token's hash, `operate` takes commands (None: pages only show).
    `public_url`: the address that a TLS proxy on this host shows it under, if there is one."""
    door = Door(is_valid, Sessions(), Throttle())
    app: Application = falcon.App(middleware=[Guard(public_url), door])
    app.add_error_handler(Exception, _unexpected)
    app.add_error_handler(StateError, _state_error)
    app.add_error_handler(falcon.HTTPError, _http_error)
    app.add_static_route("/static", str(STATIC))
    app.add_route("/login", Login(door))
    app.add_route("/logout", Logout(door))
    app.add_route("/healthz", Healthz(context))
    app.add_route(openapi.PULSE, PulseApi(context))
    if operate is not None:
        app.add_route("/act/{what}", Act(operate))
    views = view.find()
    for entry in views:
        app.add_route(entry.path, view.Page(entry, context, views))
        app.add_route(entry.api_path, view.Api(entry, context))
    app.add_route(openapi.PATH, openapi.Description(views))
    return app


def _http_error(req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError, params: Any) -> None:
    """JSON for the API, a page for people."""
    resp.status = error.status
    resp.set_headers(error.headers or {})
    if req.path.startswith("/api/"):
        resp.content_type = falcon.MEDIA_JSON
        resp.data = error.to_json()
        return
    resp.content_type = falcon.MEDIA_HTML
    title = str(error.title or error.status).capitalize()
    said = join(
        el("h1", title), el("p", error.description or ""), el("p", el("a", "Back to the overview", href="/"))
    )
    resp.text = plain_page(title, el("section", said, class_="login"), "error")


def _state_error(req: falcon.Request, resp: falcon.Response, error: StateError, params: Any) -> None:
    LOG.error("dashboard cannot read the state: %s", error)
    failure = falcon.HTTPServiceUnavailable(title=error.problem, description=error.remedy)
    _http_error(req, resp, failure, params)


def _unexpected(req: falcon.Request, resp: falcon.Response, error: Exception, params: Any) -> None:
    """The border: the person learns that it failed, the log learns why."""
    if isinstance(error, falcon.HTTPStatus):
        resp.status = error.status
        resp.set_headers(error.headers or {})
        return
    LOG.exception("dashboard request failed path=%r", req.path)
    failure = falcon.HTTPInternalServerError(
        title="something went wrong", description="The agent's log says what."
    )
    _http_error(req, resp, failure, params)

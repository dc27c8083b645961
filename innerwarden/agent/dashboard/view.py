# SPDX-License-Identifier: Apache-2.0
"""A view: one typed body, served as JSON and drawn as a page; found by scanning views/."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from importlib import import_module
from typing import Any

import falcon
import msgspec

from innerwarden.agent.dashboard import views
from innerwarden.agent.dashboard.context import Context
from innerwarden.agent.dashboard.html import Html
from innerwarden.agent.dashboard.page import page
from innerwarden.agent.dashboard.types import Body


class View(msgspec.Struct, frozen=True, kw_only=True):
    """`nav` is the place in the menu (None: not in it). `load` raises falcon errors for bad requests. `query`:
    parameter -> its type, for the API's description."""

    name: str
    title: str
    path: str
    api_path: str
    body: type[Body]
    load: Callable[[Context, falcon.Request, dict[str, str]], Body]
    render: Callable[[Any], Html]
    nav: int | None = None
    query: dict[str, Any] = {}


def find() -> list[View]:
    """All views, in menu order."""
    found = [
        import_module(f"{views.__name__}.{module.name}").VIEW
        for module in pkgutil.iter_modules(views.__path__)
    ]
    return sorted(found, key=lambda view: (view.nav is None, view.nav or 0, view.name))


class Page:
    """The view as HTML."""

    def __init__(self, view: View, context: Context, menu: list[View]) -> None:
        self._view = view
        self._context = context
        self._menu = [(entry.title, entry.path, entry.name) for entry in menu if entry.nav is not None]

    def on_get(self, req: falcon.Request, resp: falcon.Response, **params: str) -> None:
        body = self._view.load(self._context, req, params)
        resp.content_type = falcon.MEDIA_HTML
        resp.text = page(self._view.title, self._view.name, self._menu, self._view.render(body))


class Api:
    """The view as JSON."""

    def __init__(self, view: View, context: Context) -> None:
        self._view = view
        self._context = context

    def on_get(self, req: falcon.Request, resp: falcon.Response, **params: str) -> None:
        resp.content_type = falcon.MEDIA_JSON
        resp.data = msgspec.json.encode(self._view.load(self._context, req, params))

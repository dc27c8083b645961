# SPDX-License-Identifier: Apache-2.0
"""The API's description (OpenAPI 3.1), made of the views: what they take, and the types that they answer with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import falcon
import msgspec

from innerwarden import __version__
from innerwarden.agent.dashboard.auth import COOKIE
from innerwarden.agent.dashboard.types import Pulse
from innerwarden.agent.dashboard.view import View

PATH = "/api/v1/openapi.json"
PULSE = "/api/v1/pulse"
_PLACE = re.compile(r"\{(\w+)(?::\w+)?\}")
_REFERENCE = "#/components/schemas/{name}"


class Problem(msgspec.Struct, frozen=True):
    """What every refusal looks like."""

    title: str
    description: str = ""


#: Status -> when an API route answers so.
_REFUSALS = {
    400: "A parameter has no such value.",
    401: "No session, and no valid bearer token.",
    403: "The request came from another site.",
    404: "There is nothing of this name.",
    421: "The host name is not this machine's address.",
    429: "Too many wrong tokens; wait as long as Retry-After says.",
    503: "The state cannot be read.",
}


class Description:
    """Serves the document; it is made once."""

    def __init__(self, views: Iterable[View]) -> None:
        self._document = msgspec.json.encode(document(views))

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type = falcon.MEDIA_JSON
        resp.data = self._document


def document(views: Iterable[View]) -> dict[str, Any]:
    """Every JSON route that answers to GET."""
    views = list(views)
    bodies: list[Any] = [*(view.body for view in views), Pulse, Problem]
    schemas, components = msgspec.json.schema_components(bodies, ref_template=_REFERENCE)
    paths = {
        _PLACE.sub(r"{\1}", view.api_path): {"get": _operation(view.name, view.title, schema, view)}
        for view, schema in zip(views, schemas, strict=False)
    }
    paths[PULSE] = {"get": _operation("pulse", "Whether a page may have something new to show", schemas[-2])}
    return {
        "openapi": "3.1.0",
        "info": {"title": "InnerWarden", "version": __version__},
        "paths": paths,
        "security": [{"token": []}, {"session": []}],
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
            },
        },
    }


def _operation(name: str, title: str, schema: Mapping[str, Any], view: View | None = None) -> dict[str, Any]:
    refused = {"application/json": {"schema": {"$ref": _REFERENCE.format(name="Problem")}}}
    answers: dict[str, Any] = {
        "200": {"description": title, "content": {"application/json": {"schema": schema}}}
    }
    answers |= {str(code): {"description": why, "content": refused} for code, why in _REFUSALS.items()}
    operation: dict[str, Any] = {"operationId": name, "summary": title, "responses": answers}
    if view is not None:
        operation["parameters"] = [*_places(view), *_query(view)]
    return operation


def _places(view: View) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in _PLACE.findall(view.api_path)
    ]


def _query(view: View) -> list[dict[str, Any]]:
    schemas, components = msgspec.json.schema_components(view.query.values(), ref_template="{name}")
    out = []
    for name, schema in zip(view.query, schemas, strict=True):
        whole = components[schema["$ref"]] if "$ref" in schema else schema
        out.append({"name": name, "in": "query", "schema": whole})
    return out

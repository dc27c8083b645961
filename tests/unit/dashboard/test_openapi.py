# SPDX-License-Identifier: Apache-2.0
"""The API's description says what the API does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import falcon.testing
import pytest

from innerwarden.agent.dashboard import openapi
from innerwarden.agent.dashboard.view import find

Client = falcon.testing.TestClient


@pytest.fixture
def document(client: Client) -> dict[str, Any]:
    reply = client.simulate_get(openapi.PATH)
    assert reply.status_code == 200
    return dict(reply.json)


def _inside(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
    for inner in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from _inside(inner)


def test_every_route_of_the_api_is_described(document: dict[str, Any]) -> None:
    routes = {view.api_path.replace(":path}", "}") for view in find()}
    assert set(document["paths"]) == {*routes, "/api/v1/pulse"}
    names = [operation["get"]["operationId"] for operation in document["paths"].values()]
    assert len(names) == len(set(names))


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = {one["$ref"] for one in _inside(document) if "$ref" in one}
    schemas = document["components"]["schemas"]
    assert "#/components/schemas/IncidentList" in references
    assert {name.removeprefix("#/components/schemas/") for name in references} <= set(schemas)


def test_bounds_of_numbers_are_those_that_are_enforced(document: dict[str, Any], client: Client) -> None:
    tried = 0
    for path, operations in document["paths"].items():
        for parameter in operations["get"].get("parameters", ()):
            schema = parameter["schema"]
            if schema.get("type") != "integer":
                continue
            low, high, name = schema["minimum"], schema["maximum"], parameter["name"]
            told = [
                client.simulate_get(path, params={name: n}).status_code
                for n in (low - 1, low, high, high + 1)
            ]
            assert told == [400, 200, 200, 400], f"{path} {name}"
            tried += 1
    assert tried == 3


def test_it_is_for_those_who_are_logged_in(stranger: Client) -> None:
    assert stranger.simulate_get(openapi.PATH).status_code == 401

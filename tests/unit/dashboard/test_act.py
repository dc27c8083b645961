# SPDX-License-Identifier: Apache-2.0
"""The operator's word from a page: one command, from the same site, with a session."""

from __future__ import annotations

from urllib.parse import urlencode

import falcon.testing
import pytest

from innerwarden.agent.dashboard.app import create
from innerwarden.agent.dashboard.auth import hash_of
from innerwarden.agent.dashboard.context import Context
from innerwarden.model.command import Answer, AnyCommand, Approve, Block, Close
from tests.unit.dashboard.conftest import HOST, TOKEN, log_in

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Told:
    def __init__(self) -> None:
        self.commands: list[tuple[str, AnyCommand]] = []
        self.answer = Answer(done=True, text="r1 <i>is</i> approved")

    def __call__(self, who: str, command: AnyCommand) -> Answer:
        self.commands.append((who, command))
        return self.answer


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def app(context: Context, told: Told) -> falcon.testing.TestClient:
    made = create(context, lambda sha256: sha256 == hash_of(TOKEN), told)
    return falcon.testing.TestClient(made, headers=HOST)


def session(app: falcon.testing.TestClient) -> dict[str, str]:
    cookie = f"iw_session={log_in(app).cookies['iw_session'].value}"
    return {**FORM, "Cookie": cookie, "Origin": f"http://{HOST['Host']}"}


def test_a_form_is_a_command(app: falcon.testing.TestClient, told: Told) -> None:
    body = urlencode({"response_id": "r1", "back": "/responses"})
    reply = app.simulate_post("/act/approve", body=body, headers=session(app))
    assert reply.status_code == 200
    assert told.commands == [("dashboard", Approve(response_id="r1"))]
    assert "r1 &lt;i&gt;is&lt;/i&gt; approved" in reply.text
    assert 'href="/responses"' in reply.text


def test_numbers_arrive_as_numbers(app: falcon.testing.TestClient, told: Told) -> None:
    body = urlencode({"address": "198.51.100.9", "ttl_s": "600"})
    app.simulate_post("/act/block", body=body, headers=session(app))
    assert told.commands == [("dashboard", Block(address="198.51.100.9", ttl_s=600))]


def test_what_was_not_done_is_a_conflict(app: falcon.testing.TestClient, told: Told) -> None:
    told.answer = Answer(done=False, text="r1 is undone, not proposed")
    body = urlencode({"response_id": "r1"})
    reply = app.simulate_post("/act/approve", body=body, headers=session(app))
    assert reply.status_code == 409
    assert "r1 is undone, not proposed" in reply.text


@pytest.mark.parametrize(
    "back", ["//evil.example", "https://evil.example", "javascript:alert(1)", "/\\evil.example"]
)
def test_the_way_back_is_ours(app: falcon.testing.TestClient, told: Told, back: str) -> None:
    body = urlencode({"incident_id": "x", "back": back})
    reply = app.simulate_post("/act/close", body=body, headers=session(app))
    assert told.commands == [("dashboard", Close(incident_id="x"))]
    assert "evil" not in reply.text and "javascript" not in reply.text


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/act/reboot", {}),
        ("/act/approve", {}),
        ("/act/approve", {"response_id": "r1", "extra": "1"}),
        ("/act/block", {"address": "198.51.100.9", "ttl_s": "soon"}),
        ("/act/approve", {"response_id": "r1", "command": "block"}),
    ],
)
def test_anything_else_is_refused(
    app: falcon.testing.TestClient, told: Told, path: str, fields: dict[str, str]
) -> None:
    reply = app.simulate_post(path, body=urlencode(fields), headers=session(app))
    if "command" in fields:
        assert told.commands == [("dashboard", Approve(response_id="r1"))], "the address names the command"
    else:
        assert reply.status_code == 400
        assert told.commands == []


@pytest.mark.parametrize(
    "more",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Host": "evil.example"},
        {"Cookie": ""},
        {"Cookie": "iw_session=guessed"},
    ],
)
def test_nobody_else_can_say_it(app: falcon.testing.TestClient, told: Told, more: dict[str, str]) -> None:
    body = urlencode({"response_id": "r1"})
    reply = app.simulate_post("/act/approve", body=body, headers={**session(app), **more})
    assert reply.status_code in (303, 401, 403, 421)
    assert told.commands == []


def test_a_link_says_nothing(app: falcon.testing.TestClient, told: Told) -> None:
    assert app.simulate_get("/act/approve?response_id=r1", headers=session(app)).status_code == 405
    assert told.commands == []

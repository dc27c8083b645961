# SPDX-License-Identifier: Apache-2.0
"""Pages and API over a real state.db: same facts, declared fields, no markup from outside."""

from __future__ import annotations

import json
import re
import types
import typing
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import falcon.testing
import msgspec
import pytest

from innerwarden import paths
from innerwarden.agent.dashboard import types as bodies
from innerwarden.agent.dashboard.view import View, find
from innerwarden.agent.dashboard.widgets import incident_href
from innerwarden.clock import NS, boot_id, boottime_ns, realtime_ns
from innerwarden.model.health import SILENT_AFTER_S
from tests.unit.dashboard import samples
from tests.unit.dashboard.conftest import ingest

Client = falcon.testing.TestClient
VIEWS = {view.name: view for view in find()}

#: Members that a page need not draw: identity of the API, and what the address or a link already carries.
NOT_DRAWN = {
    "version", "id", "latest.id", "incidents.id", "related.id", "incident.id",
}  # fmt: skip


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.fields: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = dict(attrs)
        assert not [name for name in found if name.startswith("on") or name == "style"]
        if field := found.get("data-field"):
            self.fields.append(field)
        if tag == "a":
            self.links.append(found["href"] or "")

    def handle_data(self, data: str) -> None:
        self.text += data


def newest_id(client: Client) -> str:
    return str(client.simulate_get("/api/v1/incidents").json["incidents"][0]["incident_id"])


def address(client: Client, path: str) -> str:
    return path.replace("/{incident_id:path}", incident_href(newest_id(client)).removeprefix("/incident"))


def page(client: Client, view: View, query: str = "") -> Page:
    reply = client.simulate_get(address(client, view.path), query_string=query)
    assert reply.status_code == 200, reply.text
    return Page(reply.text)


def member(kind: Any, name: str) -> Any:
    """Type of a member of a Struct, through Optional and tuples; raises KeyError when there is none."""
    origin = typing.get_origin(kind)
    arguments = typing.get_args(kind)
    if origin in {typing.Union, types.UnionType}:
        return member(next(a for a in arguments if a is not type(None)), name)
    if origin in {tuple, list}:
        return member(arguments[0], name)
    return {f.name: f.type for f in msgspec.structs.fields(kind)}[name]


@pytest.mark.parametrize("name", VIEWS)
def test_data_fields_are_members_of_the_body(client: Client, name: str) -> None:
    found = page(client, VIEWS[name])
    assert found.fields
    for path in found.fields:
        kind: Any = VIEWS[name].body
        for part in path.split("."):
            kind = member(kind, part)  # a KeyError here: the page names a member that the API does not have


@pytest.mark.parametrize("name", VIEWS)
def test_top_level_members_are_drawn(client: Client, name: str) -> None:
    drawn = {path.split(".")[0] for path in page(client, VIEWS[name], "limit=2").fields}
    declared = set(VIEWS[name].body.__struct_fields__) - NOT_DRAWN
    if name == "incidents":
        declared -= {"detectors"}  # they are the options of filters.detector
    assert declared <= drawn


@pytest.mark.parametrize("name", VIEWS)
def test_the_api_gives_the_declared_body(client: Client, name: str) -> None:
    reply = client.simulate_get(address(client, VIEWS[name].api_path))
    assert reply.status_code == 200
    body = msgspec.json.decode(reply.content, type=VIEWS[name].body)
    assert reply.json["version"] == 1
    assert json.loads(msgspec.json.encode(body)) == reply.json


@pytest.mark.parametrize("name", VIEWS)
def test_no_markup_from_outside(client: Client, name: str) -> None:
    raw = client.simulate_get(address(client, VIEWS[name].path)).text
    assert raw.count("<script") == 1  # our own, with src
    assert "<script>" not in raw
    assert "<b>work" not in raw
    assert "<b>disk" not in raw
    assert "\x1b" not in raw
    assert "\u202e" not in raw
    if name != "sensor":
        assert samples.SCRIPT in Page(raw).text


@pytest.mark.parametrize("name", VIEWS)
def test_structure_for_assistive_technology(client: Client, name: str) -> None:
    raw = client.simulate_get(address(client, VIEWS[name].path)).text
    found = Page(raw)
    assert found.tags.count("h1") == 1
    assert found.tags.count("main") == 1
    assert 'lang="en"' in raw
    assert "#main" in found.links
    ids = re.findall(r' id="([^"]+)"', raw)
    assert len(ids) == len(set(ids))


def test_overview_counts(client: Client) -> None:
    body = client.simulate_get("/api/v1/overview").json
    assert body["total"] == 6
    assert body["by_severity"] == {"critical": 1, "high": 5}
    assert len(body["by_hour"]) == 24
    assert sum(hour["count"] for hour in body["by_hour"]) == 6
    assert body["lost"] == {"ring.bulk": 1200}
    assert body["bad_lines"] == 1
    assert body["sensor"]["state"] == "watching"
    assert (body["sensor"]["hooks_working"], body["sensor"]["hooks_total"]) == (1, 3)


def test_the_tree_is_drawn_from_the_root_to_the_acting_process(client: Client) -> None:
    raw = client.simulate_get(address(client, "/incident/{incident_id:path}")).text
    assert re.findall(r'data-pid="(\d+)"', raw) == ["1", "871", "4100", "4242"]
    assert raw.count("acting process</span>") == 1
    text = Page(raw).text
    for part in (
        "/dev/tcp/198.51.100.7/4444",
        "uid 1000",
        "T1059.004",
        "12 file.open records were lost",
        "ss -tnp",
    ):
        assert part in text


def test_attack_links_lead_to_the_technique(client: Client) -> None:
    found = page(client, VIEWS["incident"])
    assert "https://attack.mitre.org/techniques/T1059/004/" in found.links


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("", 6), ("severity=critical", 1), ("severity=low", 6), ("detector=ssh_brute_force", 5),
        ("since=15m", 2),
        ("since=1h", 6), ("entity=198.51.100.7", 1), ("entity=user:ana", 1), ("entity=ip:ana", 0),
        ("text=reads%20its", 1), ("text=%25", 0), ("text='%20OR%201=1--", 0), ("limit=2", 2),
    ],
)  # fmt: skip
def test_filters(client: Client, query: str, number: int) -> None:
    assert len(client.simulate_get("/api/v1/incidents", query_string=query).json["incidents"]) == number


@pytest.mark.parametrize(
    "query", ["severity=urgent", "since=yesterday", "limit=0", "limit=x", "before=-1", "limit=501"]
)
def test_wrong_filters_are_named(client: Client, query: str) -> None:
    reply = client.simulate_get("/api/v1/incidents", query_string=query)
    assert reply.status_code == 400
    assert query.split("=", maxsplit=1)[0] in reply.text
    assert client.simulate_get("/incidents", query_string=query).status_code == 400


def test_pages_of_a_list_join_without_gap_or_double(client: Client) -> None:
    seen: list[int] = []
    before = ""
    while True:
        body = client.simulate_get("/api/v1/incidents", query_string=f"limit=2{before}").json
        seen += [row["id"] for row in body["incidents"]]
        if body["next_before"] is None:
            break
        before = f"&before={body['next_before']}"
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == len(set(seen)) == 6


def test_an_unknown_incident_is_404_on_both(client: Client) -> None:
    assert client.simulate_get("/incident/none:of:these").status_code == 404
    assert client.simulate_get("/api/v1/incident/none:of:these").status_code == 404


def test_the_pulse_moves_with_an_incident_and_with_the_report(client: Client, data_dir: Path) -> None:
    def pulse() -> str:
        return str(client.simulate_get("/api/v1/pulse").json["change"])

    first = pulse()
    assert pulse() == first
    with paths.findings(data_dir).open("ab") as file:
        file.write(samples.line(samples.brute_force(number=77)))
    ingest(data_dir)
    second = pulse()
    assert second != first
    paths.sensor_health(data_dir).write_bytes(msgspec.json.encode(samples.health()))
    assert pulse() != second


@pytest.mark.parametrize(
    ("age_s", "state"), [(1, "watching"), (SILENT_AFTER_S + 2, "silent"), (None, "absent")]
)
def test_an_old_or_missing_report_is_never_shown_as_good(
    client: Client, data_dir: Path, age_s: float | None, state: str
) -> None:
    file = paths.sensor_health(data_dir)
    if age_s is None:
        file.unlink()
    else:
        file.write_bytes(msgspec.json.encode(samples.health(realtime_ns() - int(age_s * NS))))
    body = client.simulate_get("/api/v1/overview").json["sensor"]
    assert body["state"] == state
    assert (body["reason"] is None) is (state == "watching")
    for view in VIEWS.values():
        assert client.simulate_get(address(client, view.path)).status_code == 200
    text = page(client, VIEWS["sensor"]).text
    assert state in text


@pytest.mark.parametrize("ago_s", [1, 60])
def test_a_wall_clock_that_was_set_makes_no_report_older(client: Client, data_dir: Path, ago_s: int) -> None:
    report = msgspec.structs.replace(
        samples.health(realtime_ns() - 86_400 * NS),
        boot_ns=boottime_ns() - ago_s * NS,
        boot_id=boot_id(),
    )
    paths.sensor_health(data_dir).write_bytes(msgspec.json.encode(report))
    expected = "watching" if ago_s < SILENT_AFTER_S else "silent"
    assert client.simulate_get("/api/v1/overview").json["sensor"]["state"] == expected


def test_a_torn_health_file_is_absent(client: Client, data_dir: Path) -> None:
    paths.sensor_health(data_dir).write_bytes(b'{"ts": "20')
    assert client.simulate_get("/api/v1/sensor").json["sensor"]["state"] == "absent"


def test_every_body_is_versioned() -> None:
    for view in VIEWS.values():
        assert issubclass(view.body, bodies.Body)
        assert "version" in view.body.__struct_fields__

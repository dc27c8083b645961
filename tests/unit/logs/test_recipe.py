# SPDX-License-Identifier: Apache-2.0
"""Recipes at work: lines of a tool that does not exist -> records."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from innerwarden_core import Record

from innerwarden.logs import recipe as module
from innerwarden.logs.recipe import Recipe, RecipeReader, time_ns

BASE: dict[str, Any] = {
    "recipe": {"id": "tool", "name": "Tool", "description": "A tool."},
    "input": {"paths": ["/var/log/tool.json"]},
    "event": {"time": "when", "message": "text", "kind": "tool.{sort}"},
}
EVENT: dict[str, Any] = {"when": "2026-11-02T10:00:00Z", "text": "something happened", "sort": "Odd Thing!"}


def reader(**tables: Any) -> RecipeReader:
    return RecipeReader(msgspec.convert({**BASE, **tables}, Recipe), 27)


def read(one: RecipeReader, *events: Any) -> list[dict[str, Any]]:
    text = b"".join(
        (event if isinstance(event, bytes) else json.dumps(event).encode()) + b"\n" for event in events
    )
    return [Record(record).to_dict() for record in one.read(text)]


def test_what_every_event_has() -> None:
    (event,) = read(reader(), EVENT)
    assert (event["tool"], event["alert_kind"]) == ("tool", "tool.odd_thing")
    assert (event["message"], event["alert_severity"], event["alert_rank"]) == (
        "something happened",
        "info",
        1,
    )
    assert event["ts_ns"] == 1793613600_000000000 and event["source_id"] == 27


def test_a_kind_whose_place_is_empty() -> None:
    (event,) = read(reader(), {**EVENT, "sort": None})
    assert event["alert_kind"] == "tool.other"


SEVERITY = {
    "field": "level",
    "default": "low",
    "labels": {"Bad": "high"},
    "ranges": [{"from": 0, "to": 3, "severity": "debug"}, {"from": 4, "to": 9.5, "severity": "critical"}],
    "matches": [{"field": "text", "contains": "ROOT", "severity": "medium"}],
}


@pytest.mark.parametrize(
    ("change", "severity"),
    [
        ({"level": "bad"}, "high"),
        ({"level": 0}, "debug"),
        ({"level": "3"}, "debug"),
        ({"level": 3.5}, "low"),
        ({"level": 9.5}, "critical"),
        ({"level": 10}, "low"),
        ({"level": "nan"}, "low"),
        ({"level": None}, "low"),
        ({}, "low"),
        ({"level": "bad", "text": "root did it"}, "medium"),
    ],
)
def test_severities(change: dict[str, Any], severity: str) -> None:
    (event,) = read(reader(severity=SEVERITY), {**EVENT, **change})
    assert event["alert_severity"] == severity


FIELDS = {
    "user": ["u.name", "fallback"],
    "src_ip": ["from"],
    "dst_ip": ["to"],
    "src_port": ["port"],
    "protocol": ["proto"],
    "pid": ["pid"],
    "alert_tags": ["tags[*]"],
}


def test_members_are_filled_from_the_first_place_that_has_something() -> None:
    event = {**EVENT, "u": {"name": "<NA>"}, "fallback": "ana", "from": "203.0.113.9", "to": "2001:db8::1"}
    event |= {"port": "443", "proto": "TCP", "pid": 4711, "tags": ["a", "b"]}
    (record,) = read(reader(fields=FIELDS, absent=["<NA>"]), event)
    assert (record["user"], record["src_ip"], record["dst_ip"]) == ("ana", "203.0.113.9", "2001:db8::1")
    assert (record["src_port"], record["protocol"], record["pid"], record["family"]) == (443, 6, 4711, 2)
    assert record["alert_tags"] == "a,b"


def test_what_does_not_fit_its_member_is_left_out_or_is_a_name() -> None:
    event = {**EVENT, "from": "web.example", "to": "nowhere", "port": "http", "proto": "quic", "pid": -3}
    (record,) = read(reader(fields=FIELDS), event)
    assert (
        record["src_host"] == "web.example" and record.get("src_ip") is None and record.get("dst_ip") is None
    )
    assert (record["src_port"], record["protocol"], record["pid"]) == (0, 0, 0)


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        ({"equals": ["alert", "x"]}, ["alert"]),
        ({"not_equals": ["alert"]}, ["ALARM", None]),
        ({"contains": ["lar"]}, ["ALARM"]),
        ({"exists": True}, ["alert", "ALARM"]),
        ({"exists": False}, [None]),
        ({"exists": True, "not_equals": ["alert"]}, ["ALARM"]),
    ],
)
def test_filters(condition: dict[str, Any], kept: list[str | None]) -> None:
    one = reader(filters=[{"field": "sort", **condition}], fields={"name": ["sort"]})
    found = read(one, *({**EVENT, "sort": sort} for sort in ("alert", "ALARM", None)))
    assert [event.get("name") for event in found] == kept


def test_several_filters_must_all_hold() -> None:
    one = reader(filters=[{"field": "a", "equals": ["1"]}, {"field": "b", "equals": ["1"]}])
    assert len(read(one, {**EVENT, "a": 1}, {**EVENT, "b": 1}, {**EVENT, "a": 1, "b": 1})) == 1


def test_equal_events_within_the_time_are_one() -> None:
    one = reader(dedupe={"fields": ["sort"], "within_s": 60})
    times = ["10:00:00", "10:00:59", "10:01:00", "10:00:30"]
    found = read(
        one, *({**EVENT, "when": f"2026-11-02T{time}Z"} for time in times), {**EVENT, "sort": "other"}
    )
    assert len(found) == 3


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SEEN", 5)
    one = reader(dedupe={"fields": ["sort"]})
    read(one, *({**EVENT, "sort": str(number)} for number in range(50)))
    assert len(one._seen) == 5


def test_a_flood_is_counted_and_left_out() -> None:
    one = reader(rate={"per_second": 3})
    assert len(read(one, *([EVENT] * 10), {**EVENT, "when": "2026-11-02T10:00:01Z"})) == 4
    assert one.stats.lost == 7


def test_a_list_of_events_in_one_line() -> None:
    one = reader(event={**BASE["event"], "items": "rows", "message": "item.what"})
    found = read(one, {**EVENT, "rows": [{"what": "a"}, {"what": "b"}]}, EVENT)
    assert [event.get("message") for event in found] == ["a", "b", None]


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[]",
        b"7",
        b"null",
        b'"x"',
        b"\xff\xfe",
        b"[" * 4000,
        json.dumps({**EVENT, "when": "?"}).encode(),
    ],
)
def test_what_is_no_event_is_counted(line: bytes) -> None:
    one = reader()
    assert read(one, line) == []
    assert (one.stats.lines, one.stats.malformed, one.stats.matched) == (1, 1, 0)


@pytest.mark.parametrize(
    ("value", "form", "expected"),
    [
        ("2026-11-02T10:00:00.5+0000", "rfc3339", 1793613600_500000000),
        ("2026-11-02 10:00:00", "rfc3339", 1793613600_000000000),
        (1793613600, "unix_s", 1793613600_000000000),
        ("1793613600", "unix_s", 1793613600_000000000),
        (1793613600.25, "unix_s", 1793613600_250000000),
        (1793613600_123, "unix_ms", 1793613600_123000000),
        (1793613600_000000007, "unix_ns", 1793613600_000000007),
        ("02/Nov/2026 10:00:00", "strptime:%d/%b/%Y %H:%M:%S", 1793613600_000000000),
        ("Mon", "strptime:%d/%b/%Y", None),
        ("soon", "rfc3339", None),
        ("soon", "unix_s", None),
        (-5, "unix_s", None),
        (0, "unix_s", None),
        (1e300, "unix_s", None),
        (None, "unix_s", None),
        ({}, "rfc3339", None),
    ],
)
def test_times(value: object, form: str, expected: int | None) -> None:
    assert time_ns(value, form) == expected

# SPDX-License-Identifier: Apache-2.0
"""CloudTrail's files, in every shape in which they come, and hostile ones -> records."""

from __future__ import annotations

import json
from typing import Any

import pytest
from innerwarden_core import Record

from innerwarden.logs.cloudtrail import DEPTH_MAX, LEAVES_BYTES, CloudTrailReader, leaves

ENTRY: dict[str, Any] = {
    "eventVersion": "1.08",
    "eventTime": "2026-11-02T10:00:00Z",
    "eventSource": "signin.amazonaws.com",
    "eventName": "ConsoleLogin",
    "awsRegion": "us-east-1",
    "sourceIPAddress": "203.0.113.9",
    "userAgent": "Mozilla/5.0",
    "eventType": "AwsConsoleSignIn",
    "recipientAccountId": "111122223333",
    "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/ana", "userName": "ana"},
    "responseElements": {"ConsoleLogin": "Success"},
    "additionalEventData": {"MFAUsed": "No"},
    "requestParameters": None,
}


def read(text: str | bytes, reader: CloudTrailReader | None = None) -> list[dict[str, Any]]:
    reader = reader or CloudTrailReader(23)
    return [Record(r).to_dict() for r in reader.read(text.encode() if isinstance(text, str) else text)]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"Records": [ENTRY, ENTRY]}),
        json.dumps({"Records": [ENTRY, ENTRY]}, indent=2),
        json.dumps([ENTRY, ENTRY]),
        json.dumps(ENTRY) + "\n" + json.dumps(ENTRY) + "\n",
    ],
)
def test_every_shape_of_a_file(text: str) -> None:
    found = read(text)
    assert len(found) == 2
    first = found[0]
    assert first["ts_ns"] == 1793613600_000000000
    assert (first["cloud_service"], first["action"]) == ("signin.amazonaws.com", "ConsoleLogin")
    assert (first["identity_type"], first["user"], first["cloud_result"]) == ("IAMUser", "ana", "Success")
    assert (first["src_ip"], first["cloud_account"]) == ("203.0.113.9", "111122223333")
    assert "\nadditionalEventData.MFAUsed=No\n" in first["cloud_parameters"]
    assert "requestParameters" not in first["cloud_parameters"]


def test_one_entry_alone() -> None:
    assert len(read(json.dumps(ENTRY, indent=1))) == 1


def test_a_service_that_calls_has_a_name_and_no_address() -> None:
    (record,) = read(json.dumps({**ENTRY, "sourceIPAddress": "ec2.amazonaws.com"}))
    assert record.get("src_ip") is None and record["src_host"] == "ec2.amazonaws.com"


def test_a_role_goes_by_the_name_of_its_issuer() -> None:
    issuer = {"sessionContext": {"sessionIssuer": {"userName": "deploy"}}, "type": "AssumedRole"}
    (record,) = read(json.dumps({**ENTRY, "userIdentity": issuer}))
    assert (record["user"], record["identity_type"]) == ("deploy", "AssumedRole")


@pytest.mark.parametrize(
    "change",
    [
        {"eventTime": None}, {"eventTime": "soon"}, {"eventTime": 7}, {"eventSource": None}, {"eventName": 3},
        {"eventTime": "1900-01-01T00:00:00Z"},
    ],
)  # fmt: skip
def test_what_lacks_a_time_a_service_or_a_name_is_refused(change: dict[str, Any]) -> None:
    reader = CloudTrailReader()
    assert read(json.dumps([{**ENTRY, **change}]), reader) == []
    assert (reader.stats.lines, reader.stats.malformed) == (1, 1)


def test_odd_shapes_of_what_is_inside_do_no_harm() -> None:
    odd = {"userIdentity": [1], "responseElements": "text", "errorCode": {"a": 1}, "userAgent": None}
    (record,) = read(json.dumps({**ENTRY, **odd}))
    assert record.get("identity_type") is None and record.get("error_code") is None


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[", b"null", b"7", b'"x"', b"\xff\xfe", b'{"Records": 3}', b"[" * 4000, b"[1, null]"],
)
def test_what_is_no_entry_makes_no_record(text: bytes) -> None:
    assert read(text) == []


def test_an_entry_that_is_too_large_is_refused() -> None:
    reader = CloudTrailReader()
    assert read(json.dumps([{**ENTRY, "x": "a" * (600 << 10)}]), reader) == []
    assert reader.stats.malformed == 1


def test_leaves_leave_out_positions_and_what_is_null() -> None:
    tree = {"a": [{"b": 1}, {"b": True}, None], "c": {"d": "x\ny", "e": None, "f": 1.5}, "g": []}
    assert leaves(tree) == "\na.b=1\na.b=true\nc.d=x y\nc.f=1.5\n"
    assert leaves({}) == ""


def test_leaves_are_bounded_in_depth_and_size() -> None:
    deep: dict[str, Any] = {"leaf": "x"}
    for _ in range(DEPTH_MAX + 5):
        deep = {"a": deep}
    assert leaves(deep) == ""
    assert len(leaves({f"k{n}": "v" * 100 for n in range(1000)})) <= LEAVES_BYTES + 2

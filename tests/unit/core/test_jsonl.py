# SPDX-License-Identifier: Apache-2.0
"""Events as lines of JSON: equal to the decoded record, whatever bytes its texts are."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from innerwarden_core import Engine, Record

from innerwarden.model._wire import Flag
from innerwarden.model.wire import DOTTED
from innerwarden.modules.factory import encode

OFFSET_NS = 1_700_000_000_000_000_000
FRAME = ("size", "kind", "sequence")


def lines(*records: bytes, engine: Engine | None = None) -> list[dict[str, Any]]:
    engine = engine or Engine(boot_to_realtime_ns=OFFSET_NS)
    engine.stream(True)
    engine.feed(b"".join(records))
    text = engine.take_stream()
    assert text.endswith(b"\n")
    return [json.loads(line) for line in text.splitlines()]


def expected(data: bytes) -> dict[str, Any]:
    """The line's `details`, by way of the decoded record."""
    record = Record(data)
    out = record.to_dict()
    if "argv" in out:
        out["argv"] = record.argv()
    if not out["flags"] & Flag.REALTIME:
        out["ts_ns"] += OFFSET_NS
        out["flags"] |= Flag.REALTIME
    return {name: value for name, value in out.items() if name not in FRAME}


@given(st.lists(st.binary(max_size=40).filter(lambda b: b"\0" not in b), max_size=5), st.binary(max_size=300))
def test_texts_of_any_bytes(arguments: list[bytes], path: bytes) -> None:
    data = encode(
        "process.exec",
        at_s=2.0,
        pid=7,
        exe_path=path.replace(b"\0", b""),
        argv=b"".join(one + b"\0" for one in arguments),
    )
    (line,) = lines(data)
    assert line["kind"] == "process.exec"
    assert line["details"] == expected(data)


@pytest.mark.parametrize(
    "text", ["caf\u00e9 \u20ac \U0001f600", '"quoted" \\ \n\t\x7f\x01', "a" * 70, "\u0080", ""], ids=repr
)
def test_texts_that_need_care(text: str) -> None:
    (line,) = lines(encode("file.open", pid=7, path=text or "x"))
    assert line["details"]["path"] == (text or "x")


@pytest.mark.parametrize("number", [0, 9, 10, 99, 100, 101, 12345, 2**32, 2**64 - 1])
def test_numbers(number: int) -> None:
    (line,) = lines(encode("file.open", pid=7, path="/x", inode=number))
    assert line["details"]["inode"] == number


def test_addresses_and_a_log_event() -> None:
    records = [
        encode("network.connect", pid=7, dst_ip="203.0.113.200", dst_port=443, family=2),
        encode("network.connect", pid=7, dst_ip="2001:db8::9", dst_port=443, family=10),
        encode("ssh.login_failed", src_ip="192.0.2.7", user=b"ro\xffot", repeat_count=3),
    ]
    found = lines(*records)
    assert [line["details"] for line in found] == [expected(data) for data in records]
    assert found[2]["details"]["user"] == "ro\\xffot"
    assert "process" not in found[2]


def test_every_kind_has_a_line() -> None:
    records = [encode(kind) for kind in sorted(set(DOTTED.values()) - {"network.payload"})]
    found = lines(*records)
    assert [line["details"] for line in found] == [expected(data) for data in records]


def test_what_the_process_table_adds() -> None:
    (_, _, line) = lines(
        encode("process.exec", pid=20, ppid=1, exe_path="/usr/bin/bash", argv=["bash", "-l"]),
        encode("process.exec", pid=21, ppid=20, exe_path="/usr/bin/curl", argv=["curl", "x" * 9000]),
        encode("network.connect", pid=21, ppid=20, dst_ip="203.0.113.1", dst_port=80, family=2),
    )
    process = line["process"]
    assert process["exe_path"] == "/usr/bin/curl"
    assert process["parent_exe_path"] == "/usr/bin/bash"
    assert process["parent_command_line"] == "bash -l"
    assert len(process["command_line"]) == 4096 and process["command_line"].startswith("curl xxx")


def test_the_stream_ends_when_it_is_switched_off() -> None:
    engine = Engine()
    data = encode("file.open", pid=7, path="/x")
    assert len(lines(data, engine=engine)) == 1
    assert engine.take_stream() == b""
    engine.stream(False)
    engine.feed(data)
    assert engine.take_stream() == b""


def test_lines_that_nobody_takes_are_bounded_and_counted() -> None:
    engine = Engine()
    engine.stream(True)
    data = encode("file.open", pid=7, path="/" + "p" * 4000) * 1000
    for _ in range(40):
        engine.feed(data)
    text = engine.take_stream()
    assert len(text) <= 1 << 27
    assert engine.stats()["stream_lost"] == 40_000 - text.count(b"\n") > 0


def test_records_after_a_set_wall_clock_are_on_it() -> None:
    engine = Engine(boot_to_realtime_ns=OFFSET_NS)
    record = encode("process.exec", at_s=2.0, pid=7)
    (before,) = lines(record, engine=engine)
    engine.follow_clock(OFFSET_NS - 86_400 * 10**9)
    (after,) = lines(record, engine=engine)
    assert before["details"]["ts_ns"] - after["details"]["ts_ns"] == 86_400 * 10**9

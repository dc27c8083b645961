# SPDX-License-Identifier: Apache-2.0
"""events.jsonl and raw captures: what the sensor wrote becomes the same record again."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from innerwarden_core import AuthParser, Engine, Record

from innerwarden.modules.factory import encode
from innerwarden.sensor.replay_events import record_of, records_of

SAMPLES = {
    "exec": encode(
        "process.exec", pid=7, uid=1000, exe_path="/usr/bin/id", argv=["id", "-u", "caf\u00e9"], cwd="/home"
    ),
    "connect": encode("network.connect", pid=7, dst_ip="192.0.2.9", dst_port=443, family=2, protocol=6),
    "connect6": encode("network.connect", pid=7, dst_ip="2001:db8::9", dst_port=443, family=10, protocol=6),
    "open": encode("file.open", pid=7, path=b"/tmp/\xff\xfe name", open_flags=1),
    "exit": encode("process.exit", pid=7, exit_code=1),
}


def log_record() -> bytes:
    text = b"2026-11-02T10:00:00Z web sshd[5]: Failed password for \xfe\\x41 from 192.0.2.7 port 5 ssh2"
    record = AuthParser(now_s=1_795_252_800).parse(text)
    assert record is not None
    return record


@pytest.mark.parametrize("record", [*SAMPLES.values(), log_record()], ids=[*SAMPLES, "log"])
def test_a_written_event_is_read_back(record: bytes) -> None:
    engine = Engine()
    engine.stream(True)
    engine.feed(record)
    again = record_of(engine.take_stream())
    assert again is not None
    skip = ("size", "sequence", "flags")
    before, after = ({k: v for k, v in Record(r).to_dict().items() if k not in skip} for r in (record, again))
    assert after == before
    assert Record(again).argv() == Record(record).argv() if before.get("argv") else True


BAD: list[Any] = [
    {"kind": "no.such", "details": {}},
    {"kind": "process.exec"},
    {"kind": "process.exec", "details": {"pid": "seven"}},
    {"kind": "process.exec", "details": {"pid": 2**40}},
    {"kind": "process.exec", "details": {"exe_path": 5}},
    {"kind": "process.exec", "details": {"argv": [5]}},
    {"kind": "network.connect", "details": {"dst_ip": "here"}},
    {"kind": "file.open", "details": {"path": "x" * 70_000}},
    [],
    7,
]


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_what_does_not_fit_is_refused(bad: Any) -> None:
    assert record_of(msgspec.json.encode(bad)) is None


@given(st.binary(max_size=300))
def test_bytes_never_raise(data: bytes) -> None:
    record_of(data)
    list(records_of(iter([data])))
    list(records_of(iter([b'{"kind":' + data, data])))


@given(st.integers(1, 700))
def test_raw_records_survive_any_block_size(size: int) -> None:
    data = b"".join(SAMPLES.values()) * 3
    blocks = (data[at : at + size] for at in range(0, len(data), size))
    batches = list(records_of(blocks))
    assert b"".join(batch[0] for batch in batches) == data
    assert sum(batch[1] for batch in batches) == 15 and sum(batch[2] for batch in batches) == 0

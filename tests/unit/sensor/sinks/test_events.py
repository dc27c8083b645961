# SPDX-License-Identifier: Apache-2.0
"""events.jsonl: what is written comes back as the same event, on the real-time clock."""

from __future__ import annotations

import json
from pathlib import Path

from innerwarden_core import Engine, Record

from innerwarden.model._wire import Flag
from innerwarden.modules.factory import BOOT_BASE_NS, encode
from innerwarden.sensor.replay_events import record_of
from innerwarden.sensor.sinks.events import EventsSink

OFFSET_NS = 1_700_000_000_000_000_000


def stream() -> bytes:
    engine = Engine(boot_to_realtime_ns=OFFSET_NS)
    engine.stream(True)
    engine.feed(
        encode("process.exec", at_s=1.5, pid=77, exe_path="/usr/bin/cat", argv=["cat", "a b", ""], uid=3)
        + encode("network.connect", at_s=2.0, pid=77, dst_ip="2001:db8::1", dst_port=443, family=10)
    )
    return engine.take_stream()


def test_a_written_event_is_the_record_again_with_real_time(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    sink = EventsSink(path, max_bytes=1 << 20, keep=2)
    sink.write(stream())
    sink.write(b"")
    sink.close()
    first, second = path.read_bytes().splitlines()
    assert json.loads(first)["kind"] == "process.exec"
    data = record_of(first)
    assert data is not None
    again = Record(data)
    assert again.argv() == ["cat", "a b", ""]
    assert again.get("exe_path") == "/usr/bin/cat"
    assert again.get("uid") == 3
    assert again.get("ts_ns") == BOOT_BASE_NS + 1_500_000_000 + OFFSET_NS
    assert int(again.get("flags") or 0) & Flag.REALTIME
    connect = record_of(second)
    assert connect is not None
    assert Record(connect).get("dst_ip") == "2001:db8::1"


def test_a_disk_that_refuses_is_counted(tmp_path: Path) -> None:
    sink = EventsSink(tmp_path / "events.jsonl", max_bytes=1 << 20, keep=2)
    sink.close()
    sink.write(stream())
    assert sink.lost == 2

# SPDX-License-Identifier: Apache-2.0
"""Events from records: typed details, one time base, the process with its birth chain."""

from __future__ import annotations

from innerwarden_core import Engine, Record

from innerwarden.model.details import Log, ProcessExec
from innerwarden.model.entity import EntityRef
from innerwarden.model.event import from_record
from innerwarden.modules.factory import BOOT_BASE_NS, REAL_BASE_NS, encode, start_of


def test_an_exec_with_its_ancestors() -> None:
    engine = Engine()
    engine.feed(encode("process.exec", pid=10, ppid=1, exe_path="/usr/bin/dpkg", argv=["dpkg"]))
    data = encode("process.exec", pid=11, ppid=10, exe_path="/usr/bin/dash", argv=["sh", "-c", "a b"], uid=5)
    engine.feed(data)
    event = from_record(
        Record(data),
        host="h",
        boot_to_realtime_ns=REAL_BASE_NS - BOOT_BASE_NS,
        actor=engine.process(11, start_of(11)),
        ancestors=engine.ancestors(11, start_of(11)),
    )
    assert event.kind == "process.exec"
    assert event.source == "kernel"
    assert event.ts_ns == REAL_BASE_NS
    assert event.ts.timestamp() == REAL_BASE_NS / 1e9
    assert isinstance(event.details, ProcessExec)
    assert event.details.argv == ("sh", "-c", "a b")
    assert event.field("argv") == "sh -c a b"
    assert event.field("uid") == 5
    assert event.field("dst_port") is None
    assert event.process is not None
    assert event.process.exe == "/usr/bin/dash"
    assert [ancestor.exe for ancestor in event.process.ancestors][:1] == ["/usr/bin/dpkg"]


def test_a_log_record_keeps_its_own_time_and_names_its_entities() -> None:
    record = Record(encode("ssh.login_failed", at_s=2.5, user="bob", src_ip="2001:db8::1"))
    event = from_record(record, host="h", boot_to_realtime_ns=12345)
    assert event.source == "log"
    assert event.ts_ns == REAL_BASE_NS + 2_500_000_000
    assert isinstance(event.details, Log)
    assert event.entities == (EntityRef.ip("2001:db8::1"), EntityRef.user("bob"))
    assert event.process is None

# SPDX-License-Identifier: Apache-2.0
"""Whose doing an event is: a login session, or the tree of a service."""

from __future__ import annotations

from typing import Any

import pytest
from innerwarden_core import Engine, Record

from innerwarden import lineage
from innerwarden.lineage import descends_from, session_of
from innerwarden.model.event import Event, from_record
from innerwarden.model.finding import Process, ProcessRef
from innerwarden.modules.factory import encode, start_of


def event(engine: Engine, **fields: Any) -> Event:
    data = encode("process.exec", **fields)
    engine.feed(data)
    pid = fields["pid"]
    return from_record(
        Record(data),
        host="h",
        actor=engine.process(pid, start_of(pid)),
        ancestors=engine.ancestors(pid, start_of(pid)),
    )


def test_a_login_is_its_session_whatever_the_tree() -> None:
    engine = Engine()
    one = event(engine, pid=10, ppid=9, exe_path="/usr/bin/id", session_id=4, login_uid=1000)
    two = event(engine, pid=20, ppid=19, exe_path="/usr/bin/id", session_id=4, login_uid=1000, comm="other")
    other = event(engine, pid=30, ppid=9, exe_path="/usr/bin/id", session_id=5, login_uid=1000)
    assert session_of(one) == session_of(two) == ("session", "1000", "4")
    assert session_of(other) != session_of(one)


def test_a_service_is_its_tree() -> None:
    engine = Engine()
    event(engine, pid=100, ppid=1, exe_path="/usr/sbin/nginx")
    event(engine, pid=200, ppid=1, exe_path="/usr/sbin/cron")
    event(engine, pid=101, ppid=100, exe_path="/usr/bin/dash")
    below = event(engine, pid=102, ppid=101, exe_path="/usr/bin/id")
    beside = event(engine, pid=103, ppid=100, exe_path="/usr/bin/id")
    elsewhere = event(engine, pid=201, ppid=200, exe_path="/usr/bin/id")
    assert session_of(below) == session_of(beside) == ("tree", "100", str(start_of(100)))
    assert session_of(elsewhere)[1] == "200"


def test_ancestry_is_by_the_file_not_the_name() -> None:
    engine = Engine()
    event(engine, pid=100, ppid=1, exe_path="/usr/bin/dpkg")
    event(engine, pid=200, ppid=1, exe_path="/srv/dpkg", comm="dpkg")
    below = event(engine, pid=101, ppid=100, exe_path="/usr/bin/dash")
    forged = event(engine, pid=201, ppid=200, exe_path="/usr/bin/dash")
    dpkg = frozenset({"/usr/bin/dpkg"})
    assert descends_from(below, dpkg)
    assert not descends_from(forged, dpkg)


def chain(*processes: tuple[int, int, str]) -> Process:
    """(pid, ppid, exe), nearest first; each started at its pid in seconds."""
    first, *rest = [ProcessRef(pid=p, ppid=pp, exe=e, start_ns=p * 10**9) for p, pp, e in processes]
    return Process(
        pid=first.pid, ppid=first.ppid, exe=first.exe, start_ns=first.start_ns, ancestors=tuple(rest)
    )


@pytest.mark.parametrize(
    ("process", "pids"),
    [
        (chain((50, 40, "/bin/id"), (40, 30, "/bin/bash"), (30, 1, "/usr/sbin/sshd")), [50, 40]),
        (chain((50, 40, "/bin/id"), (40, 1, "/bin/bash"), (1, 0, "/sbin/init")), [50, 40]),
        (chain((50, 1, "/usr/sbin/nginx"), (1, 0, "/sbin/init")), [50]),
        (chain(*((60 - n, 59 - n, "/bin/sh") for n in range(8))), [60, 59, 58, 57, 56]),
    ],
    ids=["a service is shared", "a shell below init is not", "a service itself", "only near ones"],
)
def test_what_counts_as_the_same_activity(process: Process, pids: list[int]) -> None:
    assert [one.pid for one in lineage.near(process)] == pids


def test_a_start_time_from_proc_is_the_same_process() -> None:
    assert lineage.identity(7, 1_234_567_891) == lineage.identity(7, 1_230_000_000)
    assert lineage.identity(7, 1_234_567_891) != lineage.identity(7, 1_240_000_000)

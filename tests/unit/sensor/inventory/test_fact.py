# SPDX-License-Identifier: Apache-2.0
"""A fact is a record that the engine accepts, whatever bytes the host holds."""

from __future__ import annotations

import os
from typing import Any

from innerwarden_core import Engine

from innerwarden.model._wire import RECORD_MAX, Change, Flag
from innerwarden.modules.factory import encode, start_of
from innerwarden.rules.program import CompiledCorrelation, CompiledPredicate, CompiledRule
from innerwarden.sensor.inventory.fact import STRING_BYTES, Actor, Fact
from tests.unit.sensor.inventory.support import TS_NS, decode


def fact(**fields: Any) -> Fact:
    return Fact(kind="host.suid_file", change=Change.APPEARED, reason="why", **fields)


def named(field: str, value: str, *, owner: str = "one") -> CompiledRule:
    """A rule on host.file_change and host.file_write: the field has that value."""
    test = CompiledPredicate(field, "equals", (value.encode(),))
    kinds = ("host.file_change", "host.file_write")
    return CompiledRule(
        owner=owner, kinds=kinds, predicates=(test,), nodes=((0, -1, -2),), emit=owner == "one"
    )


def test_clock_and_numbers() -> None:
    record = decode(fact(mode=0o104755, inode=7, src_ip="192.0.2.1", src_port=80).record(TS_NS))
    assert (record["ts_ns"], record["flags"]) == (TS_NS, Flag.REALTIME)
    assert (record["mode"], record["inode"]) == (0o104755, 7)
    assert (record["src_ip"], record["src_port"]) == ("192.0.2.1", 80)
    assert record["target_uid"] == 0xFFFFFFFF, "an owner that is not known is not root"


def test_a_name_that_is_not_utf8_stays_what_it_is() -> None:
    name = os.fsdecode(b"/tmp/\xff\xfe\nx")
    assert b"/tmp/\xff\xfe\nx" in fact(path=name).record(TS_NS)


def test_the_longest_strings_are_still_a_record() -> None:
    long = "x" * 100_000
    record = fact(path=long, name=long, value=long, old_value=long, sha256=long).record(TS_NS)
    assert len(record) <= RECORD_MAX
    engine = Engine()
    engine.feed(record)
    assert engine.stats()["records"]["host.suid_file"] == 1
    assert len(decode(record)["path"]) == STRING_BYTES


def test_a_fact_with_an_actor_has_its_process_in_the_finding() -> None:
    """The process table supplies what it knows of the writer, as on a kernel record."""
    engine = Engine()
    engine.configure([named("exe_path", "/usr/bin/vim").native()], [], [])
    engine.feed(encode("process.exec", pid=700, exe_path="/usr/bin/vim"))
    actor = Actor(pid=700, start_ns=start_of(700))
    facts = [
        Fact(kind="host.file_change", change=Change.CHANGED, reason="x", actor=one) for one in (actor, None)
    ]
    assert [len(engine.feed(fact.record(TS_NS))) for fact in facts] == [1, 0]


def test_a_large_inode_is_no_repetition() -> None:
    """Where logs have the number of repetitions, a fact has the upper half of the inode."""
    engine = Engine()
    window = CompiledCorrelation(
        owner="many", kind="event_count", rules=("each",), group_by=((),), timespan_s=10, threshold=3
    )
    rule = named("path", "/a", owner="each")
    engine.configure([rule.native()], [window.native()], [])
    fact = Fact(kind="host.file_write", change=Change.FOUND, reason="x", path="/a", inode=9 << 32)
    assert [len(engine.feed(fact.record(TS_NS + n))) for n in range(3)] == [0, 0, 1]

# SPDX-License-Identifier: Apache-2.0
"""A fact is a record that the engine accepts, whatever bytes the host holds."""

from __future__ import annotations

import os
from typing import Any

from innerwarden_core import Engine

from innerwarden.model._wire import RECORD_MAX, Change, Flag
from innerwarden.sensor.inventory.fact import STRING_BYTES, Fact
from tests.unit.sensor.inventory.support import TS_NS, decode


def fact(**fields: Any) -> Fact:
    return Fact(kind="host.suid_file", change=Change.APPEARED, reason="why", **fields)


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

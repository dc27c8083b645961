# SPDX-License-Identifier: Apache-2.0
"""Records that the factory makes are what the engine decodes, field by field."""

from __future__ import annotations

import pytest
from innerwarden_core import Record

from innerwarden.errors import UsageError
from innerwarden.model._wire import KINDS, LAYOUT, RECORD_OF, Flag
from innerwarden.modules.factory import encode, start_of

SAMPLES = {"u16": 513, "u32": 70000, "u64": 1 << 40, "str": "text é", "comm": "name", "ip": "192.0.2.7"}
UNSEEN = {"size", "kind"}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_field_of_every_kind_comes_back(kind: str) -> None:
    layout = [
        (name, shape)
        for name, _, shape in LAYOUT[RECORD_OF[KINDS[kind]]]
        if name not in UNSEEN and not name.startswith("reserved")
    ]
    fields = {name: SAMPLES[shape] for name, shape in layout}
    if "argv" in fields:
        fields["argv"] = ["a", "", "c d"]
    record = Record(encode(kind, **fields))
    assert record.kind == KINDS[kind]
    for name, value in fields.items():
        if name == "argv":
            assert record.argv() == ["a", "", "c d"]
        else:
            assert record.get(name) == value, name


def test_absent_is_none() -> None:
    record = Record(encode("process.exec", pid=7))
    assert record.get("exe_path") is None
    assert record.get("cwd") is None
    assert record.get("stdio_peer_ip") is None


def test_defaults_agree_between_records_of_one_process() -> None:
    child = Record(encode("process.exec", pid=8, ppid=7))
    assert child.get("parent_start_ns") == start_of(7) == Record(encode("file.open", pid=7)).get("start_ns")
    login = Record(encode("ssh.login_failed", src_ip="::1"))
    assert login.get("flags") == Flag.REALTIME
    assert login.get("repeat_count") == 1


def test_flags_by_name() -> None:
    record = Record(encode("process.exec", exec_flags=["memfd", "stdin_pipe"]))
    assert record.get("exec_flags") == 2049


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("process.exe", {}),
        ("process.exec", {"dst_port": 1}),
        ("process.exec", {"pid": "one"}),
        ("process.exec", {"pid": 1 << 33}),
        ("process.exec", {"exec_flags": ["nosuch"]}),
        ("process.exec", {"size": 4}),
    ],
)
def test_what_is_no_record_is_refused(kind: str, fields: dict) -> None:
    with pytest.raises(UsageError):
        encode(kind, **fields)

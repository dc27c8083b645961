# SPDX-License-Identifier: Apache-2.0
"""Records from a hostile or broken producer are refused with a reason and never read out of bounds."""

from __future__ import annotations

import struct
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from innerwarden_core import LAYOUT, SIZES, Engine, Record

from innerwarden.model import _wire
from innerwarden.model._wire import KINDS, RECORD_OF
from tests.factory import encode

EXEC = encode(
    "process.exec", exe_path="/usr/bin/curl", argv=["curl", "-s", "http://x/"], cwd="/root", uid=1000
)
#: Offset of exec's exe_path {off, len}.
EXE_PATH = next(o for n, o, _ in _wire.LAYOUT["iw_process_exec"] if n == "exe_path")


def patched(offset: int, form: str, *values: int) -> bytes:
    out = bytearray(EXEC)
    struct.pack_into(form, out, offset, *values)
    return bytes(out)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "short"),
        (EXEC[:40], "short"),
        (EXEC[:-8], "short"),
        (patched(0, "<I", len(EXEC) + 8), "short"),
        (patched(0, "<I", len(EXEC) - 4), "size"),
        (patched(4, "<H", 0), "kind"),
        (patched(4, "<H", 63), "kind"),
        (patched(4, "<H", 65535), "kind"),
        (EXEC[:0] + struct.pack("<I", 96) + EXEC[4:96], "fixed_part"),
        (patched(EXE_PATH, "<II", len(EXEC), 1), "string"),
        (patched(EXE_PATH, "<II", 8, 4), "string"),
        (patched(EXE_PATH, "<II", 0xFFFFFFF8, 16), "string"),
        (patched(EXE_PATH, "<II", len(EXEC) - 8, 0xFFFFFFFF), "string"),
        (patched(EXE_PATH, "<II", 0, 5), "string"),
    ],
)
def test_each_way_to_be_malformed_has_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=f"malformed record: {reason}"):
        Record(data)
    engine = Engine()
    assert engine.feed(data) == []
    expected = 0 if not data else 1
    assert engine.stats()["malformed"][reason] == expected
    assert sum(engine.stats()["malformed"].values()) == expected


def test_a_record_above_the_limit_is_refused_on_the_way_in() -> None:
    long = encode("log.line", message="x" * 70_000)
    assert Engine().feed(long) == []  # in-process records may be larger
    assert Record(long).get("message") == "x" * 70_000


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_random_mutations_never_crash(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(KINDS)))
    strings: dict[str, Any] = {
        n: data.draw(st.binary(max_size=40))
        for n, _, shape in _wire.LAYOUT[RECORD_OF[KINDS[kind]]]
        if shape == "str"
    }
    raw = bytearray(encode(kind, **strings))
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at] = data.draw(st.integers(0, 255))
    blob = bytes(raw[: data.draw(st.integers(0, len(raw)))])
    try:
        record = Record(blob)
    except ValueError:
        pass
    else:
        assert isinstance(record.to_dict(), dict)
        assert isinstance(record.argv(), list)
    engine = Engine(process_entries=16, process_bytes=4096)
    engine.feed(blob + EXEC)
    stats = engine.stats()
    assert sum(stats["records"].values()) + sum(stats["malformed"].values()) >= 1


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=600))
def test_random_bytes_never_crash(blob: bytes) -> None:
    engine = Engine(process_entries=16)
    engine.feed(blob)
    with pytest.raises(ValueError, match="malformed"):
        Record(b"\xff" + blob)


def test_every_field_of_every_kind_reads_what_was_written() -> None:
    numbers = {"u16": 0x0102, "u32": 0x01020304, "u64": 0x0102030405060708}
    for kind, number in KINDS.items():
        layout = _wire.LAYOUT[RECORD_OF[number]]
        fields: dict[str, Any] = {}
        for name, _, shape in layout:
            if name in ("size", "kind") or name.startswith("reserved"):
                continue
            fields[name] = numbers.get(shape) or {"ip": "192.0.2.9", "comm": "name", "str": f"/{name}"}[shape]
        record = Record(encode(kind, **fields))
        assert record.kind == number
        assert record.to_dict() == fields


def test_absent_is_none_and_empty_is_empty() -> None:
    record = Record(encode("file.open"))
    assert record.get("path") is None
    assert "path" not in record.to_dict()
    assert record.get("exe_path") is None
    assert Record(encode("network.connect")).get("dst_ip") is None
    with pytest.raises(KeyError):
        record.get("no_such_field")


def test_names_are_the_very_strings_that_structs_look_for() -> None:
    fields = Record(encode("process.exec", pid=4, argv=["true"])).to_dict()
    assert all(name is sys.intern(name) for name in fields)


def test_bytes_that_are_no_utf8_are_escaped() -> None:
    record = Record(encode("file.delete", path=b"/tmp/\xff\xfe\xc3\xa9"))
    assert record.get("path") == "/tmp/\\xff\\xfe\u00e9"


def test_addresses_are_text_v4_mapped_as_v4() -> None:
    record = Record(encode("network.connect", src_ip="10.0.0.1", dst_ip="2001:db8::7"))
    assert (record.get("src_ip"), record.get("dst_ip")) == ("10.0.0.1", "2001:db8::7")


@pytest.mark.parametrize("extra", [[], [""], ["", "a", ""], ["a b", "\n"]])
def test_argv_keeps_empty_and_odd_arguments(extra: list[str]) -> None:
    assert Record(encode("process.exec", argv=["x", *extra])).argv() == ["x", *extra]


def test_argv_without_last_terminator_keeps_what_is_there() -> None:
    assert Record(encode("process.exec", argv=b"a\0bc")).argv() == ["a", "bc"]
    assert Record(encode("file.open")).argv() == []


def test_unaligned_buffers_are_fine() -> None:
    blob = b"\0" + EXEC + EXEC
    engine = Engine()
    engine.feed(memoryview(blob)[1:])
    assert engine.stats()["records"]["process.exec"] == 2


def test_the_layout_is_the_generators() -> None:
    for number in KINDS.values():
        name = RECORD_OF[number]
        assert SIZES[name] == _wire.SIZES[name]
        wanted = {n: o for n, o, _ in _wire.LAYOUT[name] if n not in ("size", "kind")}
        assert LAYOUT[name] == {n: o for n, o in wanted.items() if not n.startswith("reserved")}

# SPDX-License-Identifier: Apache-2.0
"""One layout, four witnesses: the header as cc sees it, the native core, Python's table, the object's BTF."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from innerwarden.libbpf import btf
from innerwarden.model import _wire

ROOT = Path(__file__).resolve().parents[2]
HEADER = ROOT / "bpf/include/iw_event.h"


def own_members(record: str) -> list[tuple[str, int]]:
    """Members of a record without the header's."""
    header = {name for name, _, _ in _wire.LAYOUT["iw_header"]}
    return [(n, o) for n, o, _ in _wire.LAYOUT[record] if record == "iw_header" or n not in header]


def test_the_c_compiler_agrees(tmp_path: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang-14")
    if compiler is None:
        pytest.skip("needs a C compiler: apt-get install gcc")
    lines = ["#include <stddef.h>", "#include <stdio.h>", f'#include "{HEADER}"', "int main(void) {"]
    expected = {}
    for record, size in _wire.SIZES.items():
        lines.append(f'printf("{record} %zu\\n", sizeof(struct {record}));')
        expected[record] = size
        for name, offset in own_members(record) if record in _wire.LAYOUT else []:
            lines.append(f'printf("{record}.{name} %zu\\n", offsetof(struct {record}, {name}));')
            expected[f"{record}.{name}"] = offset
    lines.append("}")
    source, program = tmp_path / "layout.c", tmp_path / "layout"
    source.write_text("\n".join(lines))
    subprocess.run([compiler, "-Wall", "-Werror", "-o", program, source], check=True)
    printed = subprocess.run([program], capture_output=True, check=True, text=True).stdout
    assert {a: int(b) for a, b in (line.split() for line in printed.splitlines())} == expected


@pytest.mark.parametrize("machine", ["aarch64", "x86_64"])
def test_the_kernel_object_agrees(machine: str) -> None:
    image = ROOT / "bpf/objects" / machine / "innerwarden.bpf.o"
    structs = btf.of_object(image.read_bytes()).structs("iw_")
    for kind in _wire.Kind:
        if kind >= 64:
            continue
        record = _wire.RECORD_OF[kind]
        size, members = structs[record]
        assert size == _wire.SIZES[record], record
        assert [(m.name, m.offset) for m in members if m.name != "h"] == own_members(record), record
    size, members = structs["iw_header"]
    assert (size, [(m.name, m.offset) for m in members]) == (
        _wire.SIZES["iw_header"],
        own_members("iw_header"),
    )


def test_the_native_core_agrees() -> None:
    import innerwarden_core as core

    fields = {n for record in _wire.LAYOUT.values() for n, _, _ in record if not n.startswith("reserved")}
    assert fields - {"size", "kind"} <= set(core.FIELDS)
    assert core.ABI_VERSION == _wire.ABI_VERSION
    values = {"u16": 0x0102, "u32": 0x01020304, "u64": 0x0102030405060708}
    for kind in _wire.Kind:
        record = _wire.RECORD_OF[kind]
        size = _wire.SIZES[record]
        for name, offset, shape in _wire.LAYOUT[record]:
            if shape not in values or name.startswith("reserved") or name in ("size", "kind"):
                continue
            raw = bytearray(size)
            raw[0:4] = size.to_bytes(4, "little")
            raw[4:6] = int(kind).to_bytes(2, "little")
            width = int(shape[1:]) // 8
            raw[offset : offset + width] = values[shape].to_bytes(width, "little")
            assert core.Record(bytes(raw)).get(name) == values[shape], (record, name)


def test_generated_files_are_current() -> None:
    done = subprocess.run(
        ["python3", "bpf/tools/gen.py", "--check"], cwd=ROOT, capture_output=True, check=False, text=True
    )
    assert done.returncode == 0, done.stdout


def test_every_kind_has_a_record_and_a_size() -> None:
    assert set(_wire.KINDS.values()) == set(_wire.Kind) == set(_wire.RECORD_OF)
    for kind in _wire.Kind:
        assert _wire.SIZES[_wire.RECORD_OF[kind]] % 8 == 0

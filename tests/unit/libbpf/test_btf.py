# SPDX-License-Identifier: Apache-2.0
"""The BTF reader on hand-made blobs (every shape it decodes) and on the shipped object."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from innerwarden import paths
from innerwarden.errors import BpfError
from innerwarden.libbpf import btf
from innerwarden.model import _wire


def blob(types: bytes, names: bytes) -> bytes:
    header = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(names))
    return header + types + names


def entry(name: int, kind: int, count: int, size_or_type: int, extra: bytes = b"") -> bytes:
    return struct.pack("<III", name, kind << 24 | count, size_or_type) + extra


NAMES = b"\0u32\0iw_x\0a\0b\0c\0.data\0v\0"
U32, IW_X, A, B, C, DATA, V = (
    NAMES.index(b"\0" + n + b"\0") + 1 for n in (b"u32", b"iw_x", b"a", b"b", b"c", b".data", b"v")
)
TYPES = (
    entry(U32, btf.INT, 0, 4, struct.pack("<I", 32))  # 1
    + entry(0, btf.ARRAY, 0, 0, struct.pack("<III", 1, 1, 3))  # 2: u32[3]
    + entry(0, btf.POINTER, 0, 4)  # 3: pointer to the struct
    + entry(
        IW_X, btf.STRUCT, 3, 24, struct.pack("<9I", A, 1, 0, B, 2, 32, C, 3, 128)
    )  # 4: u32 a; u32 b[3]; iw_x *c
    + entry(V, btf.VAR, 0, 4, struct.pack("<I", 1))  # 5
    + entry(DATA, btf.DATASEC, 1, 24, struct.pack("<III", 5, 8, 24))  # 6
)


def test_structs_and_variables() -> None:
    read = btf.Btf(blob(TYPES, NAMES))
    assert read.structs("iw_") == {
        "iw_x": (24, (btf.Member("a", 0, 4), btf.Member("b", 4, 12), btf.Member("c", 16, 8)))
    }
    assert read.variables(".data") == {"v": btf.Variable("v", 8, 24)}
    assert read.variables(".bss") == {}
    assert read.has("u32", btf.INT) and not read.has("u32", btf.STRUCT)


def test_refusals() -> None:
    with pytest.raises(BpfError, match="not little-endian BTF"):
        btf.Btf(bytes(24))
    with pytest.raises(BpfError, match="ELF"):
        btf.of_object(b"MZ" + bytes(100))
    with pytest.raises(BpfError, match="void"):
        btf.Btf(blob(TYPES, NAMES)).size(0)


def test_the_shipped_object_has_every_record() -> None:
    structs = btf.of_object(paths.bpf_object().read_bytes()).structs("iw_")
    for kind in _wire.Kind:
        if kind < 64:
            assert structs[_wire.RECORD_OF[kind]][0] == _wire.SIZES[_wire.RECORD_OF[kind]]


def test_unknown_kernel_type() -> None:
    assert "iw_no_such_type_anywhere" not in btf.KernelNames()


def test_names_of_a_family_are_found_as_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = b"\0a__x64_sys_none\0__x64_sys_bind\0__x64_sys_\0__x64_sys_b\0__ia32_sys_bind\0bpf_x\0"
    (tmp_path / "vmlinux").write_bytes(blob(TYPES, names))
    monkeypatch.setattr(btf, "VMLINUX", tmp_path / "vmlinux")
    kernel = btf.KernelNames()
    there = ("__x64_sys_bind", "__x64_sys_b", "__x64_sys_", "__ia32_sys_bind", "bpf_x", "a__x64_sys_none")
    absent = ("__x64_sys_none", "__x64_sys_bin", "__x64_sys_bind_", "__se_sys_bind", "bpf_", "sys_bind")
    assert [name for name in (*there, *absent) if name in kernel] == list(there)

# SPDX-License-Identifier: Apache-2.0
"""Read-only BTF: structs of an object file, or whether the running kernel knows a type.

Only what a layout check needs is decoded; the rest is skipped by its size.
Source: Documentation/bpf/btf.rst.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from innerwarden.errors import BpfError

VMLINUX = Path("/sys/kernel/btf/vmlinux")
_MAGIC = 0xEB9F
_HEADER = struct.Struct("<HBBIIIII")
_TYPE = struct.Struct("<III")
_MEMBER = struct.Struct("<III")

INT, POINTER, ARRAY, STRUCT, UNION, ENUM = 1, 2, 3, 4, 5, 6
TYPEDEF, VOLATILE, CONST, RESTRICT = 8, 9, 10, 11
FUNC_PROTO, VAR, DATASEC, DECL_TAG, ENUM64 = 13, 14, 15, 17, 19


class Member(msgspec.Struct, frozen=True):
    """A struct member: offset and size in bytes."""

    name: str
    offset: int
    size: int


class Variable(msgspec.Struct, frozen=True):
    name: str
    offset: int
    size: int


class _Type(msgspec.Struct, frozen=True):
    name_offset: int
    kind: int
    count: int
    size_or_type: int
    extra: int  # offset of what follows the common part


class Btf:
    """Types of one BTF blob. Type 0 is void."""

    def __init__(self, data: bytes) -> None:
        magic, _version, _flags, header, type_offset, type_size, text_offset, text_size = _HEADER.unpack_from(
            data
        )
        if magic != _MAGIC:
            raise BpfError("not little-endian BTF")
        self._data = data
        self._text = header + text_offset
        self._text_end = self._text + text_size
        self._types: list[_Type | None] = [None]
        position = header + type_offset
        end = position + type_size
        while position < end:
            position = self._read(position)

    def _read(self, position: int) -> int:
        name, info, size_or_type = _TYPE.unpack_from(self._data, position)
        kind, count = (info >> 24) & 31, info & 0xFFFF
        position += _TYPE.size
        self._types.append(_Type(name, kind, count, size_or_type, position))
        return position + _extra_bytes(kind, count)

    def name(self, offset: int) -> str:
        start = self._text + offset
        stop = self._data.index(b"\0", start, self._text_end)
        return self._data[start:stop].decode()

    def has(self, name: str, kind: int) -> bool:
        """Is there a type of that kind and name?"""
        return any(t is not None and t.kind == kind and self.name(t.name_offset) == name for t in self._types)

    def size(self, type_id: int) -> int:
        """Bytes of a type; raises BpfError for one without size."""
        found = self._types[type_id]
        if found is None:
            raise BpfError("void has no size")
        if found.kind == POINTER:
            return 8
        if found.kind in (INT, STRUCT, UNION, ENUM, ENUM64, DATASEC):
            return found.size_or_type
        if found.kind in (TYPEDEF, VOLATILE, CONST, RESTRICT, VAR, DECL_TAG):
            return self.size(found.size_or_type)
        if found.kind == ARRAY:
            element, _index, count = _TYPE.unpack_from(self._data, found.extra)
            return int(count) * self.size(element)
        raise BpfError(f"BTF kind {found.kind} has no size")

    def structs(self, prefix: str) -> dict[str, tuple[int, tuple[Member, ...]]]:
        """Named structs whose name starts with `prefix`: name -> (bytes, members in order)."""
        found = {}
        for entry in self._types:
            if entry is None or entry.kind != STRUCT:
                continue
            name = self.name(entry.name_offset)
            if name.startswith(prefix):
                found[name] = (entry.size_or_type, tuple(self._members(entry)))
        return found

    def _members(self, entry: _Type) -> list[Member]:
        members = []
        for index in range(entry.count):
            name, type_id, bits = _MEMBER.unpack_from(self._data, entry.extra + index * _MEMBER.size)
            members.append(Member(self.name(name), (bits & 0xFFFFFF) // 8, self.size(type_id)))
        return members

    def variables(self, section: str) -> dict[str, Variable]:
        """Global variables of a data section such as `.rodata`, by name."""
        for entry in self._types:
            if entry is None or entry.kind != DATASEC or self.name(entry.name_offset) != section:
                continue
            found = {}
            for index in range(entry.count):
                type_id, offset, size = _MEMBER.unpack_from(self._data, entry.extra + index * _MEMBER.size)
                variable = self._types[type_id]
                if variable is not None:
                    name = self.name(variable.name_offset)
                    found[name] = Variable(name, offset, size)
            return found
        return {}


def _extra_bytes(kind: int, count: int) -> int:
    """Bytes that follow the common part of a type."""
    if kind in (INT, VAR, DECL_TAG):
        return 4
    if kind == ARRAY:
        return 12
    if kind in (STRUCT, UNION, DATASEC, ENUM64):
        return 12 * count
    if kind in (ENUM, FUNC_PROTO):
        return 8 * count
    return 0


def of_object(image: bytes) -> Btf:
    """The `.BTF` section of a 64-bit little-endian ELF file; raises BpfError when it has none."""
    if image[:6] != b"\x7fELF\x02\x01":
        raise BpfError("not a 64-bit little-endian ELF file")
    (table,) = struct.unpack_from("<Q", image, 40)
    entry_size, entries, names_index = struct.unpack_from("<HHH", image, 58)
    headers = [struct.unpack_from("<IIQQQQIIQQ", image, table + i * entry_size) for i in range(entries)]
    names = headers[names_index][4]
    for header in headers:
        start = names + header[0]
        if image[start : image.index(b"\0", start)] == b".BTF":
            return Btf(image[header[4] : header[4] + header[5]])
    raise BpfError("the object file has no .BTF section")


class KernelNames:
    """The names in the running kernel's BTF: of types, and of functions that programs may be put on.

    To look for one name is to read through some megabytes, so of a family that is asked about often all are taken at
    the first question.
    """

    FAMILIES = ("__x64_sys_", "__ia32_sys_", "__arm64_sys_", "__se_sys_")

    def __init__(self) -> None:
        self._strings = b""
        self._families: dict[str, frozenset[bytes]] = {}
        with suppress(OSError, struct.error):
            raw = VMLINUX.read_bytes()
            (header,) = struct.unpack_from("<I", raw, 4)
            start, size = struct.unpack_from("<2I", raw, 16)
            self._strings = raw[header + start : header + start + size]

    def __contains__(self, name: str) -> bool:
        for prefix in self.FAMILIES:
            if name.startswith(prefix):
                if prefix not in self._families:
                    self._families[prefix] = frozenset(self._beginning_with(b"\0" + prefix.encode()))
                return name.encode() in self._families[prefix]
        return b"\0" + name.encode() + b"\0" in self._strings

    def _beginning_with(self, start: bytes) -> Iterator[bytes]:
        """`start` is a prefix behind the end of the name before."""
        at = self._strings.find(start)
        while at >= 0:
            end = self._strings.find(b"\0", at + 1)
            yield self._strings[at + 1 : end]
            at = self._strings.find(start, end)

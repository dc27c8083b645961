# SPDX-License-Identifier: Apache-2.0
"""Derive every other declaration of the kernel record from bpf/include/iw_event.h.

`make gen` writes the Cython declarations, the native field table and the Python layout;
`--check` exits 1 when one of them is not what the header says. The header's grammar is
deliberately small (see its first comment), so a line parser is exact; anything it does
not recognise is an error with its line number, never skipped.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEADER = ROOT / "bpf/include/iw_event.h"
SIZES = {"iw_u8": 1, "iw_u16": 2, "iw_u32": 4, "iw_u64": 8, "char": 1}

MEMBER = re.compile(
    r"^\t(struct )?(?P<type>\w+) (?P<name>\w+)(\[(?P<count>\w+)\])?;(\s*/\* (?P<doc>.+) \*/)?$"
)
ENUMERATOR = re.compile(r"^\t(?P<name>IW_\w+) = (?P<value>\d+),\s*/\* (?P<doc>.+) \*/$")
DEFINE = re.compile(r"^#define (?P<name>IW_\w+) (?P<value>\d+)(\s*/\* .+ \*/)?$")


@dataclass
class Member:
    """One member: offset and size in bytes; `shape` is u16, u32, u64, ip, comm, str or header."""

    name: str
    c_type: str
    count: int
    offset: int
    size: int
    shape: str
    doc: str


@dataclass
class Record:
    name: str
    members: list[Member] = field(default_factory=list)
    size: int = 0


@dataclass
class Kind:
    constant: str
    value: int
    dotted: str
    record: str


def fail(line_number: int, why: str) -> None:
    raise SystemExit(f"{HEADER.relative_to(ROOT)}:{line_number}: {why}")


def shape_of(c_type: str, count: int, line_number: int) -> str:
    if c_type == "iw_header":
        return "header"
    if c_type == "iw_str":
        return "str"
    if c_type == "char" and count == 16:
        return "comm"
    if c_type == "iw_u8" and count == 16:
        return "ip"
    if c_type in ("iw_u16", "iw_u32", "iw_u64") and count == 1:
        return c_type[3:]
    fail(line_number, f"no field shape for {c_type}[{count}]")
    raise AssertionError


class Header:
    """The parsed header: `constants`, `enums`, `records` by struct name, `kinds` in order."""

    def __init__(self, text: str) -> None:
        self.constants: dict[str, int] = {}
        self.enums: dict[str, dict[str, int]] = {}
        self.records: dict[str, Record] = {"iw_str": Record("iw_str", size=8)}
        self.kinds: list[Kind] = []
        block: tuple[str, str] | None = None
        for number, line in enumerate(text.splitlines(), 1):
            if match := DEFINE.match(line):
                self.constants[match["name"]] = int(match["value"])
            elif match := re.match(r"^(enum|struct) (\w+) \{$", line):
                block = (match[1], match[2])
                if block[0] == "enum":
                    self.enums[block[1]] = {}
                else:
                    self.records[block[1]] = Record(block[1])
            elif line == "};":
                if block and block[0] == "struct":
                    self._close(self.records[block[1]], number)
                block = None
            elif block and block[0] == "enum":
                self._enumerator(block[1], line, number)
            elif block and block[1] != "iw_str":
                self._member(self.records[block[1]], line, number)

    def _enumerator(self, enum: str, line: str, number: int) -> None:
        match = ENUMERATOR.match(line)
        if not match:
            fail(number, "expected '<TAB>IW_NAME = <number>, /* meaning */'")
            return
        self.enums[enum][match["name"]] = int(match["value"])
        if enum == "iw_kind":
            dotted, _, record = match["doc"].partition(": ")
            stem = match["name"].removeprefix("IW_KIND_").lower()
            self.kinds.append(Kind(match["name"], int(match["value"]), dotted, record or f"iw_{stem}"))

    def _member(self, record: Record, line: str, number: int) -> None:
        match = MEMBER.match(line)
        if not match or (match["doc"] is None and match["type"] != "iw_header"):
            fail(number, "expected '<TAB>type name; /* unit and meaning */'")
            return
        c_type, count_text = match["type"], match["count"] or "1"
        count = int(count_text) if count_text.isdigit() else self.constants[count_text]
        nested = self.records.get(c_type)
        if nested is None and c_type not in SIZES:
            fail(number, f"type {c_type} is not declared above")
        unit = nested.size if nested else SIZES[c_type]
        align = (4 if c_type == "iw_str" else 8) if nested else unit
        if record.size % align:
            fail(number, f"{match['name']} at byte {record.size} needs {align}-byte alignment")
        shape = shape_of(c_type, count, number)
        record.members.append(
            Member(match["name"], c_type, count, record.size, unit * count, shape, match["doc"] or "")
        )
        record.size += unit * count

    @staticmethod
    def _close(record: Record, number: int) -> None:
        if record.name == "iw_str":
            record.size = 8
        elif record.size % 8:
            fail(number, f"struct {record.name} has {record.size} bytes, not a multiple of 8")

    def flat(self, record: Record) -> list[Member]:
        """Header members first, then the record's own, all with offsets from the record."""
        own = [m for m in record.members if m.shape != "header"]
        if record.name == "iw_header":
            return own
        return [*self.records["iw_header"].members, *own]

    def field_names(self) -> list[str]:
        """Every distinct member name in order of first appearance; the index is the field id."""
        names: dict[str, None] = {}
        for kind in self.kinds:
            for member in self.flat(self.records[kind.record]):
                if member.name not in ("size", "kind") and not member.name.startswith("reserved"):
                    names.setdefault(member.name)
        return list(names)


NOTE = "GENERATED from bpf/include/iw_event.h by bpf/tools/gen.py; edit the header, run `make gen`."


def cython(header: Header) -> str:
    lines = [f"# {NOTE}", "from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t", ""]
    lines.append('cdef extern from "iw_event.h" nogil:')
    lines.append("    ctypedef uint8_t iw_u8")
    lines.append("    ctypedef uint16_t iw_u16")
    lines.append("    ctypedef uint32_t iw_u32")
    lines.append("    ctypedef uint64_t iw_u64")
    for constant in header.constants:
        lines.append(f"    const int {constant}")
    for name, values in header.enums.items():
        lines.append(f"    enum {name}:")
        lines.extend(f"        {value}" for value in values)
    lines.append("    struct iw_str:")
    lines.extend(["        iw_u32 off", "        iw_u32 len"])
    for record in header.records.values():
        if record.name == "iw_str":
            continue
        lines.append(f"    struct {record.name}:")
        for member in record.members:
            suffix = f"[{member.count}]" if member.count > 1 else ""
            lines.append(f"        {member.c_type} {member.name}{suffix}")
    return "\n".join(lines) + "\n"


SHAPE_CODES = {"u16": 1, "u32": 2, "u64": 3, "ip": 4, "comm": 5, "str": 6}


def field_table(header: Header) -> str:
    names = header.field_names()
    top = max(kind.value for kind in header.kinds)
    out = [f"/* {NOTE} */", "#ifndef IW_FIELDS_H", "#define IW_FIELDS_H"]
    out += ["#include <stddef.h>", "", '#include "iw_event.h"', ""]
    out += [f"#define IW_SHAPE_{shape.upper()} {code}" for shape, code in SHAPE_CODES.items()]
    out += [f"#define IW_FIELD_COUNT {len(names)}", f"#define IW_KIND_TOP {top}", ""]
    out += [f"#define IW_FIELD_{name.upper()} {index}" for index, name in enumerate(names)]
    out += ["", "/* Where a field lies in a record of a kind; shape 0: the kind has no such field. */"]
    out += ["struct iw_field_place { iw_u16 offset; iw_u8 shape; iw_u8 reserved0; };", ""]
    out.append("static const char *const iw_field_names[IW_FIELD_COUNT] = {")
    out += [f'\t"{name}",' for name in names]
    out += ["};", "", "static const iw_u16 iw_kind_size[IW_KIND_TOP + 1] = {"]
    out += [f"\t[{k.constant}] = sizeof(struct {k.record})," for k in header.kinds]
    out += ["};", "", "static const char *const iw_kind_names[IW_KIND_TOP + 1] = {"]
    out += [f'\t[{k.constant}] = "{k.dotted}",' for k in header.kinds]
    strings = {
        k.constant: [m.name for m in header.flat(header.records[k.record]) if m.shape == "str"]
        for k in header.kinds
    }
    out += ["};", "", "/* Offsets of a kind's strings, ended by 0: what a consumer has to check. */"]
    out.append(f"#define IW_STRINGS_MAX {max(map(len, strings.values())) + 1}")
    out.append("static const iw_u16 iw_kind_strings[IW_KIND_TOP + 1][IW_STRINGS_MAX] = {")
    for kind in header.kinds:
        places = ", ".join(f"offsetof(struct {kind.record}, {name})" for name in strings[kind.constant])
        out.append(f"\t[{kind.constant}] = {{{places}{', ' if places else ''}0}},")
    out += ["};", "", "static const char *const iw_kind_structs[IW_KIND_TOP + 1] = {"]
    out += [f'\t[{k.constant}] = "{k.record}",' for k in header.kinds]
    out += ["};", ""]
    out.append("static const struct iw_field_place iw_fields[IW_KIND_TOP + 1][IW_FIELD_COUNT] = {")
    for kind in header.kinds:
        out.append(f"\t[{kind.constant}] = {{")
        shared = header.records["iw_header"].members
        for member in header.flat(header.records[kind.record]):
            if member.name in names:
                # offsetof, not our own number: the table is the C compiler's view, compared in tests.
                place = f"offsetof(struct {kind.record}, {'h.' if member in shared else ''}{member.name})"
                code = SHAPE_CODES[member.shape]
                out.append(f"\t\t[IW_FIELD_{member.name.upper()}] = {{{place}, {code}, 0}},")
        out.append("\t},")
    out += ["};", "", "#endif"]
    return "\n".join(out) + "\n"


def python(header: Header) -> str:
    out = ["# SPDX-License-Identifier: Apache-2.0", f"# {NOTE}", '"""Layout of the wire record."""']
    out += ["", "from __future__ import annotations", "", "from enum import IntEnum, IntFlag", ""]
    out += [f"{name.removeprefix('IW_')} = {value}" for name, value in header.constants.items()]
    titles = {"iw_kind": ("Kind", "IntEnum", "IW_KIND_"), "iw_flag": ("Flag", "IntFlag", "IW_F_")}
    titles["iw_exec_flag"] = ("ExecFlag", "IntFlag", "IW_EXEC_")
    titles["iw_open_flag"] = ("OpenFlag", "IntFlag", "IW_OPEN_")
    titles["iw_memory_flag"] = ("MemoryFlag", "IntFlag", "IW_MEMORY_")
    titles["iw_container_flag"] = ("ContainerFlag", "IntFlag", "IW_CONTAINER_")
    titles["iw_hook"] = ("HookId", "IntEnum", "IW_HOOK_")
    titles["iw_link_type"] = ("LinkType", "IntEnum", "IW_LINK_")
    titles["iw_attribute"] = ("Attribute", "IntEnum", "IW_ATTRIBUTE_")
    titles["iw_access"] = ("Access", "IntEnum", "IW_ACCESS_")
    titles["iw_io_operation"] = ("IoOperation", "IntEnum", "IW_IO_")
    titles["iw_enforcement_mode"] = ("EnforcementMode", "IntEnum", "IW_ENFORCEMENT_")
    titles["iw_enforcement_rule"] = ("EnforcementRule", "IntEnum", "IW_RULE_")
    titles["iw_change"] = ("Change", "IntEnum", "IW_CHANGE_")
    for enum, values in header.enums.items():
        title, base, prefix = titles[enum]
        out += ["", "", f"class {title}({base}):"]
        out += [f"    {name.removeprefix(prefix)} = {value}" for name, value in values.items()]
    out += ["", "", "#: dotted kind -> Kind", "KINDS: dict[str, Kind] = {"]
    out += [f'    "{k.dotted}": Kind.{k.constant.removeprefix("IW_KIND_")},' for k in header.kinds]
    out += ["}", "", "#: Kind -> struct name", "RECORD_OF: dict[Kind, str] = {"]
    out += [f'    Kind.{k.constant.removeprefix("IW_KIND_")}: "{k.record}",' for k in header.kinds]
    out += ["}", "", "#: struct name -> bytes of its fixed part", "SIZES: dict[str, int] = {"]
    records = [r for r in header.records.values()]
    out += [f'    "{r.name}": {r.size},' for r in records]
    out += ["}", "", "#: struct name -> ((field, offset, shape), ...); shape: u16 u32 u64 ip comm str"]
    out.append("LAYOUT: dict[str, tuple[tuple[str, int, str], ...]] = {")
    for record in records:
        if record.name == "iw_str":
            continue
        out.append(f'    "{record.name}": (')
        for m in header.flat(record):
            out.append(f'        ("{m.name}", {m.offset}, "{m.shape}"),')
        out.append("    ),")
    out += ["}", "", "#: field name -> unit and meaning, from the header's comments"]
    out.append("MEANING: dict[str, str] = {")
    seen: set[str] = set()
    for record in records:
        for m in header.flat(record):
            if m.name not in seen and not m.name.startswith("reserved"):
                seen.add(m.name)
                out.append(f"    {json.dumps(m.name)}: {json.dumps(m.doc)},")
    out += ["}"]
    return "\n".join(out) + "\n"


PYTHON_TYPES = {"u16": "int", "u32": "int", "u64": "int", "ip": "str", "comm": "str", "str": "str"}


def details_class(record: Record) -> str:
    """iw_process_exec -> ProcessExec."""
    return "".join(part.title() for part in record.name.split("_")[1:])


def details(header: Header) -> str:
    out = ["# SPDX-License-Identifier: Apache-2.0", f"# {NOTE}"]
    out += ['"""Event details, one typed Struct per record; what a record does not hold is None."""', ""]
    out += ["from __future__ import annotations", "", "import msgspec"]
    for record in header.records.values():
        if record.name == "iw_str" or record.name not in {"iw_header", *(k.record for k in header.kinds)}:
            continue
        base = "msgspec.Struct" if record.name == "iw_header" else "Header"
        options = "frozen=True, kw_only=True, omit_defaults=True"
        out += ["", "", f"class {details_class(record)}({base}, {options}):"]
        for m in record.members:
            if m.shape == "header" or m.name in ("size", "kind") or m.name.startswith("reserved"):
                continue
            kind = "tuple[str, ...]" if m.name == "argv" else PYTHON_TYPES[m.shape] + " | None"
            default = "()" if m.name == "argv" else "None"
            out.append(f"    {m.name}: {kind} = {default}  # {m.doc}")
    out += ["", "", "#: dotted kind -> its Struct", "DETAILS: dict[str, type[Header]] = {"]
    out += [f'    "{k.dotted}": {details_class(header.records[k.record])},' for k in header.kinds]
    return "\n".join([*out, "}"]) + "\n"


def outputs() -> dict[Path, str]:
    header = Header(HEADER.read_text())
    return {
        ROOT / "core/innerwarden_core/record.pxd": cython(header),
        ROOT / "core/innerwarden_core/fields.h": field_table(header),
        ROOT / "innerwarden/model/_wire.py": python(header),
        ROOT / "innerwarden/model/details.py": details(header),
    }


def main(arguments: list[str]) -> int:
    stale = []
    for path, text in outputs().items():
        if path.exists() and path.read_text() == text:
            continue
        stale.append(path)
        if "--check" not in arguments:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            print(f"wrote {path.relative_to(ROOT)}")
    if "--check" in arguments and stale:
        print("not what the header says: " + ", ".join(str(p.relative_to(ROOT)) for p in stale))
        print("run `make gen` and commit the result")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

# SPDX-License-Identifier: Apache-2.0
"""Records for cases and tests: named fields -> the bytes that a kernel program or log parser would send."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from innerwarden.errors import UsageError
from innerwarden.model._wire import COMM_LEN, KINDS, LAYOUT, RECORD_OF, SIZES, Flag, Kind
from innerwarden.model.vocabulary import VOCABULARY
from innerwarden.model.wire import FIRST_LOG_KIND, NUMBER_FORMATS, UNSET, ip_bytes

Value = int | str | bytes | Sequence[str]

BOOT_BASE_NS = 10_000_000_000_000
"""Moment zero of a case on the boot clock: late enough for every default start time."""
REAL_BASE_NS = 1_750_000_000_000_000_000
"""The same for log records, on the real-time clock."""


def start_of(pid: int) -> int:
    """Default start time of a pid, so that records about one process agree without saying it."""
    return 1_000_000_000_000 + pid * 10_000_000


def encode(kind: str, at_s: float = 0.0, **fields: Value) -> bytes:
    """One record. Addresses are text, flags a number or a list of names, argv a list.

    What is not given is zero or absent, except: ts_ns (`at_s` after the base), pid 1000, its start time,
    the parent's, tid, euid and comm. Raises UsageError for a field that the kind does not have.
    """
    if kind not in KINDS:
        raise UsageError(f"unknown kind {kind!r}", "See docs/module-authoring.md for the kinds")
    number = KINDS[kind]
    name = RECORD_OF[number]
    layout = {field: (offset, shape) for field, offset, shape in LAYOUT[name]}
    values: dict[str, Value] = {**_defaults(number, at_s, fields), **fields}
    values = {key: value for key, value in values.items() if key in layout or key in fields}
    buffer = bytearray(SIZES[name])
    for field, value in values.items():
        if field not in layout or field in ("size", "kind") or field.startswith("reserved"):
            raise UsageError(f"{kind} has no field {field!r}", f"It has {', '.join(sorted(layout))}")
        offset, shape = layout[field]
        if shape == "str":
            data = _string(value)
            struct.pack_into("<II", buffer, offset, len(buffer) if data else 0, len(data))
            buffer += data
        else:
            data = _fixed(field, shape, value)
            buffer[offset : offset + len(data)] = data
    buffer += bytes(-len(buffer) % 8)
    struct.pack_into("<IH", buffer, 0, len(buffer), int(number))
    return bytes(buffer)


def _defaults(kind: Kind, at_s: float, fields: Mapping[str, Value]) -> dict[str, Value]:
    is_log = kind >= FIRST_LOG_KIND
    base = REAL_BASE_NS if is_log else BOOT_BASE_NS
    values: dict[str, Value] = {**UNSET, "ts_ns": base + round(at_s * 1e9)}
    if is_log:
        values["flags"] = int(Flag.REALTIME)
        address = fields.get("src_ip")
        if isinstance(address, str):
            values["family"] = 10 if ":" in address else 2
        return values
    pid = _int(fields.get("pid", 1000))
    ppid = _int(fields.get("ppid", 1))
    values |= {"pid": pid, "tid": pid, "old_tid": pid, "ppid": ppid, "start_ns": start_of(pid)}
    values |= {"parent_start_ns": start_of(ppid), "euid": fields.get("uid", 0)}
    exe = fields.get("exe_path")
    if isinstance(exe, str):
        values["comm"] = exe.rsplit("/", 1)[-1]
        values["filename"] = exe
        values["argv"] = [exe]
    argv = fields.get("argv", values.get("argv"))
    if argv is not None:
        values["argv_len"] = len(_string(argv))
    return values


def _fixed(field: str, shape: str, value: Value) -> bytes:
    if shape == "ip":
        try:
            return ip_bytes(str(value))
        except ValueError as error:
            raise UsageError(f"{field}: {error}", "Give one address") from error
    if shape == "comm":
        return _string(value)[: COMM_LEN - 1].ljust(COMM_LEN, b"\0")
    flags = VOCABULARY[field].flags if field in VOCABULARY else {}
    if flags and isinstance(value, Sequence) and not isinstance(value, str | bytes):
        unknown = [item for item in value if not isinstance(item, str) or item not in flags]
        if unknown:
            raise UsageError(f"{field} has no flag {unknown[0]!r}", f"It has {', '.join(flags)}")
        value = sum(flags[item] for item in set(value))
    try:
        return struct.pack(NUMBER_FORMATS[shape], _int(value))
    except struct.error as error:
        raise UsageError(f"{field}={value!r} does not fit {shape}", "Give a smaller number") from error


def _int(value: Value) -> int:
    if not isinstance(value, int):
        raise UsageError(f"{value!r} is not a whole number", "Give a number")
    return value


def _string(value: Value) -> bytes:
    """Text as UTF-8; a list is an argument vector, each item with its terminator."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise UsageError(f"{value!r} is neither text nor a list of texts", "Quote it")
    return b"".join(item.encode() + b"\0" for item in value)

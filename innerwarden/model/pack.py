# SPDX-License-Identifier: Apache-2.0
"""Wire records made in Python, at log rate: what is constant in a kind's record is laid out once."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Mapping

from innerwarden.model._wire import KINDS, LAYOUT, RECORD_MAX, RECORD_OF, SIZES, Flag
from innerwarden.model.wire import FIRST_LOG_KIND, NUMBER_FORMATS, UNSET, ip_bytes

#: Bytes kept of a text; the header says where it is more.
TEXT_BYTES = 4096
LIMITS = {"message": 8192, "cloud_parameters": 24 << 10, "argv": 16384}
_STRING = struct.Struct("<II")
_HEAD = struct.Struct("<IH")
_FLAGS = struct.Struct("<I")


class Packer:
    """Makes records of one kind. Members that are not given are zero or absent, `repeat_count` is 1."""

    def __init__(self, kind: str, source_id: int = 0) -> None:
        self._kind = int(KINDS[kind])
        name = RECORD_OF[KINDS[kind]]
        self._texts: dict[str, int] = {}
        self._numbers: dict[str, tuple[int, struct.Struct, int]] = {}
        self._others: dict[str, tuple[int, str]] = {}
        for field, offset, shape in LAYOUT[name]:
            if shape == "str":
                self._texts[field] = offset
            elif shape in NUMBER_FORMATS:
                form = struct.Struct(NUMBER_FORMATS[shape])
                self._numbers[field] = (offset, form, (1 << 8 * form.size) - 1)
            else:
                self._others[field] = (offset, shape)
        self._flags = int(Flag.REALTIME)
        self._flags_at = self._numbers["flags"][0]
        template = bytearray(SIZES[name])
        constants = {**UNSET, "flags": self._flags}
        if self._kind >= FIRST_LOG_KIND:
            constants["source_id"] = source_id
        for field, value in constants.items():
            if field in self._numbers:
                offset, form, _ = self._numbers[field]
                form.pack_into(template, offset, value)
        self._template = bytes(template)

    def pack(self, ts_ns: int, values: Mapping[str, int | str | bytes | None], more_flags: int = 0) -> bytes:
        """One record. None is absent; a text that is too long is cut and the record says so; an address is text that
        `address` gave. Raises KeyError for a member that the kind does not have."""
        buffer = bytearray(self._template)
        flags = self._flags | more_flags
        offset, form, most = self._numbers["ts_ns"]
        form.pack_into(buffer, offset, min(max(0, ts_ns), most))
        for name, value in values.items():
            if value is None or value in ("", b""):
                continue
            if isinstance(value, int):
                offset, form, most = self._numbers[name]
                form.pack_into(buffer, offset, min(max(value, 0), most))
            elif name in self._texts:
                data = value.encode("utf-8", "replace") if isinstance(value, str) else value
                room = min(LIMITS.get(name, TEXT_BYTES), RECORD_MAX - 8 - len(buffer))
                if len(data) > room:
                    data, flags = data[: max(room, 0)], flags | Flag.TRUNCATED
                if data:
                    _STRING.pack_into(buffer, self._texts[name], len(buffer), len(data))
                    buffer += data
            else:
                self._other(buffer, name, value)
        buffer += bytes(-len(buffer) % 8)
        _HEAD.pack_into(buffer, 0, len(buffer), self._kind)
        _FLAGS.pack_into(buffer, self._flags_at, flags)
        return bytes(buffer)

    def _other(self, buffer: bytearray, name: str, value: str | bytes) -> None:
        offset, shape = self._others[name]
        if shape == "comm":
            data = (value.encode("utf-8", "replace") if isinstance(value, str) else value)[:15]
        else:
            data = ip_bytes(value if isinstance(value, str) else value.decode())
            if name == "src_ip" and "family" in self._numbers:
                family_at, form, _ = self._numbers["family"]
                form.pack_into(buffer, family_at, 2 if data[:12] == bytes(10) + b"\xff\xff" else 10)
        buffer[offset : offset + len(data)] = data


def address(text: str | None) -> str | None:
    """The address that a log names, without brackets and zone; None when it is none."""
    if not text:
        return None
    try:
        return str(ipaddress.ip_address(text.strip("[]").partition("%")[0]))
    except ValueError:
        return None

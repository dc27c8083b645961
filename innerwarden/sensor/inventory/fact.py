# SPDX-License-Identifier: Apache-2.0
"""One thing that looking at the host found, and its record (struct iw_host_fact)."""

from __future__ import annotations

import os

import msgspec

from innerwarden.model._wire import Change
from innerwarden.modules.factory import encode

UNKNOWN_UID = 0xFFFFFFFF
#: Bytes kept of a string; eight of them stay far below IW_RECORD_MAX.
STRING_BYTES = 4096
_STRINGS = ("name", "path", "value", "old_value", "sha256", "reason")


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """The acting process, as the header of a kernel record names it. Start times: CLOCK_BOOTTIME ns."""

    pid: int
    start_ns: int
    ppid: int = 0
    parent_start_ns: int = 0
    uid: int = 0
    euid: int = 0
    comm: str = ""


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """Members as in struct iw_host_fact; text may hold surrogate escapes for bytes that are not UTF-8.

    `reason` is always given: a clause that a person can read in the finding. `src_ip` is an address as text.
    `actor`: who did it, where that is known.
    """

    kind: str
    change: Change
    reason: str
    name: str = ""
    path: str = ""
    value: str = ""
    old_value: str = ""
    sha256: str = ""
    src_ip: str = ""
    src_port: int = 0
    protocol: int = 0
    inode: int = 0
    mode: int = 0
    target_pid: int = 0
    target_start_ns: int = 0
    target_uid: int = UNKNOWN_UID
    program_type: int = 0
    program_id: int = 0
    memory_flags: int = 0
    actor: Actor | None = None

    def record(self, ts_ns: int) -> bytes:
        """The wire record; `ts_ns` is CLOCK_REALTIME."""
        values: dict[str, int | str | bytes] = {
            name: getattr(self, name)
            for name in self.__struct_fields__
            if name not in ("kind", "src_ip", "actor", *_STRINGS)
        }
        values |= {name: os.fsencode(getattr(self, name))[:STRING_BYTES] for name in _STRINGS}
        if self.src_ip:
            values["src_ip"] = self.src_ip
        if self.actor is not None:
            values |= msgspec.structs.asdict(self.actor)
        return encode(self.kind, 0.0, ts_ns=ts_ns, **values)

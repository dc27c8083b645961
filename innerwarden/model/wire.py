# SPDX-License-Identifier: Apache-2.0
"""What every reader and writer of records shares beyond the generated layout."""

from __future__ import annotations

import ipaddress

from innerwarden.model._wire import KINDS, Kind

#: Kind number -> dotted kind.
DOTTED: dict[int, str] = {int(kind): dotted for dotted, kind in KINDS.items()}
#: Kinds from here on come from logs: their clock is real time, and they have no acting process.
FIRST_LOG_KIND = Kind.SSH_LOGIN_FAILED
#: And from here on from looking at the host: real time, and an acting process only where the pid is given.
FIRST_HOST_KIND = Kind.HOST_HIDDEN_PROCESS
#: Shape of a number -> how it lies in the record.
NUMBER_FORMATS = {"u16": "<H", "u32": "<I", "u64": "<Q"}
#: Members whose "not set" is not zero.
UNSET = {
    "login_uid": 0xFFFFFFFF,
    "session_id": 0xFFFFFFFF,
    "syscall_nr": 0xFFFFFFFF,
    "repeat_count": 1,
    "new_uid": 0xFFFFFFFF,
    "new_gid": 0xFFFFFFFF,
}


def has_task(kind: int, pid: int) -> bool:
    """Is there an acting process behind a record?"""
    return bool(pid) and (kind < FIRST_LOG_KIND or kind >= FIRST_HOST_KIND)


def ip_bytes(text: str) -> bytes:
    """An address as records hold it, v4 in v4-mapped form; raises ValueError when it is none."""
    address = ipaddress.ip_address(text)
    return address.packed if address.version == 6 else bytes(10) + b"\xff\xff" + address.packed

# SPDX-License-Identifier: Apache-2.0
"""Whether the kernel's audit is on, asked of the kernel itself: the answer lies in no file.

Source: AUDIT_GET and struct audit_status of linux/audit.h. The kernel answers from a thread of its own, so the answer
is taken at a later look.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Callable

NETLINK_AUDIT = 9
AUDIT_GET = 1000
NLM_F_REQUEST, NLMSG_ERROR = 1, 2
PERIOD_S = 60.0
_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_STATUS = struct.Struct("=IIII")  # mask, enabled, failure, pid of the daemon
NAMES = {0: "off", 1: "on", 2: "locked"}
WORDS = {
    "off": "the kernel writes no audit records",
    "on": "the kernel writes audit records",
    "locked": "the kernel writes audit records, and its rules cannot be changed before the next start",
}


class AuditState:
    """`look` gives the state once each PERIOD_S, None in between; `absent` says why there is none."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._next = monotonic()
        self._socket: socket.socket | None = None
        self._sequence = 0
        self.daemon_pid = 0
        self.absent = ""

    def look(self) -> str | None:
        """off, on or locked."""
        if self._socket is not None:
            return self._answer(self._socket)
        if self._monotonic() >= self._next:
            self._next = self._monotonic() + PERIOD_S
            self._ask()
        return None

    def _ask(self) -> None:
        self._sequence += 1
        try:
            own = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, NETLINK_AUDIT)
        except OSError as error:
            self.absent = f"the kernel has no audit: {error.strerror}"
            return
        self._socket = own
        try:
            own.bind((0, 0))
            own.sendto(_HEADER.pack(_HEADER.size, AUDIT_GET, NLM_F_REQUEST, self._sequence, 0), (0, 0))
        except OSError as error:
            self._done(f"the kernel does not answer uid {os.geteuid()}: {error.strerror}")

    def _answer(self, own: socket.socket) -> str | None:
        try:
            data, (port, _groups) = own.recvfrom(8192)
        except BlockingIOError:
            if self._monotonic() >= self._next:
                self._done("the kernel did not answer")
            return None
        except OSError as error:
            self._done(f"the kernel does not answer: {error.strerror}")
            return None
        if len(data) < _HEADER.size + 4 or port != 0:
            return None
        _length, kind, _flags, sequence, _port = _HEADER.unpack_from(data)
        return self._read(kind, data[_HEADER.size :]) if sequence == self._sequence else None

    def _read(self, kind: int, data: bytes) -> str | None:
        if kind == NLMSG_ERROR:
            code = int.from_bytes(data[:4], sys.byteorder, signed=True)
            if code:
                self._done(f"the kernel refuses to say: {os.strerror(-code)}")
        elif kind == AUDIT_GET and len(data) >= _STATUS.size:
            _mask, enabled, _failure, self.daemon_pid = _STATUS.unpack_from(data)
            self._done("")
            return NAMES.get(enabled, "on")
        return None

    def _done(self, why: str) -> None:
        self.absent = why
        self.close()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

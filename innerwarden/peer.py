# SPDX-License-Identifier: Apache-2.0
"""Who is at the other end of a unix socket, as the kernel says."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

_CREDENTIALS = struct.Struct("=iII")  # struct ucred of unix(7): pid, uid, gid


class Peer(NamedTuple):
    """As they were when it connected; `pid` may be another process's by now."""

    pid: int
    uid: int


def peer_of(link: socket.socket) -> Peer:
    """Raises OSError for what is no connected unix socket."""
    data = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _gid = _CREDENTIALS.unpack(data)
    return Peer(pid, uid)

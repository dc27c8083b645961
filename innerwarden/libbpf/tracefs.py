# SPDX-License-Identifier: Apache-2.0
"""tracefs: where classic tracepoints are found; mounted when it is not."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from innerwarden.errors import UnavailableError

TRACING = Path("/sys/kernel/tracing")
_DEBUG_TRACING = Path("/sys/kernel/debug/tracing")


def events() -> Path:
    """The events directory; mounts tracefs when nobody has. Raises UnavailableError when that fails."""
    for place in (TRACING, _DEBUG_TRACING):
        if (place / "events").is_dir():
            return place / "events"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"nodev", os.fsencode(TRACING), b"tracefs", 0, None) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise UnavailableError(
            f"cannot mount tracefs on {TRACING}: {reason}",
            f"Mount it with `mount -t tracefs nodev {TRACING}`; without it only BTF tracepoints work",
        )
    return TRACING / "events"

# SPDX-License-Identifier: Apache-2.0
"""How many records of a kind one process may make. What is held back is counted, and the producer is named."""

from __future__ import annotations

import struct

from innerwarden.errors import UsageError
from innerwarden.libbpf import Map
from innerwarden.model._wire import KINDS

NS = 1_000_000_000
_KEY = struct.Struct("<I")
_LIMIT = struct.Struct("<QQ")  # period_ns, burst_ns
#: Of one second on average and at once; a busy proxy stays below, a flood meant to push other records out does not.
DEFAULTS: dict[str, tuple[int, int]] = {
    "file.open": (20_000, 40_000),
    "file.attribute": (5_000, 20_000),
    "network.accept": (2_000, 4_000),
    "network.connect": (2_000, 4_000),
}


class Limits:
    """Token buckets by (process, kind), kept by the kernel programs."""

    def __init__(self, limits: Map) -> None:
        self._map = limits
        for kind, (per_second, burst) in DEFAULTS.items():
            self.set(kind, per_second, burst)

    def set(self, kind: str, per_second: int, burst: int) -> None:
        """Let one process make `per_second` records of a kind on average and `burst` at once; 0 a second: no limit."""
        if kind not in DEFAULTS:
            raise UsageError(f"{kind} records have no limit; those that have: {', '.join(DEFAULTS)}")
        period = NS // per_second if per_second else 0
        self._map.update(_KEY.pack(KINDS[kind]), _LIMIT.pack(period, period * max(burst, 1)))

# SPDX-License-Identifier: Apache-2.0
"""Row 1: emptying a full kernel ring of 256-byte records, beside libbpf's own consumer in C.

Two equal rings, filled by a kernel program before each measurement. Our side is
the whole `Engine.drain` with no rule loaded; the peer's callback does the same checks and counts in plain C.
"""

from __future__ import annotations

import ctypes
import time
from pathlib import Path

from innerwarden_core import Engine, Ring

from bench.measure import (
    ROOT,
    Bound,
    Result,
    Unavailable,
    bpf_program,
    interleaved,
    median,
    need_root,
    on_cpu,
    program,
    spread,
)

RING_BYTES = 8 << 20
RECORDS = 28_000  # nine tenths of the ring, 264 bytes each with the ring's own header
INCLUDES = (f"-I{ROOT / 'bpf/include'}", f"-I{ROOT / 'core/innerwarden_core'}")
KIND = 8  # file.open: the kind that comes in volume


class Filled:
    """One kernel ring, its filler, and libbpf's consumer of it."""

    def __init__(self, library: ctypes.CDLL, kernel_object: Path) -> None:
        self._lib = library
        self._lib.peer_open.restype = ctypes.c_void_p
        self._lib.peer_fill.restype = self._lib.peer_consume.restype = ctypes.c_uint64
        self._peer = ctypes.c_void_p(self._lib.peer_open(str(kernel_object).encode()))
        if not self._peer:
            raise Unavailable("the kernel refused the ring's filler (bpf_loop needs 5.17)")
        self.fd = int(self._lib.peer_ring_fd(self._peer))

    def fill(self) -> None:
        """On the first core; consumers run on the other one."""
        with on_cpu(0):
            made = int(self._lib.peer_fill(self._peer, RECORDS, KIND))
        assert made == RECORDS, f"{made} of {RECORDS} records found room"

    def consume(self) -> tuple[int, int]:
        """(ns, records) of one ring_buffer__consume."""
        records = ctypes.c_uint64()
        taken = int(self._lib.peer_consume(self._peer, ctypes.byref(records)))
        return taken, records.value

    def close(self) -> None:
        self._lib.peer_close(self._peer)


def run(quick: bool) -> dict[str, object]:
    need_root()
    library = ctypes.CDLL(str(program("ring_peer.c", "-shared", "-lbpf", *INCLUDES)))
    # A ring each: a consumer keeps its position to itself.
    mine, theirs = (Filled(library, bpf_program("fill.bpf.c")) for _ in range(2))
    engine = Engine()
    ring = Ring(mine.fd, RING_BYTES, "bench")

    def ours() -> float:
        mine.fill()
        before = ring.consumed
        with on_cpu(1):
            began = time.thread_time_ns()
            engine.drain([ring], 0)
            taken = time.thread_time_ns() - began
        assert ring.consumed - before == RECORDS, "a record was lost or doubled"
        return taken / RECORDS

    def libbpf() -> float:
        theirs.fill()
        with on_cpu(1):
            taken, records = theirs.consume()
        assert records == RECORDS
        return taken / RECORDS

    times = interleaved(41 if quick else 201, {"ours": ours, "libbpf": libbpf})
    ring.close()
    mine.close()
    theirs.close()
    own, peer = median(times["ours"]), median(times["libbpf"])
    ratio = peer / own
    return Result(
        row=1,
        what="ring drain, 256-byte records",
        value=1e3 / own,
        unit="M records/s",
        peer=f"libbpf ring_buffer__consume {1e3 / peer:.1f} M/s",
        ratio=ratio,
        goal=">= 2.0 x",
        gate=">= 0.9 x",
        passed=ratio >= 0.9,
        spread=spread(times["ours"]),
        rounds=len(times["ours"]),
        bound=Bound(ratio, 2.0, 0.9),
        note="both check bounds and count",
        details={"ours_ns": own, "libbpf_ns": peer, "libbpf_spread": spread(times["libbpf"])},
    ).as_dict()

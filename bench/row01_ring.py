# SPDX-License-Identifier: Apache-2.0
"""Row 1: emptying a full kernel ring of 256-byte records, beside libbpf's own consumer in C.

One map, both consumers mapped onto it, filled by a kernel program before each measurement. Our side is
the whole `Engine.drain` with no rule loaded, so it also checks bounds, looks the process up and counts;
the peer checks bounds and sequence and counts.
"""

from __future__ import annotations

import ctypes
import time
from pathlib import Path

from innerwarden_core import Engine, Ring

from bench.measure import Result, bpf_program, interleaved, median, need_root, on_cpu, program, spread

RING_BYTES = 8 << 20
RECORDS = 28_000  # nine tenths of the ring, 264 bytes each with the ring's own header
KIND = 8  # file.open: the kind that comes in volume


class Peer:
    """The C library: owns the map, its filler and libbpf's consumer."""

    def __init__(self, library: Path, kernel_object: Path) -> None:
        self._lib = ctypes.CDLL(str(library))
        self._lib.peer_fill.restype = ctypes.c_uint64
        self._lib.peer_consume.restype = ctypes.c_uint64
        self.ring_fd = self._lib.peer_open(str(kernel_object).encode())
        if self.ring_fd < 0:
            raise RuntimeError("the kernel refused the ring filler")

    def fill(self) -> int:
        with on_cpu(0):
            return int(self._lib.peer_fill(RECORDS, KIND))

    def consume(self) -> tuple[int, int]:
        records = ctypes.c_uint64()
        taken = int(self._lib.peer_consume(ctypes.byref(records)))
        return taken, records.value

    def close(self) -> None:
        self._lib.peer_close()


def run(quick: bool) -> dict[str, object]:
    need_root()
    peer = Peer(program("ring_peer.c", "-shared", "-lbpf"), bpf_program("fill.bpf.c"))
    engine = Engine()
    ring = Ring(peer.ring_fd, RING_BYTES, "bench")

    def ours() -> float:
        made = peer.fill()
        before = ring.consumed
        with on_cpu(1):
            began = time.perf_counter_ns()
            engine.drain([ring], 0)
            taken = time.perf_counter_ns() - began
        assert made == RECORDS and ring.consumed - before == made, "a record was lost or doubled"
        return taken / made

    def libbpf() -> float:
        made = peer.fill()
        with on_cpu(1):
            taken, records = peer.consume()
        assert records == made == RECORDS
        return taken / made

    times = interleaved(41 if quick else 201, {"ours": ours, "libbpf": libbpf})
    ring.close()
    peer.close()
    mine, theirs = median(times["ours"]), median(times["libbpf"])
    ratio = theirs / mine
    return Result(
        row=1,
        what="ring drain, 256-byte records",
        value=1e3 / mine,
        unit="M records/s",
        peer=f"libbpf ring_buffer__consume {1e3 / theirs:.1f} M/s",
        ratio=ratio,
        goal=">= 2.0 x",
        gate=">= 0.9 x",
        passed=ratio >= 0.9,
        spread=spread(times["ours"]),
        note="ours decodes, counts and dispatches as well",
        details={"ours_ns": mine, "libbpf_ns": theirs, "libbpf_spread": spread(times["libbpf"])},
    ).as_dict()

# SPDX-License-Identifier: Apache-2.0
"""Python runs this first in a process that the memory budget starts with this directory in PYTHONPATH. No part of the
product: the deliberate leak, and the look at who holds the memory, must be in the process itself.

IW_HEAP_LEAK: bytes that are allocated for each event and never freed.
IW_HEAP_TRACE: a file; what Python allocated between half and all of the events is written there, and what malloc has.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from pathlib import Path

PERIOD_S = 0.05
FRAMES = 8
SHOWN = 25
LIBC = ctypes.CDLL(None)


def leak(count: int) -> None:
    """Allocate for `count` events, and write, so that the memory is there."""
    size = int(os.environ["IW_HEAP_LEAK"])
    for _ in range(count):
        ctypes.memset(LIBC.malloc(size), 1, size)


def leak_in_sensor() -> bool:
    """With each report of its own, for the records of since the last one."""
    health = sys.modules.get("innerwarden.sensor.health")
    if not hasattr(health, "Reporter"):
        return False
    before, seen = health.Reporter.write, [0]

    def write(self, snapshot, *, stopped=False):
        total = sum(snapshot.totals.values())
        leak(total - seen[0])
        seen[0] = total
        before(self, snapshot, stopped=stopped)

    health.Reporter.write = write
    return True


def leak_in_agent() -> bool:
    """With each batch of findings."""
    ingest = sys.modules.get("innerwarden.agent.ingest")
    if not hasattr(ingest, "Ingest"):
        return False
    before = ingest.Ingest.step

    def step(self):
        done = before(self)
        leak(done.incidents if done else 0)
        return done

    ingest.Ingest.step = step
    return True


def trace(out: Path) -> None:
    """Wait for `out`.half and `out`.all, which the harness makes, and tell what grew between."""
    import tracemalloc

    half = None
    while True:
        time.sleep(PERIOD_S)
        if half is None and out.with_suffix(".half").exists():
            half = tracemalloc.take_snapshot()
        if half is not None and out.with_suffix(".all").exists():
            break
    grown = tracemalloc.take_snapshot().compare_to(half, "traceback")
    held, peak = tracemalloc.get_traced_memory()
    lines = [f"Python holds {held / 1048576:.1f} MiB (at most {peak / 1048576:.1f}). Grown in the last half:"]
    for one in grown[:SHOWN]:
        lines.append(f"{one.size_diff / 1024:+9.1f} KiB  {one.count_diff:+8d} blocks")
        lines += [f"    {frame.filename}:{frame.lineno}" for frame in list(one.traceback)[-4:]]
    temporary = out.with_suffix(".writing")
    temporary.write_text("\n".join(lines) + "\n\nmalloc_info:\n" + malloc_info())
    temporary.replace(out)


def malloc_info() -> str:
    """glibc's own account; empty where the C library has none."""
    try:
        ask = LIBC.malloc_info
    except AttributeError:
        return ""
    LIBC.open_memstream.restype = ctypes.c_void_p
    text, size = ctypes.c_char_p(), ctypes.c_size_t()
    stream = LIBC.open_memstream(ctypes.byref(text), ctypes.byref(size))
    ask(0, ctypes.c_void_p(stream))
    LIBC.fclose(ctypes.c_void_p(stream))
    return (text.value or b"").decode()


def wait_for(patch) -> None:
    while not patch():
        time.sleep(PERIOD_S)


def begin() -> None:
    LIBC.malloc.restype = ctypes.c_void_p
    ctypes.memset.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t)
    LIBC.malloc.argtypes = (ctypes.c_size_t,)
    role = sys.orig_argv[3]
    if "IW_HEAP_LEAK" in os.environ:
        patch = {"sensor": leak_in_sensor, "agent": leak_in_agent}[role]
        threading.Thread(target=wait_for, args=(patch,), daemon=True).start()
    if "IW_HEAP_TRACE" in os.environ:
        import tracemalloc

        tracemalloc.start(FRAMES)
        threading.Thread(target=trace, args=(Path(os.environ["IW_HEAP_TRACE"]),), daemon=True).start()


if sys.orig_argv[1:3] == ["-m", "innerwarden"] and sys.orig_argv[3:4] in (["sensor"], ["agent"]):
    begin()

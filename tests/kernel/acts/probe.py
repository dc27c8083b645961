# SPDX-License-Identifier: Apache-2.0
"""Open the performance event of a tracepoint; system call of x86-64."""

import ctypes
import struct
from pathlib import Path

PERF_EVENT_OPEN, TYPE_TRACEPOINT, SIZE = 298, 2, 112
number = int(Path("/sys/kernel/tracing/events/sched/sched_switch/id").read_text())
attributes = struct.pack("IIQ", TYPE_TRACEPOINT, SIZE, number) + bytes(SIZE - 16)
ctypes.CDLL(None).syscall(PERF_EVENT_OPEN, attributes, 0, -1, -1, 0)

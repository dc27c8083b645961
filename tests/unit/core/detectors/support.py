# SPDX-License-Identifier: Apache-2.0
"""An engine with one native detector, and the records of small process trees."""

from __future__ import annotations

from typing import Any

from innerwarden_core import Engine, NativeDetector

from tests.factory import encode, start_of


def engine_with(detector: str, **parameters: int) -> Engine:
    engine = Engine()
    engine.configure([], [], [NativeDetector(detector, detector, parameters)])
    return engine


def skipped(engine: Engine, detector: str) -> int:
    return int(engine.stats()["natives"][detector]["skipped"])


def start(pid: int, ppid: int, exe: str, at_s: float = 0.0, **fields: Any) -> bytes:
    """fork and exec: the parent is fixed by the fork."""
    fork = encode("process.fork", at_s, pid=ppid, child_pid=pid, child_start_ns=start_of(pid))
    return fork + encode("process.exec", at_s, pid=pid, ppid=ppid, exe_path=exe, **fields)


def fork(pid: int, ppid: int, at_s: float = 0.0) -> bytes:
    return encode("process.fork", at_s, pid=ppid, child_pid=pid, child_start_ns=start_of(pid))

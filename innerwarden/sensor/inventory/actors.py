# SPDX-License-Identifier: Apache-2.0
"""Who a process id stands for at this moment: the process table's entry, else /proc's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from innerwarden_core import Engine, ProcessInfo

from innerwarden.sensor import procfs
from innerwarden.sensor.inventory.fact import Actor

Find = Callable[[int], Actor | None]


class Actors:
    """Callable: pid -> Actor, None when nothing is known of it. What only /proc knows goes into the process table."""

    def __init__(self, engine: Engine, proc: Path = Path("/proc")) -> None:
        self._engine = engine
        self._proc = proc

    def __call__(self, pid: int) -> Actor | None:
        known = self._engine.process(pid)
        if known is None or known.exited:
            known = self._from_proc(pid) or known
        return None if known is None else _actor(known)

    def _from_proc(self, pid: int) -> ProcessInfo | None:
        """Nothing is learned where the kernel's records are: they are complete, and a pid may be somebody else's."""
        seed = procfs.read(pid, self._proc)
        if seed is None:
            return None
        parent = procfs.read(seed.ppid, self._proc)
        self._engine.seed_process(
            *(pid, seed.start_ns, seed.ppid, parent.start_ns if parent else 0, seed.uid, seed.login_uid),
            *(seed.comm, seed.exe_path, seed.argv, seed.cwd, seed.cgroup_path, seed.argv_len),
        )
        return self._engine.process(pid, seed.start_ns)


def _actor(info: ProcessInfo) -> Actor:
    """Start times to the clock tick: the first event may know a process from /proc, the next from the kernel."""
    return Actor(
        pid=info.pid,
        start_ns=_tick(info.start_ns),
        ppid=info.ppid,
        parent_start_ns=_tick(info.parent_start_ns),
        uid=info.uid,
        euid=info.uid,
        comm=info.comm,
    )


def _tick(ns: int) -> int:
    return ns - ns % procfs.NS_PER_TICK

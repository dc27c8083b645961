# SPDX-License-Identifier: Apache-2.0
"""Our own processes, as the kernel programs know them: left out of a few records, and their signals told."""

from __future__ import annotations

import os
import struct
from pathlib import Path

from innerwarden.errors import UsageError
from innerwarden.libbpf import Map
from innerwarden.sensor import procfs

_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_FIRST = bytes(4)
#: The first process: a signal that ends or stops it concerns the whole host.
INIT = 1


class OwnProcesses:
    """`own`: process id -> 1; `cgroup`: one id; `protected`: process id -> start (CLOCK_BOOTTIME ns, cut to ticks)."""

    def __init__(self, own: Map, cgroup: Map, protected: Map) -> None:
        self._own = own
        self._cgroup = cgroup
        self._protected = protected
        self._cgroup_id = 0

    def add(self, tgid: int) -> None:
        """Leave a process out of file.open, kernel.bpf and kernel.perf_event records, and tell signals to it."""
        self._own.update(_U32.pack(tgid), _U32.pack(1))
        self.protect(tgid)

    def protect(self, tgid: int) -> None:
        """Tell signals that end or stop this process. Entries of processes that are gone make room first.

        Raises UsageError when there is no such process, BpfError when 256 living ones are protected already.
        """
        process = procfs.read(tgid)
        if process is None:
            raise UsageError(f"no process {tgid} to protect")
        for key in list(self._protected.keys()):
            kept, known = procfs.read(_U32.unpack(key)[0]), self._protected.lookup(key)
            if known is not None and (kept is None or kept.start_ns != _U64.unpack(known)[0]):
                self._protected.delete(key)
        self._protected.update(_U32.pack(tgid), _U64.pack(process.start_ns))

    def protected(self) -> set[int]:
        """Process ids whose signals are told."""
        return {number for key in list(self._protected.keys()) for (number,) in [_U32.unpack(key)]}

    def set_cgroup(self, cgroup_id: int) -> None:
        """Leave out what any process of this cgroup (v2 inode) does, as `add`; 0: of none."""
        self._cgroup_id = cgroup_id
        self._cgroup.update(_FIRST, _U64.pack(cgroup_id))

    def show_cgroup(self, shown: bool) -> None:
        """Leave out nothing of our cgroup while the canary acts, which is in it like every child of a service."""
        if self._cgroup_id:
            self._cgroup.update(_FIRST, _U64.pack(0 if shown else self._cgroup_id))


def own_cgroup(hierarchy: Path, proc: Path = Path("/proc")) -> int:
    """Id of our cgroup below `hierarchy` when it is a leaf that holds us and our descendants only; else 0.

    Whoever is moved in later is left out as well; that takes root and is told as process.cgroup_move.
    """
    for line in (proc / "self/cgroup").read_text().splitlines():
        number, _controllers, name = line.split(":", 2)
        if number == "0" and name != "/" and ".." not in name:
            place = hierarchy / name.lstrip("/")
            try:
                members = {int(one) for one in (place / "cgroup.procs").read_text().split()}
                leaf = not any(one.is_dir() for one in place.iterdir())
                inode = place.stat().st_ino
            except OSError:
                return 0
            return inode if leaf and all(_is_ours(pid, proc) for pid in members) else 0
    return 0


def _is_ours(pid: int, proc: Path) -> bool:
    """Are we `pid`, or one of its ancestors?"""
    while pid > INIT:
        if pid == os.getpid():
            return True
        process = procfs.read(pid, proc)
        if process is None:
            return False
        pid = process.ppid
    return False

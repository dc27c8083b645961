# SPDX-License-Identifier: Apache-2.0
"""Executable memory that no file on disk explains: anonymous, of a memory file, of a deleted file, or writable.

Each process is read once a cadence, some pages at a time. What a process was told about is not told again while it
lives. A deleted file in whose place another one lies is an updated library, not a hidden one.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator

from innerwarden.model._wire import Change, MemoryFlag
from innerwarden.sensor.inventory import procs
from innerwarden.sensor.inventory.baseline import Baseline
from innerwarden.sensor.inventory.collector import Look
from innerwarden.sensor.inventory.fact import Fact

KIND = "host.memory_map"
STEP_BYTES = 1 << 15
#: Of one process's list; a line has some 70 bytes, and the kernel's default limit is 65530 mappings.
PROCESS_BYTES = 8 << 20
FACTS_PER_PROCESS = 8
PROCESSES_TOLD = 16384

_EXECUTABLE = re.compile(rb"^([0-9a-f]+-[0-9a-f]+) ([r-][w-]x.) [0-9a-f]+ (\S+) (\d+) *(.*)$", re.MULTILINE)
#: The kernel's own pages in every process.
_KERNELS = (b"[vdso]", b"[vsyscall]", b"[vvar]", b"[vvar_vclock]", b"[uprobes]", b"[sigpage]", b"[vectors]")
#: Shared anonymous memory has a name, and no file.
_SHARED = (b"/dev/zero (deleted)", b"/SYSV")
_DELETED = b" (deleted)"

MEANINGS = {
    MemoryFlag.MEMFD: "a memory file",
    MemoryFlag.DELETED: "a deleted file",
    MemoryFlag.STACK: "the stack",
    MemoryFlag.ANONYMOUS: "memory without a file",
}


class MemoryMaps:
    id = "memory_maps"
    budget_ms = 0.5
    baseline: Baseline | None = None

    def __init__(self, proc: str = "/proc") -> None:
        self._proc = proc
        self._told: dict[tuple[int, int], set[tuple[int, bytes]]] = {}
        self._cut = 0
        self._unread = 0

    def obstacle(self) -> str:
        if os.geteuid() != 0:
            return "other users' memory maps need root (CAP_SYS_PTRACE)"
        return ""

    def remark(self) -> str:
        parts = []
        if self._cut:
            parts.append(f"{self._cut} lists of mappings were longer than {PROCESS_BYTES >> 20} MiB")
        if self._unread:
            parts.append(f"{self._unread} processes refused to be read")
        return "; ".join(parts)

    def look(self) -> Look:
        alive: set[tuple[int, int]] = set()
        self._cut = self._unread = 0
        for pid in procs.pids(self._proc):
            process = procs.stat(self._proc, pid)
            # Of this process there is the page of ctypes' callbacks, which is writable where libffi has no other way.
            if process is None or process.is_kthread or pid == os.getpid():
                continue
            alive.add((pid, process.start_ns))
            yield from self._process(pid, process.start_ns)
        self._told = {key: told for key, told in self._told.items() if key in alive}

    def _process(self, pid: int, start_ns: int) -> Look:
        told = self._told.get((pid, start_ns), set())
        for lines in self._lines(pid):
            for found in _EXECUTABLE.finditer(lines):
                where, access, _dev, inode, name = found.groups()
                flags = flags_of(access, name, f"{self._proc}/{pid}/root")
                if not flags or (flags, name) in told or len(told) >= FACTS_PER_PROCESS:
                    continue
                told.add((flags, name))
                if len(self._told) < PROCESSES_TOLD:
                    self._told[pid, start_ns] = told
                area = f"{os.fsdecode(where)} {os.fsdecode(access)} {os.fsdecode(name)}".rstrip()
                yield self._fact(pid, flags, area, int(inode))
            yield None

    def _lines(self, pid: int) -> Iterator[bytes]:
        """Whole lines, in parts; ends where the process does."""
        try:
            fd = os.open(f"{self._proc}/{pid}/maps", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._unread += procs.stat(self._proc, pid) is not None
            return
        try:
            rest, total = b"", 0
            while total < PROCESS_BYTES:
                part = _fill(fd, STEP_BYTES)
                if not part:
                    yield rest
                    return
                total += len(part)
                whole, mark, last = (rest + part).rpartition(b"\n")
                rest = last if mark else rest + part
                yield whole
            self._cut += 1
        except ProcessLookupError:
            return
        finally:
            os.close(fd)

    def _fact(self, pid: int, flags: MemoryFlag, area: str, inode: int) -> Fact:
        who = procs.owner(self._proc, pid)
        what = " and ".join(text for flag, text in MEANINGS.items() if flags & flag)
        how = "writable and executable" if flags & MemoryFlag.RWX else "executable"
        return Fact(
            kind=KIND,
            change=Change.FOUND,
            name=who.comm,
            path=who.exe,
            value=area,
            inode=inode,
            memory_flags=int(flags),
            target_pid=pid,
            target_start_ns=who.start_ns,
            target_uid=who.uid,
            reason=f"{what or 'a file'} is mapped {how}",
        )


def _fill(fd: int, size: int) -> bytes:
    """The kernel gives one page a read."""
    parts, left = [], size
    while left > 0 and (part := os.read(fd, min(left, 1 << 16))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def flags_of(access: bytes, name: bytes, root: str = "") -> MemoryFlag:
    """What is suspect about an executable mapping; nothing for a file that is on disk and not writable.

    `root`: where the process's own root directory is found.
    """
    flags = MemoryFlag(0)
    if name in _KERNELS or name.startswith(b"anon_inode:"):
        return flags
    if access[1:2] == b"w":
        flags |= MemoryFlag.RWX
    if name.startswith(b"/memfd:"):
        flags |= MemoryFlag.MEMFD
    elif not name or name.startswith((b"[", *_SHARED)):
        flags |= MemoryFlag.ANONYMOUS
        if name == b"[stack]":
            flags |= MemoryFlag.STACK
    elif name.endswith(_DELETED):
        path = root + os.fsdecode(name.removesuffix(_DELETED))
        if not os.path.lexists(path):
            flags |= MemoryFlag.DELETED
        if flags and _is_world_writable(path, len(root)):
            flags |= MemoryFlag.WORLD_WRITABLE
    return flags


def _is_world_writable(path: str, root: int) -> bool:
    """The file's directory or one of two above it; the first `root` characters are not part of the name."""
    place = path
    for _ in range(3):
        if len(place) <= root:
            return False
        place = place.rpartition("/")[0]
        try:
            if os.stat(place or "/").st_mode & stat.S_IWOTH:  # noqa: PTH116 - a string, three times a mapping
                return True
        except OSError:
            continue
    return False

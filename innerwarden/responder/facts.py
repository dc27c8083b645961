# SPDX-License-Identifier: Apache-2.0
"""Copies of what /proc says of a process tree, through descriptors of its /proc directories.

A descriptor of /proc/PID stays with its process: once that has ended every read fails, whoever has the number then.
Reads of a process's memory (cmdline, environ) and of its program can hang for as long as the server of the file system
below likes; so a child copies, the cheap facts of everybody first, and is left behind when it hangs.
Source: proc(5), fuse(4).
"""

from __future__ import annotations

import hashlib
import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from innerwarden.responder import processes
from innerwarden.responder.skill import SkillError, TargetGone

MAX_PROCESSES = 256
MAX_BYTES = 32 << 20
"""Of copies, per collection."""
FILE_BYTES = 1 << 20
EXE_BYTES = 256 << 20
"""A larger program is not hashed."""
MAX_FDS = 4096
TIME_S = 6.0
_CHEAP = ("status", "stat", "cgroup", "limits", "mountinfo", "io")
_MEMORY = ("cmdline", "environ", "maps")
#: Of each network namespace once.
_NET = ("tcp", "tcp6", "udp", "udp6", "raw", "raw6", "unix")


#: Children that were killed and had not ended; they are waited for later.
_hung: list[int] = []


class Full(Exception):
    """Bytes or time are used up."""


class Process(msgspec.Struct, kw_only=True):
    """`links`: exe, cwd, root and ns/* as targets. `fds`: number -> target. `problems`: what could not be had."""

    pid: int
    parent: int
    start_ns: int
    links: dict[str, str]
    fds: dict[str, str]
    exe_sha256: str | None = None
    problems: list[str] = []


def collect(pid: int, start_ns: int, place: Path, time_s: float = TIME_S) -> str:
    """Fill `place`; returns why it is not complete, "" when it is. Raises TargetGone, SkillError.

    The child keeps none of our descriptors, so that neither lock nor socket outlives us in one that hangs.
    """
    if not processes.is_same(processes.look(pid), start_ns):
        raise TargetGone(f"process {pid} of that start time is not there")
    _hung[:] = [one for one in _hung if os.waitpid(one, os.WNOHANG)[0] == 0]
    child = os.fork()
    if child == 0:
        _child(pid, start_ns, place, time_s)
    code = _wait(child, time_s + 1)
    if code is None:
        return f"copying did not end within {time_s + 1:.0f} s"
    if code == 1:
        raise SkillError(
            f"facts of process {pid} could not be written", "Look at the disk of the data directory"
        )
    return "" if code == 0 else "bounds were reached; see problems of each process"


def _child(pid: int, start_ns: int, place: Path, time_s: float) -> None:
    code = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.closerange(0, os.sysconf("SC_OPEN_MAX"))
        code = 0 if Collector(place, time.monotonic() + time_s).run(pid, start_ns) else 2
    finally:
        os._exit(code)


def _wait(child: int, time_s: float) -> int | None:
    """Its exit code; None when it was killed for taking too long, or by somebody else."""
    fd = os.pidfd_open(child)
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        if not poll.poll(time_s * 1000):
            os.kill(child, signal.SIGKILL)
            if not poll.poll(1000):
                _hung.append(child)
                return None
    finally:
        os.close(fd)
    status = os.waitpid(child, 0)[1]
    return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else None


class Collector:
    """In the child. Raises OSError when the copies cannot be written."""

    def __init__(self, place: Path, deadline: float) -> None:
        self._place = place
        self._deadline = deadline
        self._left = MAX_BYTES
        self._whole = True
        self._found: list[tuple[int, Process]] = []
        self._hashes: dict[tuple[int, int], str] = {}
        self._nets: set[str] = set()

    def run(self, pid: int, start_ns: int) -> bool:
        """Whether everything was had."""
        try:
            for fd, seen in self._members(pid, start_ns):
                self._cheap(fd, seen)
            for fd, process in self._found:
                self._copies(fd, process, _MEMORY)
            for fd, process in self._found:
                self._hash(fd, process)
        except Full as full:
            self._whole = False
            for _fd, process in self._found:
                process.problems.append(str(full))
        for _fd, process in self._found:
            self._tell(process)
        return self._whole

    def _members(self, pid: int, start_ns: int) -> Iterator[tuple[int, processes.Seen]]:
        """The root, then its descendants."""
        children: dict[int, list[processes.Seen]] = {}
        for seen in processes.everybody():
            children.setdefault(seen.parent, []).append(seen)
        root = processes.look(pid)
        waiting = [root] if root is not None and processes.is_same(root, start_ns) else []
        met: set[int] = set()
        while waiting:
            seen = waiting.pop(0)
            if seen.pid in met:
                continue
            if len(met) >= MAX_PROCESSES:
                self._whole = False
                return
            met.add(seen.pid)
            waiting += children.get(seen.pid, [])
            if (fd := _hold(seen)) is not None:
                yield fd, seen

    def _cheap(self, fd: int, seen: processes.Seen) -> None:
        names = ("exe", "cwd", "root", "ns/net", "ns/pid", "ns/mnt", "ns/user")
        process = Process(
            pid=seen.pid,
            parent=seen.parent,
            start_ns=seen.start_ns,
            links={name: target for name in names if (target := _link(fd, name)) is not None},
            fds={},
        )
        self._found.append((fd, process))
        (self._place / str(seen.pid)).mkdir(mode=0o700)
        self._descriptors(fd, process)
        self._tell(process)
        self._copies(fd, process, _CHEAP)
        net = process.links.get("ns/net", "").strip("net:[]")
        if net.isdigit() and net not in self._nets:
            self._nets.add(net)
            (self._place / f"net-{net}").mkdir(mode=0o700)
            for name in _NET:
                self._copy(fd, process, f"net/{name}", f"net-{net}/{name}")

    def _descriptors(self, fd: int, process: Process) -> None:
        try:
            numbers = _listed(fd, "fd")
        except OSError as error:
            process.problems.append(f"fd: {error.strerror}")
            return
        if len(numbers) > MAX_FDS:
            self._whole = False
            process.problems.append(f"fd: {len(numbers)} descriptors, {MAX_FDS} are listed")
        for number in numbers[:MAX_FDS]:
            if (target := _link(fd, f"fd/{number}")) is not None:
                process.fds[number] = target

    def _copies(self, fd: int, process: Process, names: tuple[str, ...]) -> None:
        for name in names:
            self._copy(fd, process, name, f"{process.pid}/{name}")

    def _copy(self, fd: int, process: Process, name: str, to: str) -> None:
        self._in_time()
        try:
            data = _read(fd, name, FILE_BYTES + 1)
        except OSError as error:
            process.problems.append(f"{name}: {error.strerror}")
            return
        if len(data) > FILE_BYTES:
            self._whole = False
            process.problems.append(f"{name}: only its first {FILE_BYTES} bytes")
        self._write(to, data[:FILE_BYTES])

    def _hash(self, fd: int, process: Process) -> None:
        """Of the program that runs, also when its file is gone or another one stands in its place."""
        try:
            exe = os.open("exe", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=fd)
        except OSError as error:
            process.problems.append(f"exe: {error.strerror}")
            return
        try:
            found = os.fstat(exe)
            key = (found.st_dev, found.st_ino)
            if found.st_size > EXE_BYTES:
                self._whole = False
                process.problems.append(f"exe: {found.st_size} bytes are not hashed")
                return
            if key not in self._hashes:
                self._hashes[key] = self._digest(exe)
            process.exe_sha256 = self._hashes[key]
        except OSError as error:
            process.problems.append(f"exe: {error.strerror}")
        finally:
            os.close(exe)

    def _digest(self, fd: int) -> str:
        digest = hashlib.sha256()
        while block := os.read(fd, 1 << 20):
            self._in_time()
            digest.update(block)
        return digest.hexdigest()

    def _tell(self, process: Process) -> None:
        """Written again when more is known; not counted, being bounded by MAX_PROCESSES and MAX_FDS."""
        text = msgspec.json.format(msgspec.json.encode(process))
        _file(self._place / str(process.pid) / "facts.json", text)

    def _write(self, to: str, data: bytes) -> None:
        if len(data) > self._left:
            raise Full(f"the copies reached {MAX_BYTES} bytes")
        self._left -= len(data)
        _file(self._place / to, data)

    def _in_time(self) -> None:
        if time.monotonic() > self._deadline:
            raise Full("the time for copying was over")


def _hold(seen: processes.Seen) -> int | None:
    """A descriptor of its /proc directory."""
    try:
        fd = os.open(f"/proc/{seen.pid}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    with suppress(OSError, ValueError, IndexError):
        start = int(_read(fd, "stat", 4096).rpartition(b")")[2].split()[19]) * processes.TICK_NS
        if start == seen.start_ns:
            return fd
    os.close(fd)
    return None


def _read(directory: int, name: str, limit: int) -> bytes:
    fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
    try:
        parts, got = [], 0
        while got < limit and (block := os.read(fd, min(65536, limit - got))):
            parts.append(block)
            got += len(block)
        return b"".join(parts)
    finally:
        os.close(fd)


def _link(directory: int, name: str) -> str | None:
    try:
        return os.fsencode(os.readlink(name, dir_fd=directory)).decode("utf-8", "backslashreplace")
    except OSError:
        return None


def _listed(directory: int, name: str) -> list[str]:
    fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
    try:
        return sorted((entry.name for entry in os.scandir(fd)), key=int)
    finally:
        os.close(fd)


def _file(place: Path, data: bytes) -> None:
    fd = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)

# SPDX-License-Identifier: Apache-2.0
"""Seed the process table from /proc, so that ancestry reaches back before the sensor's start.

Called after the kernel programs are attached: a process born in between is in both, and the
engine merges the two by (pid, start). A process that ends while it is read is skipped.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from innerwarden.files import Devices, read_quickly

if TYPE_CHECKING:
    from innerwarden_core import Engine

NS_PER_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
UNSET_LOGIN_UID = 0xFFFFFFFF
ARGV_BYTES = 4096
#: Controllers whose hierarchy is looked at on cgroup v1, in order; process.bpf.c has the same but for systemd's.
CGROUP1 = (b"pids", b"memory", b"name=systemd")
CGROUP_PARTS = 8
STATUS_KEYS = frozenset({b"Uid", b"Gid", b"CapEff"})


class Seed(NamedTuple):
    pid: int
    start_ns: int
    ppid: int
    uid: int
    euid: int
    gid: int
    cap_effective: int
    login_uid: int
    comm: bytes
    exe_path: bytes | None
    exe_inode: int
    exe_dev: int
    argv: bytes
    argv_len: int
    cwd: bytes | None
    cgroup_path: bytes
    threads: int


def read(pid: int, proc: Path = Path("/proc"), devices: Devices | None = None) -> Seed | None:
    """One process, or None when it is gone. `start_ns` has the clock tick's resolution; `devices` serves many."""
    base = os.fsencode(proc) + b"/%d/" % pid
    try:
        stat = read_quickly(base + b"stat")
        # comm may hold spaces and parentheses; the last ')' ends it (proc_pid_stat(5)).
        comm = stat[stat.index(b"(") + 1 : stat.rindex(b")")]
        rest = stat[stat.rindex(b")") + 2 :].split()
        status = _status(read_quickly(base + b"status"))
        argv = read_quickly(base + b"cmdline")
    except (OSError, ValueError):
        return None
    login_uid = UNSET_LOGIN_UID
    inode, dev = _exe(base + b"exe", devices or Devices())
    with contextlib.suppress(OSError, ValueError):
        login_uid = int(read_quickly(base + b"loginuid"))
    return Seed(
        pid=pid,
        start_ns=int(rest[19]) * NS_PER_TICK,
        ppid=int(rest[1]),
        uid=int(status[b"Uid"][0]),
        euid=int(status[b"Uid"][1]),
        gid=int(status[b"Gid"][0]),
        cap_effective=int(status[b"CapEff"][0], 16),
        login_uid=login_uid,
        comm=comm[:15],
        exe_path=_link(base + b"exe"),
        exe_inode=inode,
        exe_dev=dev,
        argv=argv[:ARGV_BYTES],
        argv_len=len(argv),
        cwd=_link(base + b"cwd"),
        cgroup_path=_cgroup(base + b"cgroup"),
        threads=int(rest[17]),
    )


def _status(text: bytes) -> dict[bytes, list[bytes]]:
    """Key -> words. The directory's owner would be root for a non-dumpable process; `Uid` is the truth. Raises
    ValueError when a key is missing that every process has."""
    pairs = (line.partition(b":") for line in text.splitlines())
    found = {key: rest.split() for key, _colon, rest in pairs if key in STATUS_KEYS}
    if missing := STATUS_KEYS - found.keys():
        raise ValueError(f"no {sorted(missing)[0].decode()} line")
    return found


def _cgroup(path: bytes) -> bytes:
    """The last components of the process's cgroup, as the exec record tells them: of version 2 where the process is
    below its root, else of the first version 1 hierarchy in CGROUP1 that has it below its own."""
    try:
        lines = [line.split(b":", 2) for line in read_quickly(path).splitlines()]
    except OSError:
        return b""
    places = {one: line[2] for line in lines if len(line) == 3 for one in line[1].split(b",")}
    for controller in (b"", *CGROUP1):
        parts = places.get(controller, b"").strip(b"/").split(b"/")
        if parts != [b""]:
            return b"/".join(parts[-CGROUP_PARTS:])
    return b""


def _link(path: bytes) -> bytes | None:
    try:
        return os.readlink(path)  # noqa: PTH115 - bytes, of every process
    except OSError:
        return None


def _exe(path: bytes, devices: Devices) -> tuple[int, int]:
    """Inode and device of the file that the link leads to, in whatever mount namespace; zeros when nobody may know."""
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return 0, 0
    try:
        found = os.fstat(fd)
        return found.st_ino, devices.of(fd, found)
    except OSError:
        return 0, 0
    finally:
        os.close(fd)


def seed(engine: Engine, proc: Path = Path("/proc")) -> list[Seed]:
    """Insert every process of `proc`; returns what was read."""
    found = {}
    devices = Devices()
    for name in os.listdir(proc):  # noqa: PTH208 - names only, of a directory with many entries
        if name.isdigit() and (process := read(int(name), proc, devices)) is not None:
            found[process.pid] = process
    for process in found.values():
        parent = found.get(process.ppid)
        engine.seed_process(
            process.pid,
            process.start_ns,
            process.ppid,
            parent.start_ns if parent else 0,
            process.uid,
            process.login_uid,
            process.comm,
            process.exe_path,
            process.argv,
            process.cwd,
            process.cgroup_path,
            process.argv_len,
            process.exe_inode,
            process.exe_dev,
        )
    return list(found.values())

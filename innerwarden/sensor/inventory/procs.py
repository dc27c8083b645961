# SPDX-License-Identifier: Apache-2.0
"""Processes as /proc shows them: who lives, who holds a descriptor."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from innerwarden.sensor import procfs
from innerwarden.sensor.inventory import files
from innerwarden.sensor.inventory.fact import UNKNOWN_UID

PF_KTHREAD = 0x00200000  # include/linux/sched.h
#: Descriptors of one process that are looked at; a process with more is counted by the caller's bound.
DESCRIPTORS = 4096


class Stat(NamedTuple):
    """`start_ns` has the clock tick's resolution."""

    comm: str
    is_kthread: bool
    start_ns: int


class Owner(NamedTuple):
    """A process by what names it in a report; zero and empty when it is not known."""

    pid: int = 0
    start_ns: int = 0
    uid: int = UNKNOWN_UID
    comm: str = ""
    exe: str = ""


def pids(proc: str) -> list[int]:
    """Process ids that a listing of `proc` shows. Raises OSError when there is none."""
    return [int(name) for name in os.listdir(proc) if name.isdigit()]  # noqa: PTH208 - names only


def stat(proc: str, pid: int) -> Stat | None:
    """None when the process is gone."""
    try:
        raw = files.read(f"{proc}/{pid}/stat", 4096)
        # comm may hold spaces and parentheses; the last ')' ends it (proc_pid_stat(5)).
        end = raw.rindex(b")")
        fields = raw[end + 2 :].split(b" ", 21)
        comm = os.fsdecode(raw[raw.index(b"(") + 1 : end])
        return Stat(comm, bool(int(fields[6]) & PF_KTHREAD), int(fields[19]) * procfs.NS_PER_TICK)
    except (OSError, ValueError, IndexError):
        return None


def owner(proc: str, pid: int) -> Owner:
    """Who a process is; only the pid when it is gone or hidden."""
    seed = procfs.read(pid, Path(proc))
    if seed is None:
        return Owner(pid=pid)
    exe = os.fsdecode(seed.exe_path) if seed.exe_path else ""
    return Owner(pid, seed.start_ns, seed.uid, os.fsdecode(seed.comm), exe)


def descriptors(proc: str, pid: int) -> Iterator[tuple[str, str]]:
    """(number, target) of a process's open descriptors; nothing when it is gone or not ours to see."""
    base = f"{proc}/{pid}/fd"
    try:
        names = os.listdir(base)  # noqa: PTH208 - names only
    except OSError:
        return
    for name in names[:DESCRIPTORS]:
        yield name, files.link(f"{base}/{name}")

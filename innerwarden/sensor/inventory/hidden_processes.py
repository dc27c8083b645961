# SPDX-License-Identifier: Apache-2.0
"""Processes that live and are not listed in /proc, and what is mounted over those that are.

Four views: the listing of /proc; a sweep over all ids that asks the kernel for each (pidfd_open, kill or
sched_getaffinity, one after the other from look to look); the cgroups' member files; the mount table. A rootkit that
filters directory listings has to filter all of them alike.

A difference counts only when it is no race: the process is held by a pidfd while /proc is listed, and lives
before and after. Ids of threads answer kill too; pidfd_open refuses them and /proc/<id>/status tells their process.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator

from innerwarden_core import ProcessInfo, pids

from innerwarden.model._wire import Change
from innerwarden.sensor.inventory import files, mounts, procs
from innerwarden.sensor.inventory.baseline import Baseline
from innerwarden.sensor.inventory.collector import Look
from innerwarden.sensor.inventory.fact import Fact

KIND = "host.hidden_process"
#: Ids asked in one step, some 80 us.
STEP = 256
#: Ids asked in one look, 40 ms in all. A larger id space takes several looks, besides what was given out meanwhile.
IDS_PER_LOOK = 131072
#: Ids up to the last one given out are asked in every round; the rest, unused until the counter wraps, every tenth.
FULL_EVERY = 10
SUSPECTS = 4096
CGROUPS = 4096
TOLD = 1024
#: A round over four million ids takes 32 looks; what was told is not told again in the next one.
TOLD_LOOKS = 64
PID_MAX_FALLBACK = 32768
METHODS = ("pidfd_open", "kill", "sched_getaffinity")
#: hidepid=0 and 4 ("ptraceable") apart, other users' processes are not listed; root is not affected.
_HIDEPID = re.compile(r"hidepid=(\w+)")
_BELOW_PROC = re.compile(r"/proc/(\d+)(?:/|$)")


def answers(method: str, pid: int) -> bool:
    """Whether the kernel knows a task with this id; pidfd_open knows leaders only."""
    return bool(pids.answering(method, pid, pid))


class HiddenProcesses:
    """`known` gives the engine's entry of a pid, which says what a hidden process is."""

    id = "hidden_processes"
    budget_ms = 1.0
    baseline: Baseline | None = None

    def __init__(self, known: Callable[[int], ProcessInfo | None], proc: str = "/proc") -> None:
        self._known = known
        self._proc = proc
        self._looks = 0
        self._round = 0
        self._next = 1
        self._top = 0
        self._last: int | None = None
        self._told: dict[object, int] = {}
        self._hidepid: str | None = None
        self._cut = 0

    def obstacle(self) -> str:
        if not hasattr(os, "pidfd_open"):
            return "this Python has no pidfd_open"
        option = self._hidepid_now(mounts.table(f"{self._proc}/self/mountinfo"))
        if os.geteuid() != 0 and option not in ("", "0", "off"):
            return (
                f"/proc is mounted with hidepid={option}, which hides other users' processes from this user"
            )
        return ""

    def remark(self) -> str:
        parts = []
        if self._top > IDS_PER_LOOK:
            parts.append(f"{self._top} ids are swept in parts, {-(-self._top // IDS_PER_LOOK)} looks a round")
        if self._cut:
            parts.append(f"{self._cut} cgroups more than the {CGROUPS} that are looked at")
        return "; ".join(parts)

    def look(self) -> Look:
        self._looks += 1
        yield from self._mounted()
        yield from self._cgroups()
        listed = set(procs.pids(self._proc))
        ranges = self._ranges(listed)
        method = METHODS[self._round % len(METHODS)]
        suspects: list[int] = []
        for begin, end in ranges:
            for first in range(begin, end + 1, STEP):
                found = pids.answering(method, first, min(first + STEP - 1, end))
                suspects += [pid for pid in found if pid not in listed]
                del suspects[SUSPECTS:]
                yield None
        yield from self._judge(suspects, method)
        self._told = {key: look for key, look in self._told.items() if self._looks - look <= TOLD_LOOKS}

    def _ranges(self, listed: set[int]) -> list[tuple[int, int]]:
        """The ids of this look: the next part of the id space, and what was given out since the last look.

        Ids are given out in order, so above the last one there is none before the counter wraps.
        """
        pid_max = int(files.text(f"{self._proc}/sys/kernel/pid_max") or PID_MAX_FALLBACK)
        last = int(files.text(f"{self._proc}/sys/kernel/ns_last_pid") or pid_max)
        before, self._last = self._last, last
        if self._next == 1:
            self._round += 1
            is_full = self._round % FULL_EVERY == 0 or max(listed, default=0) > last
            self._top = pid_max if is_full else last
        begin, end = self._next, min(self._next + IDS_PER_LOOK - 1, self._top)
        self._next = 1 if end >= self._top else end + 1
        ranges = [(begin, end)]
        if before is not None and before < last:
            ranges.append((max(before + 1, last - IDS_PER_LOOK + 1), last))
        return ranges

    def _judge(self, suspects: list[int], view: str) -> Look:
        if not suspects:
            return
        listed = set(procs.pids(self._proc))
        for pid in suspects:
            if pid in listed:
                continue
            # The second time with a slice in between, so that nothing of one moment counts.
            if self._is_hidden(pid):
                yield None
                if self._is_hidden(pid):
                    yield from self._tell(pid, f"{view} answers for process {pid} and /proc does not list it")

    def _is_hidden(self, pid: int) -> bool:
        """Alive before and after a listing of /proc that lacks it, and no mere thread."""
        try:
            held = os.pidfd_open(pid)
        except OSError:
            return self._refused_is_hidden(pid)
        try:
            if pid in procs.pids(self._proc):
                return False
            signal.pidfd_send_signal(held, 0)
        except PermissionError:
            return True
        except ProcessLookupError:
            return False
        finally:
            os.close(held)
        return True

    def _refused_is_hidden(self, pid: int) -> bool:
        """For an id that signals reach and pidfd_open denies: a thread says its process in /proc/<id>/status."""
        if self._group_of(pid) is not None or pid in procs.pids(self._proc):
            return False
        return self._group_of(pid) is None and answers("kill", pid)

    def _group_of(self, pid: int) -> int | None:
        try:
            status = files.read(f"{self._proc}/{pid}/status", 4096)
        except OSError:
            return None
        found = re.search(rb"^Tgid:\s*(\d+)", status, re.MULTILINE)
        return int(found[1]) if found else None

    def _cgroups(self) -> Look:
        """Members of cgroups that /proc does not list."""
        members: dict[int, str] = {}
        count = self._cut = 0
        for root in self._cgroup_roots():
            for place in _directories(root):
                count += 1
                if count > CGROUPS:
                    self._cut += 1
                    continue
                members |= dict.fromkeys(_members(place), place)
                yield None
        members.pop(0, None)  # of another pid namespace
        listed = set(procs.pids(self._proc))
        for pid, place in members.items():
            if pid in listed or not self._is_member(pid, place):
                continue
            yield None
            if self._is_member(pid, place):
                yield from self._tell(pid, f"{place}/cgroup.procs lists process {pid} and /proc does not")

    def _is_member(self, pid: int, place: str) -> bool:
        """Hidden by its pidfd, or still a member around a listing that lacks it."""
        if answers("pidfd_open", pid):
            return self._is_hidden(pid)
        before = pid in _members(place)
        return before and pid not in procs.pids(self._proc) and pid in _members(place)

    def _cgroup_roots(self) -> list[str]:
        """Version 2, and one hierarchy of version 1: each of those holds every process."""
        found: dict[str, str] = {}
        for mount in mounts.table(f"{self._proc}/self/mountinfo"):
            if mount.fs_type in ("cgroup", "cgroup2"):
                found.setdefault(mount.fs_type, mount.place)
        return list(found.values())

    def _mounted(self) -> Look:
        """Mounts on or below a process's directory, as this process and as process 1 see them."""
        for table in dict.fromkeys((f"{self._proc}/self/mountinfo", f"{self._proc}/1/mountinfo")):
            try:
                entries = mounts.table(table)
            except OSError:
                continue
            for mount in entries:
                covered = _BELOW_PROC.match(mount.place)
                if covered:
                    why = f"{mount.fs_type} {mount.root} is mounted over {mount.place}"
                    yield from self._tell(int(covered[1]), why, mount.place)
            if table.endswith("self/mountinfo"):
                yield from self._option(self._hidepid_now(entries))
            yield None

    @staticmethod
    def _hidepid_now(entries: list[mounts.Mount]) -> str:
        options = [mount.options for mount in entries if (mount.fs_type, mount.place) == ("proc", "/proc")]
        found = _HIDEPID.search(options[-1]) if options else None  # the mount on top is the last one
        return found[1] if found else ""

    def _option(self, option: str) -> Iterator[Fact]:
        """An option that was there at the first look is how this machine is meant to be."""
        before, self._hidepid = self._hidepid, option
        if option and option != before:
            change = Change.BASELINE if before is None else Change.FOUND
            yield Fact(
                kind=KIND,
                change=change,
                name="hidepid",
                path="/proc",
                value=option,
                old_value=before or "",
                reason=f"/proc is mounted with hidepid={option}",
            )

    def _tell(self, pid: int, reason: str, path: str = "") -> Iterator[Fact]:
        """Once a process and mount; again when it had not been seen for some looks."""
        who = procs.owner(self._proc, pid)
        known = self._known(pid)
        key = (pid, who.start_ns, path)
        new = key not in self._told
        if new and len(self._told) >= TOLD:
            return
        self._told[key] = self._looks
        if new:
            yield Fact(
                kind=KIND,
                change=Change.FOUND,
                name=who.comm or (known.comm if known else ""),
                path=who.exe or (known.exe_path if known and known.exe_path else ""),
                target_pid=pid,
                target_start_ns=who.start_ns or (known.start_ns if known else 0),
                target_uid=who.uid if who.comm or not known else known.uid,
                reason=reason,
            )


def _directories(root: str) -> Iterator[str]:
    """`root` and every directory below."""
    waiting = [root]
    while waiting:
        place = waiting.pop()
        yield place
        try:
            with os.scandir(place) as entries:
                waiting += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            continue


def _members(place: str) -> list[int]:
    """Process ids of a cgroup; none of one that is gone or threaded (EOPNOTSUPP)."""
    try:
        return [int(word) for word in files.read(f"{place}/cgroup.procs", 4 << 20).split()]
    except OSError:
        return []

# SPDX-License-Identifier: Apache-2.0
"""Process trees by file descriptor: stopped from the root down until nobody new appears, so that nothing gets away.

A process is (pid, start time in ns of CLOCK_BOOTTIME); a pidfd holds it while it is looked at, so that no signal
reaches a successor of its number. Source: pidfd_open(2), proc_pid_stat(5), signal(7).
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import msgspec

from innerwarden.clock import NS
from innerwarden.files import read_quickly
from innerwarden.responder.skill import Refusal, SkillError, TargetGone

#: /proc counts in ticks; what the kernel told is exact.
TICK_NS = NS // os.sysconf("SC_CLK_TCK")
MAX_PROCESSES = 4096
#: Rounds over /proc, and how long stopping or ending may take.
MAX_ROUNDS = 200
WAIT_S = 5.0
#: A signal to stop takes effect within microseconds, where a processor is free.
SETTLE_LOOKS, SETTLE_S = 10, 0.0002
_KERNEL_THREAD = 0x00200000
"""PF_KTHREAD, include/linux/sched.h; field 9 of proc_pid_stat(5)."""
#: States of a thread that does nothing more: stopped, traced, ended.
_STILL = ("T", "t", "Z", "X")

Identity = tuple[int, int]
"""pid and start_ns."""


class Seen(msgspec.Struct, frozen=True):
    """A line of /proc/PID/stat."""

    pid: int
    parent: int
    start_ns: int
    kernel_thread: bool

    @property
    def identity(self) -> Identity:
        return self.pid, self.start_ns


def look(pid: int) -> Seen | None:
    """None when there is no such process."""
    try:
        text = read_quickly(f"/proc/{pid}/stat")
    except OSError:
        return None
    words = text.rpartition(b")")[2].split(None, 20)
    return Seen(
        pid=pid,
        parent=int(words[1]),
        kernel_thread=bool(int(words[6]) & _KERNEL_THREAD),
        start_ns=int(words[19]) * TICK_NS,
    )


def everybody() -> Iterator[Seen]:
    for name in os.listdir("/proc"):  # noqa: PTH208 - names only, of a directory with many entries
        if name.isdigit() and (seen := look(int(name))) is not None:
            yield seen


def is_same(seen: Seen | None, start_ns: int) -> bool:
    """Within one tick."""
    return seen is not None and abs(seen.start_ns - start_ns) <= TICK_NS


def ours() -> frozenset[int]:
    """This process and everything above it."""
    found = {os.getpid()}
    pid = os.getpid()
    while pid > 1 and (seen := look(pid)) is not None and seen.parent not in found:
        pid = seen.parent
        found.add(pid)
    return frozenset(found)


class Tree:
    """A process and its descendants, held by descriptors until `close`. `members` is in order of discovery: every
    parent before its children."""

    def __init__(self, pid: int, start_ns: int) -> None:
        """Raises TargetGone when that process is not there, Refusal when it must not be touched."""
        self._held = ExitStack()
        self._ours = ours()
        self._fds: dict[Identity, int] = {}
        if not self._take(pid, start_ns):
            raise TargetGone(f"process {pid} of that start time is not there")

    def close(self) -> None:
        self._held.close()

    def __enter__(self) -> Tree:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def members(self) -> list[Identity]:
        return list(self._fds)

    def join(self, identities: Iterable[Identity]) -> None:
        """Add processes that an earlier attempt had found; those that ended are left out."""
        for pid, start_ns in identities:
            self._take(pid, start_ns)

    def grow(self) -> list[Identity]:
        """Children of members that are not members yet, after one look at all processes."""
        pids = {pid for pid, _start in self._fds}
        new = []
        for seen in everybody():
            if seen.parent in pids and seen.pid not in pids and self._take(seen.pid, seen.start_ns):
                new.append(self.members[-1])
        return new

    def _take(self, pid: int, start_ns: int) -> bool:
        if any(pid == member for member, _start in self._fds):
            return True
        try:
            fd = os.pidfd_open(pid)
        except (ProcessLookupError, OverflowError):
            return False
        except OSError as error:
            raise SkillError(f"process {pid} cannot be held: {error.strerror}") from error
        seen = look(pid)
        if seen is None or not is_same(seen, start_ns) or _over(fd):
            os.close(fd)
            return False
        self._held.callback(os.close, fd)
        if pid <= 1 or seen.kernel_thread:
            raise Refusal("kernel_thread" if pid > 1 else "init", f"process {pid} is never a target")
        if pid in self._ours:
            raise Refusal("own_process", f"process {pid} is InnerWarden or what runs it")
        if len(self._fds) >= MAX_PROCESSES:
            raise SkillError(f"the tree has more than {MAX_PROCESSES} processes")
        self._fds[seen.identity] = fd
        return True

    def stop(self, before: Callable[[list[Identity]], None]) -> None:
        """SIGSTOP for all, until all are stopped and no new one appears. `before` is told all members before new ones
        are stopped. Raises SkillError when it does not come to an end."""
        deadline = time.monotonic() + WAIT_S
        new = self.members
        for _ in range(MAX_ROUNDS):
            if new:
                before(self.members)
                self._signal(signal.SIGSTOP, new)
            moving = self._settle()
            new = self.grow()
            if not moving and not new:
                return
            if time.monotonic() > deadline:
                break
        raise SkillError(f"the tree of process {self.members[0][0]} does not stand still")

    def _settle(self) -> bool:
        """Give who was told to stop a moment to do so; True when somebody moves still. Nothing tells of it, so it is
        looked at."""
        for _ in range(SETTLE_LOOKS):
            if not running(self.members):
                return False
            time.sleep(SETTLE_S)
        return bool(running(self.members))

    def kill(self) -> None:
        """SIGKILL from the leaves up; returns when all are gone. Raises SkillError when one stays."""
        order = list(reversed(self.members))
        self._signal(signal.SIGKILL, order)
        deadline = time.monotonic() + WAIT_S
        left = [fd for fd in self._fds.values() if not _over(fd, max(0.0, deadline - time.monotonic()))]
        if left:
            pids = [pid for (pid, _start), fd in self._fds.items() if fd in left]
            raise SkillError(f"{len(left)} processes did not end, the first is {pids[0]}")

    def _signal(self, number: int, members: Iterable[Identity]) -> None:
        for member in members:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._fds[member], number)


def resume(identities: Iterable[Identity]) -> None:
    """SIGCONT for those of them that are still there."""
    for pid, start_ns in reversed(list(identities)):
        with suppress(ProcessLookupError):
            fd = os.pidfd_open(pid)
            try:
                if is_same(look(pid), start_ns):
                    signal.pidfd_send_signal(fd, signal.SIGCONT)
            finally:
                os.close(fd)


def running(identities: Iterable[Identity]) -> list[int]:
    """Pids of those that are there and not stopped."""
    return [pid for pid, start_ns in identities if not _is_still(pid, start_ns)]


def alive(identities: Iterable[Identity]) -> list[int]:
    """Pids of those that have not ended; one that only waits for its parent has."""
    found = []
    for pid, start_ns in identities:
        with suppress(ProcessLookupError):
            fd = os.pidfd_open(pid)
            if is_same(look(pid), start_ns) and not _over(fd):
                found.append(pid)
            os.close(fd)
    return found


def described(pid: int, start_ns: int) -> list[str]:
    """A line for a process and each below it, as they are now. Raises TargetGone."""
    if not is_same(look(pid), start_ns):
        raise TargetGone(f"process {pid} of that start time is not there")
    children: dict[int, list[int]] = {}
    for seen in everybody():
        children.setdefault(seen.parent, []).append(seen.pid)
    found, at = [pid], 0
    while at < len(found) and len(found) < MAX_PROCESSES:
        found += children.get(found[at], [])
        at += 1
    return [f"process {one} ({_program(one)})" for one in found]


def _program(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/exe").readlink())
    except OSError:
        return "no file"


def written(identities: Iterable[Identity]) -> str:
    """As a handle."""
    return ",".join(f"{pid}:{start_ns}" for pid, start_ns in identities)


def read(handle: str) -> list[Identity]:
    """A handle's processes, parents before children."""
    pairs = [part.split(":") for part in handle.split(",") if part]
    return [(int(pid), int(start_ns)) for pid, start_ns in pairs]


def _is_still(pid: int, start_ns: int) -> bool:
    """All its threads: the first one may have ended while others work on."""
    if not is_same(look(pid), start_ns):
        return True
    try:
        threads = list(os.scandir(f"/proc/{pid}/task"))
    except OSError:
        return True
    return all(_thread_state(pid, thread.name) in _STILL for thread in threads)


def _thread_state(pid: int, thread: str) -> str:
    try:
        text = read_quickly(f"/proc/{pid}/task/{thread}/stat")
    except OSError:
        return "X"
    return text.rpartition(b")")[2].split()[0].decode()


def _over(fd: int, wait_s: float = 0.0) -> bool:
    """A pidfd can be read when its process, with all threads, has ended."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(wait_s * 1000))

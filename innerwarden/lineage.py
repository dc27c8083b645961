# SPDX-License-Identifier: Apache-2.0
"""Whose doing an event is: the login session where there is one, else the tree below the service manager."""

from __future__ import annotations

from innerwarden.model.event import Event
from innerwarden.model.finding import Process, ProcessRef

#: linux/audit.h: AUDIT_SID_UNSET and the login id of what no login started.
UNSET = 0xFFFFFFFF
#: Ancestors that count as the same activity: script, shell, terminal or session process.
LINEAGE_DEPTH = 4
SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "mksh", "ash", "fish", "busybox"})
#: Start times from /proc have this resolution; the kernel's own are exact. Within one tick no pid comes twice.
TICK_NS = 10_000_000


def session_of(event: Event) -> tuple[str, ...]:
    """A key that all processes of one login, or of one service, share; never a name that a process gave itself.

    Without a login it is the oldest known ancestor below pid 1, so that what a service starts stays apart from what
    another one starts.
    """
    login, session = event.field("login_uid"), event.field("session_id")
    if isinstance(session, int) and session != UNSET:
        return ("session", str(login), str(session))
    oldest: ProcessRef | None = None
    if event.process is not None:
        tree = [event.process, *event.process.ancestors]
        oldest = next((one for one in reversed(tree) if one.pid > 1), None)
    if oldest is None:
        return ("process", str(event.details.pid), str(event.details.start_ns))
    return ("tree", str(oldest.pid), str(oldest.start_ns))


def descends_from(event: Event, programs: frozenset[str]) -> bool:
    """Whether an ancestor's own file, by full path, is one of the programs."""
    return event.process is not None and any(one.exe in programs for one in event.process.ancestors)


def near(process: Process) -> list[ProcessRef]:
    """The process and its near ancestors, nearest first, without those that unrelated work shares.

    pid 1 and 2 start everything; a child of pid 1 is a service (sshd, cron, a container runtime), and two
    sessions below one service have nothing to do with each other. A shell there runs one script. A process
    without start time could be a later one with the same pid.
    """
    found: list[ProcessRef] = [process] if process.start_ns else []
    for ancestor in process.ancestors[:LINEAGE_DEPTH]:
        if ancestor.pid <= 2 or ancestor.ppid is None:
            break
        if ancestor.ppid <= 2 and not _is_shell(ancestor):
            break
        if ancestor.start_ns:
            found.append(ancestor)
    return found


def identity(pid: int, start_ns: int) -> str:
    """A key that is the same whether the start time came from the kernel or, rounded to a tick, from /proc."""
    return f"{pid}:{start_ns // TICK_NS}"


def _is_shell(process: ProcessRef) -> bool:
    return process.exe is not None and process.exe.rpartition("/")[2] in SHELLS

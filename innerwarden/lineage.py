# SPDX-License-Identifier: Apache-2.0
"""Whose doing an event is: the login session where there is one, else the tree below the service manager."""

from __future__ import annotations

from innerwarden.model.event import Event
from innerwarden.model.finding import ProcessRef

#: linux/audit.h: AUDIT_SID_UNSET and the login id of what no login started.
UNSET = 0xFFFFFFFF


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

# SPDX-License-Identifier: Apache-2.0
"""Root entered a user namespace that it did not make."""

import fcntl
import os
import struct

from innerwarden.sdk import Detector, DetectorSpec, Event, Finding, Severity

spec = DetectorSpec(
    id="setns_owner",
    title="Root joined the user namespace of another account",
    severity=Severity.HIGH,
    kinds=("process.namespace",),
    cooldown_s=300,
    attack=("T1611", "T1068"),
    summary="{exe_path} (root, pid {pid}) joined a user namespace that belongs to user id {detail}: {command_line}.",
    checks=(
        "See what runs in that namespace: lsns -t user",
        "See what root started there: the process tree of this incident",
    ),
    entities=("path:exe_path", "process:pid"),
    blind_spots=(
        "A container runtime of the list that an attacker uses",
        "A namespace of root's own is told of as medium, although what is in it may belong to somebody else",
        "A process that ended before its namespace could be looked at is told of, with no owner",
    ),
    false_positives=("An administrator who looks into a rootless container with nsenter",),
    tags=("attack.privilege-escalation",),
    maturity="test",
)

#: The number of the first user namespace is fixed: PROC_USER_INIT_INO of linux/proc_ns.h.
prefilter = """
joined:
  namespace_call: setns
  uid: 0
  namespace_flags: [newuser, 0]
host:
  user_ns: 4026531837
runtimes:
  exe_path|expand: '%namespace_runtimes%'
condition: joined and not host and not runtimes
"""

NS_GET_OWNER_UID = 0xB704
"""linux/nsfs.h: _IO(0xb7, 4)."""


class SetnsOwner(Detector):
    def process(self, event: Event) -> Finding | None:
        owner = owner_of(event.field("pid"), event.field("user_ns"))
        values = {"detail": "unknown" if owner is None else str(owner)}
        return Finding(severity=Severity.MEDIUM if owner == 0 else None, values=values)


def owner_of(pid: object, number: object) -> int | None:
    """The user id that made the user namespace in which the process still is; None when it cannot be told."""
    try:
        descriptor = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if os.fstat(descriptor).st_ino != number:
            return None
        answer = fcntl.ioctl(descriptor, NS_GET_OWNER_UID, struct.pack("I", 0))
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return int(struct.unpack("I", answer)[0])

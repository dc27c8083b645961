# SPDX-License-Identifier: Apache-2.0
"""What this product cannot see, by its construction: the one list that is shown to people. Data.

A detector's own blind spots stand in its file; hooks that a kernel refuses are told by `innerwarden doctor`.
"""

from __future__ import annotations

import msgspec


class BlindSpot(msgspec.Struct, frozen=True, kw_only=True):
    """`techniques` are ATT&CK ids that can pass there; `instead` is what does notice, or what to do about it."""

    id: str
    sentence: str
    techniques: tuple[str, ...]
    instead: str


BLIND_SPOTS: tuple[BlindSpot, ...] = (
    BlindSpot(
        id="another_kernel",
        sentence="System calls that another kernel serves: a virtual machine's guest, a gVisor sandbox",
        techniques=("T1564.006",),
        instead="Run a sensor in the guest; the start of the machine monitor is seen here",
    ),
    BlindSpot(
        id="below_the_kernel",
        sentence="Firmware, management controllers and hypervisors",
        techniques=("T1542",),
        instead="Secure boot and measured boot; ioperm, iopl and kexec are reported",
    ),
    BlindSpot(
        id="inside_the_kernel",
        sentence="An attacker who already runs code in the kernel can make it say anything",
        techniques=("T1014",),
        instead="The load of a module or BPF program is reported before it acts; another machine must see the rest",
    ),
    BlindSpot(
        id="encrypted_content",
        sentence="What is said inside TLS and other encrypted connections",
        techniques=("T1573",),
        instead="Who connects where, the name asked for, and the opening of the connection are seen",
    ),
    BlindSpot(
        id="before_the_first_start",
        sentence="Everything before the first start of the sensor on this machine",
        techniques=(),
        instead="Processes that run at the start are taken from /proc with their program and arguments",
    ),
    BlindSpot(
        id="local_sockets",
        sentence="Connections between processes over unix sockets, abstract ones included",
        techniques=("T1559",),
        instead="The processes at both ends and what they do are seen",
    ),
    BlindSpot(
        id="packets_past_the_block_list",
        sentence="The packet block list does not act on packets in forms that its parser does not follow, such as "
        "later fragments or tunnels, nor on interfaces to which it is not attached",
        techniques=("T1599",),
        instead="It only ever drops what it understood; the connection that results is seen like any other",
    ),
    BlindSpot(
        id="writes_through_memory",
        sentence="What a process writes into a file that it mapped, or onto a disk past the file system, byte by byte",
        techniques=("T1006",),
        instead="The open for writing is reported, of the file or of the disk",
    ),
    BlindSpot(
        id="ring_requests",
        sentence="Which file an io_uring request opens, where the kernel has no hook on the file itself",
        techniques=("T1106",),
        instead="The kind of request and who made it are reported; TCP connections are seen in any case",
    ),
    BlindSpot(
        id="below_a_package_manager",
        sentence="Changes to start-up and account files by processes below dpkg, rpm and their like are taken for "
        "part of an installation",
        techniques=("T1546.016", "T1195"),
        instead="A change to the package manager's own hooks is reported, and so are the programs that it starts",
    ),
    BlindSpot(
        id="function_tracing_off",
        sentence="With function tracing switched off (kernel.ftrace_enabled=0) hooks on kernel objects neither see nor "
        "refuse; where a kernel takes them, opens, renames and removals go unseen for the seconds that the canary "
        "takes to notice, and are seen from then on when system calls make them, not when io_uring does",
        techniques=("T1562.006",),
        instead="The write to the switch is reported, and so are the dead hooks, with those that stand in for them",
    ),
    BlindSpot(
        id="interrupted_program",
        sentence="Where the kernel runs another task while one of our programs is on its way in, that task's calls on "
        "the same processor are not looked at: in a flood of hooked calls, one in some hundred (7.0 and later; hooks "
        "on functions on any preemptible kernel)",
        techniques=("T1562.001",),
        instead="The kernel counts them: they are among the losses, and every finding of that time says so",
    ),
    BlindSpot(
        id="starvation",
        sentence="A sensor that gets no processor time, or whose machine is halted, sees late or not at all",
        techniques=("T1562.001",),
        instead="Losses are told in every finding of that time; the next sensor tells of one that ended",
    ),
)


def declared() -> tuple[BlindSpot, ...]:
    """The list, in the order in which it is shown."""
    return BLIND_SPOTS

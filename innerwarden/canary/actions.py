# SPDX-License-Identifier: Apache-2.0
"""Actions of several steps that triggers do in a child of their own: mounts, rings, another process's memory, keys."""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import socket
import struct
from pathlib import Path

from innerwarden.libbpf import libc

NAME = b"innerwarden-doctor"
PROCESS_KEYRING = -2  # KEY_SPEC_PROCESS_KEYRING
KEYCTL_UPDATE = 2
SO_ATTACH_FILTER = 26
UNKNOWN_FLAG = 0x8000  # of the kexec calls, which refuse it before they do anything

FSCONFIG_SET_STRING, FSCONFIG_CMD_CREATE = 1, 6
MOVE_MOUNT_F_EMPTY_PATH = 4
OPEN_TREE_CLONE = 1
MOUNT_ATTR_NOSUID = 2

IORING_OFF_SQES = 0x10000000
IORING_OP_OPENAT = 18
IORING_ENTER_GETEVENTS = 1


def _new_mount() -> int:
    context = libc.syscall("fsopen", b"tmpfs", 0)
    libc.syscall("fsconfig", context, FSCONFIG_CMD_CREATE, 0, 0, 0)
    return libc.syscall("fsmount", context, 0, 0)


def mount_calls(directory: Path, call: str) -> None:
    """In a mount namespace of our own: a tmpfs by the new calls, and what `call` does to it."""
    place = os.fsencode(directory)
    libc.private_mount_namespace()
    if call == "open_tree":
        libc.syscall("open_tree", libc.AT_FDCWD, place, OPEN_TREE_CLONE)
        return
    if call in {"fsmount", "move_mount"}:
        tree = _new_mount()
        if call == "move_mount":
            libc.syscall("move_mount", tree, b"", libc.AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH)
        return
    libc.mount("innerwarden-doctor", str(directory), "tmpfs")
    if call == "umount2":
        libc.syscall("umount2", place, 0)
    else:
        change = struct.pack("<4Q", MOUNT_ATTR_NOSUID, 0, 0, 0)  # struct mount_attr
        libc.syscall("mount_setattr", libc.AT_FDCWD, place, 0, change, len(change))


def reach_into_child(call: str) -> None:
    """A child of ours that waits, and six bytes of its memory or its standard error."""
    kept = libc.Memory(NAME)
    child = os.fork()
    if child == 0:
        while True:
            signal.pause()
    try:
        if call == "pidfd_getfd":
            handle = os.pidfd_open(child)
            try:
                os.close(libc.syscall("pidfd_getfd", handle, 2, 0))
            finally:
                os.close(handle)
        else:
            buffer = libc.Memory(NAME)
            here = struct.pack("<QQ", buffer.address, 6)  # struct iovec
            there = struct.pack("<QQ", kept.address, 6)
            libc.syscall(call, child, here, 1, there, 1, 0)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def socket_filter() -> None:
    """A classic filter that lets everything through, on a datagram socket that is bound to nothing."""
    code = libc.Memory(struct.pack("<HBBI", 0x6, 0, 0, 0xFFFF))  # ret 65535
    program = struct.pack("<HxxxxxxQ", 1, code.address)  # struct sock_fprog
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


def accept(call: str) -> None:
    """A connection over loopback to ourselves."""
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        client.connect(server.getsockname())
        os.close(libc.syscall(call, server.fileno(), 0, 0, 0))


def ring() -> int:
    """An io_uring of one entry; its descriptor."""
    return libc.syscall("io_uring_setup", 1, bytes(120))  # struct io_uring_params


def ring_open() -> None:
    """/dev/null opened through a ring: one request, by its three memory areas (io_uring(7))."""
    parameters = libc.Memory(bytes(120))
    fd = libc.syscall("io_uring_setup", 1, parameters.address)
    tail, _mask, _entries, _flags, _dropped, array = struct.unpack_from("<6I", parameters.content(), 44)
    path = libc.Memory(b"/dev/null")
    with mmap.mmap(fd, array + 4, offset=0) as queue, mmap.mmap(fd, 64, offset=IORING_OFF_SQES) as entries:
        entries[:] = struct.pack(
            "<BBHiQQII32x", IORING_OP_OPENAT, 0, 0, libc.AT_FDCWD, 0, path.address, 0, os.O_RDONLY
        )
        struct.pack_into("<I", queue, array, 0)
        struct.pack_into("<I", queue, tail, 1)
        libc.syscall("io_uring_enter", fd, 1, 1, IORING_ENTER_GETEVENTS, 0, 0)


def refused_kexec(call: str) -> None:
    """Asked for with a flag that no kernel has, so that nothing is loaded."""
    with contextlib.suppress(OSError):
        if call == "kexec_load":
            libc.syscall(call, 0, 0, 0, UNKNOWN_FLAG)
        else:
            libc.syscall(call, -1, -1, 0, 0, UNKNOWN_FLAG)


def perf_event() -> None:
    """Our own page faults counted, until the descriptor is closed."""
    software, page_faults = 1, 2
    attributes = struct.pack("<IIQ", software, 128, page_faults).ljust(128, b"\0")  # struct perf_event_attr
    os.close(libc.syscall("perf_event_open", attributes, 0, -1, -1, 0))


def key(call: str) -> None:
    """A key in a keyring that ends with this process."""
    number = libc.syscall("add_key", b"user", NAME, b"x", 1, PROCESS_KEYRING)
    if call == "request_key":
        libc.syscall(call, b"user", NAME, 0, PROCESS_KEYRING)
    elif call == "keyctl":
        libc.syscall(call, KEYCTL_UPDATE, number, b"y", 1, 0)


def own_cgroup_again() -> None:
    """Into the cgroup where we are."""
    mounts = [line.split(" ")[1:3] for line in Path("/proc/self/mounts").read_text().splitlines()]
    root = next((place for place, kind in mounts if kind == "cgroup2"), None)
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    name = next((line[3:] for line in lines if line.startswith("0::")), None)
    if root is None or name is None:
        raise FileNotFoundError(2, "no cgroup v2 hierarchy is mounted")
    Path(f"{root}{name}/cgroup.procs").write_text("0")

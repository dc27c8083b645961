# SPDX-License-Identifier: Apache-2.0
"""Cases 9 to 11, 26, 28, 29, 32 to 34 and 36: the kernel is asked in other ways, or made to help."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from common import (
    AT_FDCWD,
    CLONE_NEWTIME,
    Job,
    call,
    in_child,
    libc,
    main,
    mount,
    own_network,
    private_mounts,
    wait_for,
    write_file,
)

WRITE = os.O_WRONLY | os.O_CREAT
#: Within which the sensor tells of a dead hook (docs/configuration.md, collectors.kernel.canary.period_s).
CANARY_BOUND_S = 90
#: linux/io_uring.h
OP_CONNECT, OP_OPENAT, OP_UNLINKAT, OP_SOCKET = 16, 18, 36, 45
SETUP_SQPOLL = 2
ENTER_GETEVENTS, ENTER_SQ_WAKEUP = 1, 2


class Ring:
    """A submission ring of eight entries."""

    def __init__(self, flags: int = 0) -> None:
        parameters = ctypes.create_string_buffer(struct.pack("<4I", 0, 0, flags, 0), 120)
        self.flags = flags
        self.fd = call("io_uring_setup", 8, parameters)
        values = struct.unpack_from("<30I", parameters.raw)
        sq_entries, cq_entries = values[0], values[1]
        head, tail, mask, _entries, _flags, _dropped, array = values[10:17]
        cq_head, cq_tail, _cq_mask, _cq_entries, _overflow, cqes = values[20:26]
        self.submitted = mmap.mmap(self.fd, array + sq_entries * 4, mmap.MAP_SHARED, offset=0)
        self.completed = mmap.mmap(self.fd, cqes + cq_entries * 16, mmap.MAP_SHARED, offset=0x8000000)
        self.entries = mmap.mmap(self.fd, sq_entries * 64, mmap.MAP_SHARED, offset=0x10000000)
        self.head, self.tail, self.array = head, tail, array
        self.cq_head, self.cq_tail, self.cqes = cq_head, cq_tail, cqes
        self.mask = struct.unpack_from("<I", self.submitted, mask)[0]

    def request(
        self, opcode: int, fd: int, address: int, length: int = 0, offset: int = 0, flags: int = 0
    ) -> int:
        """One request, worked off; returns its result."""
        place = struct.unpack_from("<I", self.submitted, self.tail)[0]
        index = place & self.mask
        entry = struct.pack("<BBHiQQII", opcode, 0, 0, fd, offset, address, length, flags)
        self.entries[index * 64 : index * 64 + 64] = entry.ljust(64, b"\0")
        struct.pack_into("<I", self.submitted, self.array + index * 4, index)
        struct.pack_into("<I", self.submitted, self.tail, place + 1)
        enter = ENTER_GETEVENTS | (ENTER_SQ_WAKEUP if self.flags & SETUP_SQPOLL else 0)
        call("io_uring_enter", self.fd, 1, 1, enter, None, 0)
        done = struct.unpack_from("<I", self.completed, self.cq_head)[0]
        wait_for(
            lambda: struct.unpack_from("<I", self.completed, self.cq_tail)[0] != done, 10, "no completion"
        )
        result: int = struct.unpack_from("<i", self.completed, self.cqes + (done % 16) * 16 + 8)[0]
        struct.pack_into("<I", self.completed, self.cq_head, done + 1)
        if result < 0:
            raise OSError(-result, f"io_uring request {opcode}: {os.strerror(-result)}")
        return result


def ring_open(job: Job) -> None:
    path = ctypes.create_string_buffer(job.cron.encode())
    os.close(Ring().request(OP_OPENAT, AT_FDCWD, ctypes.addressof(path), 0o644, 0, WRITE))


def ring_unlink(job: Job) -> None:
    write_file(job.plain_cron)
    path = ctypes.create_string_buffer(job.plain_cron.encode())
    Ring().request(OP_UNLINKAT, AT_FDCWD, ctypes.addressof(path))


def ring_connect(job: Job) -> None:
    own_network()
    with socket.create_server(("203.0.113.1", 0)) as listener, socket.socket() as client:
        port = listener.getsockname()[1]
        address = (
            struct.pack("<H", socket.AF_INET)
            + struct.pack("!H", port)
            + socket.inet_aton("203.0.113.1")
            + bytes(8)
        )
        text = ctypes.create_string_buffer(address, 16)
        Ring().request(OP_CONNECT, client.fileno(), ctypes.addressof(text), 0, 16)


def ring_polled(job: Job) -> None:
    """A kernel thread works the ring off; the process only writes to memory."""
    path = ctypes.create_string_buffer(job.cron.encode())
    os.close(Ring(SETUP_SQPOLL).request(OP_OPENAT, AT_FDCWD, ctypes.addressof(path), 0o644, 0, WRITE))


#: push rbx; mov eax,edi; mov ebx,esi; mov r8d,ecx; mov ecx,edx; mov edx,r8d; int 0x80; pop rbx; ret
INT80 = bytes.fromhex("5389f889f34189c889d14489c2cd805bc3")
NR32_OPEN = 5


def compat_call(job: Job) -> None:
    """open(2) by number 5 of the 32-bit table, from 64-bit code."""
    libc.mmap.restype = ctypes.c_void_p
    area = libc.mmap(
        None, ctypes.c_size_t(4096), 7, 0x62, -1, ctypes.c_long(0)
    )  # MAP_32BIT: pointers must fit
    ctypes.memmove(area, INT80, len(INT80))
    ctypes.memmove(area + 1024, job.cron.encode() + b"\0", len(job.cron) + 1)
    enter = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_uint, ctypes.c_int, ctypes.c_int)(area)
    fd = enter(NR32_OPEN, area + 1024, WRITE, 0o644)
    if fd < 0:
        raise OSError(-fd, "int 0x80: " + os.strerror(-fd))
    os.close(fd)


def _tracing() -> str:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _source, place, kind = line.split()[:3]
        if kind == "tracefs":
            return place
    raise RuntimeError("tracefs is not mounted")


def events_for_one_process(job: Job) -> None:
    """The switch is opened for writing; nothing is written, so nothing changes."""
    os.close(os.open(f"{_tracing()}/set_event_pid", os.O_WRONLY))


def event_switch(job: Job) -> None:
    os.close(os.open(f"{_tracing()}/events/sched/sched_process_exec/enable", os.O_WRONLY))


def ftrace_off(job: Job) -> None:
    """Functions are no longer traced. The file is written once the sensor has told what that blinded, which it must
    within its bound; what is done before is not seen (blind spot function_tracing_off)."""
    switch = Path("/proc/sys/kernel/ftrace_enabled")
    before = switch.read_text()
    refused = False
    try:
        try:
            switch.write_text("0\n")
        except OSError:  # while programs of a kind are attached, on some kernels
            refused = True
        if not refused and hangs_on_functions(job.health()):
            wait_for(lambda: not hangs_on_functions(job.health()), CANARY_BOUND_S, "nothing took over")
        in_child(lambda: os.execv("/bin/sh", ["sh", "-c", f"echo '# nothing' >{job.plain_cron}"]))
    finally:
        switch.write_text(before)


def hangs_on_functions(health: str) -> bool:
    hooks = json.loads(health)["hooks"]
    return any(one["name"] == "object_open" and one["state"] == "attached" for one in hooks)


def _bpf(command: int, attributes: bytes) -> int:
    return call("bpf", command, ctypes.create_string_buffer(attributes, 144), 144)


#: r0 = 0 (or 1); exit
def _program(kind: int, result: int) -> int:
    code = ctypes.create_string_buffer(
        struct.pack("<BBhi", 0xB7, 0, 0, result) + struct.pack("<BBhi", 0x95, 0, 0, 0)
    )
    licence = ctypes.create_string_buffer(b"GPL")
    return _bpf(5, struct.pack("<2I2Q", kind, 2, ctypes.addressof(code), ctypes.addressof(licence)))


def map_taken(job: Job) -> None:
    """Every map of the kernel is opened by its number, ours among them; none is changed."""
    number, taken = 0, 0
    while True:
        attributes = ctypes.create_string_buffer(struct.pack("<3I", number, 0, 0), 144)
        try:
            call("bpf", 12, attributes, 144)  # BPF_MAP_GET_NEXT_ID
        except OSError:
            break
        number = struct.unpack_from("<I", attributes.raw, 4)[0]
        os.close(_bpf(14, struct.pack("<3I", number, 0, 0)))  # BPF_MAP_GET_FD_BY_ID
        taken += 1
    if not taken:
        raise RuntimeError("there is no map to take")


@contextmanager
def own_cgroup(job: Job) -> Iterator[Path]:
    root = next(
        line.split()[1]
        for line in Path("/proc/self/mounts").read_text().splitlines()
        if line.split()[2] == "cgroup2"
    )
    place = Path(root) / job.mark
    place.mkdir()
    try:
        yield place
    finally:
        place.rmdir()


def link_detached(job: Job) -> None:
    """A link of our own, on a control group of our own, is taken off its hook."""
    with own_cgroup(job) as place:
        directory = os.open(place, os.O_RDONLY)
        link = _bpf(
            28, struct.pack("<4I", _program(8, 1), directory, 0, 0)
        )  # BPF_LINK_CREATE, cgroup skb ingress
        _bpf(34, struct.pack("<I", link))  # BPF_LINK_DETACH
        os.close(link)
        os.close(directory)


def tracing_program(job: Job) -> None:
    """What an eBPF rootkit begins with: a program of a type that sees the whole machine. It does nothing."""
    os.close(_program(17, 0))


def module_from_elsewhere(job: Job) -> None:
    """A file that is no module is offered to the kernel as one."""
    path = job.directory / f"{job.mark}.ko"
    path.write_bytes(b"not a module")
    fd = os.open(path, os.O_RDONLY)
    with suppress(OSError):
        call("finit_module", fd, b"", 0)


def module_loaded(job: Job) -> None:
    """A real module is taken out and brought in again, from a directory where modules do not live."""
    for source in sorted(Path("/modules").glob("*.ko"), reverse=True):
        name = source.stem.split("-", 1)[1].replace("-", "_")
        try:
            call("delete_module", name.encode(), os.O_NONBLOCK)
        except OSError:  # in use
            continue
        break
    else:
        raise RuntimeError("every module is in use")
    copy = job.directory / f"{job.mark}.ko"
    copy.write_bytes(source.read_bytes())
    call("finit_module", os.open(copy, os.O_RDONLY), b"", 0)


def _agent(job: Job) -> tuple[Path, Path]:
    """A script for the kernel to run, and the file it leaves behind."""
    told = job.directory / "told"
    agent = job.directory / job.mark
    agent.write_text(f"#!/bin/sh\necho ran >{told}\n")
    agent.chmod(0o755)
    return agent, told


def release_agent(job: Job) -> None:
    """The way out of a container by control groups: the kernel runs the agent when the last process leaves.

    The hierarchy is one of our own, mounted where nobody else sees it.
    """
    place = job.directory / "groups"
    place.mkdir()
    agent, told = _agent(job)
    private_mounts()
    mount("none", str(place), "cgroup", 0, f"none,name={job.mark}")
    (place / "release_agent").write_text(str(agent))
    (place / "x").mkdir()
    (place / "x" / "notify_on_release").write_text("1")
    in_child(lambda: (place / "x" / "cgroup.procs").write_text("0") and None)
    wait_for(told.exists, 10, "the kernel did not run the agent")
    wait_for(lambda: _gone(place / "x"), 10, "the group does not go")
    libc.umount2(str(place).encode(), 2)


def _gone(directory: Path) -> bool:
    with suppress(OSError):
        directory.rmdir()
    return not directory.exists()


def core_handler(job: Job) -> None:
    """A process crashes and the kernel hands its memory to our script."""
    setting = Path("/proc/sys/kernel/core_pattern")
    before = setting.read_text()
    agent, told = _agent(job)
    try:
        setting.write_text(f"|{agent} %p\n")
        libc.prctl(4, 1, 0, 0, 0)
        child = subprocess.Popen(["/bin/sh", "-c", "kill -SEGV $$"])
        child.wait()
        wait_for(told.exists, 10, "the kernel did not run the handler")
    finally:
        setting.write_text(before)


def time_namespace(job: Job) -> None:
    """A boot clock that is a day ahead, for the act's process only."""
    call("unshare", CLONE_NEWTIME)
    Path("/proc/self/timens_offsets").write_text("boottime 86400 0\nmonotonic 86400 0\n")
    in_child(lambda: os.execv("/bin/sh", ["sh", "-c", f"echo '# nothing' >{job.plain_cron}"]))


def clock_set_back(job: Job) -> None:
    """The machine's clock loses a day; the act that follows is dated by the boot clock."""
    now = time.time()
    time.clock_settime(time.CLOCK_REALTIME, now - 86400)
    began = time.monotonic()
    try:
        in_child(lambda: os.execv("/bin/sh", ["sh", "-c", f"echo '# nothing' >{job.plain_cron}"]))
    finally:
        time.clock_settime(time.CLOCK_REALTIME, now + time.monotonic() - began)


if __name__ == "__main__":
    main(globals())

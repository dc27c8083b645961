# SPDX-License-Identifier: Apache-2.0
"""What this kernel lets us use: a sample of each sort of program is loaded, attached and made to run.

A kernel may list a sort of hook and refuse it, or take it and never call it (BPF LSM without `lsm=...,bpf`), so only
a sample that ran counts. Packet samples run on the loopback of a network namespace that lives as long as they do.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from innerwarden import paths
from innerwarden.errors import BpfError, UnavailableError
from innerwarden.libbpf import XDP_GENERIC, Link, Object, Program, btf, libc, try_ring_buffer
from innerwarden.sensor import capability_hints
from innerwarden.sensor.loader import NOT_TRACED, cgroup2_root, functions_are_traced, obstacle

AVAILABLE, REFUSED, UNCONFIRMED = "available", "refused", "unconfirmed"
RING_BUFFER = "ring buffer"
NATIVE_XDP = "xdp, native"
NET_DEVICES = Path("/sys/class/net")
_LOOPBACK = 1
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1
_DISCARD_PORT = 9


class Capability(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One sort of program. `state`: available (a sample ran), refused, or unconfirmed; `errno` is the kernel's."""

    type: str
    state: str
    reason: str = ""
    errno: int = 0
    hint: str = ""


class Sample(msgspec.Struct, frozen=True):
    """`needs`: a name in the kernel's BTF without which there is nothing to sit on."""

    type: str
    program: str
    needs: str = ""


#: In the order of enum iw_sample in bpf/probe.bpf.c.
SAMPLES = (
    Sample("tp_btf", "iw_probe_tp_btf", "btf_trace_sched_process_fork"),
    Sample("raw tracepoint", "iw_probe_raw_tp"),
    Sample("tracepoint", "iw_probe_tp"),
    Sample("kprobe", "iw_probe_kprobe"),
    Sample("kretprobe", "iw_probe_kretprobe"),
    Sample("fentry", "iw_probe_fentry", "security_file_open"),
    Sample("fexit", "iw_probe_fexit", "security_file_open"),
    Sample("lsm", "iw_probe_lsm", "bpf_lsm_file_open"),
    Sample("uprobe", "iw_probe_uprobe"),
    Sample("cgroup sock_addr", "iw_probe_sock_addr"),
    Sample("cgroup skb", "iw_probe_cgroup_skb"),
    Sample("xdp, generic", "iw_probe_xdp"),
    Sample("tc", "iw_probe_tc"),
    Sample("iterator", "iw_probe_iter", "bpf_iter_task"),
)
#: Not tried while functions are not traced (see functions_are_traced).
_ON_FUNCTIONS = ("iw_probe_fentry", "iw_probe_fexit", "iw_probe_lsm")
_PACKETS = ("iw_probe_xdp", "iw_probe_tc")
_CGROUP = ("iw_probe_sock_addr", "iw_probe_cgroup_skb")


class _Refusal(msgspec.Struct, frozen=True):
    reason: str
    errno: int = 0


def probe() -> list[Capability]:
    """Every sort with what became of its sample. Raises UnavailableError where none can be tried."""
    if (problem := obstacle()) is not None:
        raise problem
    if not paths.probe_object().exists():
        raise UnavailableError(
            f"no samples for this machine at {paths.probe_object()}", "Build them with `make bpf`"
        )
    refused: dict[str, _Refusal] = {}
    loaded = _load(paths.probe_object().read_bytes(), refused)
    try:
        _run(loaded, refused)
        counts = {s.program: _count(loaded, place) for place, s in enumerate(SAMPLES)}
    finally:
        loaded.close()
    found = [_capability(sample, refused.get(sample.program), counts[sample.program]) for sample in SAMPLES]
    return [*found, _native_xdp(found), _ring_buffer()]


def _load(image: bytes, refused: dict[str, _Refusal]) -> Object:
    """All that the kernel takes; why it refused the others goes to `refused`."""
    kernel = btf.KernelNames()
    for sample in SAMPLES:
        if sample.needs and sample.needs not in kernel:
            refused[sample.program] = _Refusal(f"this kernel has no {sample.needs}", errno.ENOENT)
        elif sample.program in _ON_FUNCTIONS and not functions_are_traced():
            refused[sample.program] = _Refusal(NOT_TRACED)
    while True:
        opened = Object(image, "iw_probe")
        try:
            for name in refused:
                opened.programs[name].set_autoload(False)
            opened.load()
            return opened
        except BpfError as error:
            culprit = opened.refused_program()
            opened.close()
            if culprit is None or culprit in refused:
                raise
            refused[culprit] = _Refusal(f"not loaded: {os.strerror(error.errno)}", error.errno)


def _run(loaded: Object, refused: dict[str, _Refusal]) -> None:
    """Attach each, do once what it waits for, and detach."""
    links: dict[str, Link] = {}
    try:
        for sample in SAMPLES:
            name = sample.program
            if name in refused or name in _PACKETS:
                continue
            try:
                links[name] = _attach(loaded.programs[name])
            except (BpfError, OSError) as error:
                number = error.errno or 0
                refused[name] = _Refusal(f"not attached: {os.strerror(number) if number else error}", number)
        _act(links)
        refused |= _run_packets([loaded.programs[name] for name in _PACKETS if name not in refused])
    finally:
        for link in links.values():
            with suppress(BpfError):
                link.destroy()


def _attach(program: Program) -> Link:
    if program.name in _CGROUP:
        root = cgroup2_root()
        if root is None:
            raise OSError(errno.ENOENT, "no cgroup v2 hierarchy is mounted")
        cgroup_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            return program.attach_cgroup(cgroup_fd)
        finally:
            os.close(cgroup_fd)
    if program.name == "iw_probe_uprobe":
        return program.attach_uprobe(*libc.place_of("getppid"))
    return program.attach()


def _act(links: dict[str, Link]) -> None:
    """A fork, an open, a datagram to a closed port of loopback, a call of libc, a walk over all tasks."""
    os.getppid()
    _in_child(lambda: None)
    os.close(os.open("/dev/null", os.O_RDONLY))
    _send_datagram()
    if (walk := links.get("iw_probe_iter")) is not None:
        with suppress(BpfError, OSError):
            walk.iterate()


def _send_datagram() -> None:
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", _DISCARD_PORT))
        client.send(b"innerwarden")


def _in_child(action: Callable[[], None]) -> int:
    """Errno of what went wrong there, 0 when nothing did."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            action()
            status = 0
        except (OSError, BpfError) as error:
            status = error.errno or 1
        finally:
            os._exit(min(status, 255))
    return max(0, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def _run_packets(programs: list[Program]) -> dict[str, _Refusal]:
    """Each in a child with a network of its own, which ends with it."""
    refused = {}
    for program in programs:
        if number := _in_child(lambda: _packet(program)):  # noqa: B023 - done before the next turn
            refused[program.name] = _Refusal(f"not attached: {os.strerror(number)}", number)
    return refused


def _packet(program: Program) -> None:
    libc.private_network_namespace()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("<16sH22x", b"lo", _IFF_UP))
    if program.name == "iw_probe_tc":
        program.attach_tc_egress(_LOOPBACK)
        _send_datagram()
        return
    link = program.attach_xdp(_LOOPBACK, XDP_GENERIC)
    _send_datagram()
    link.destroy()


def _count(loaded: Object, place: int) -> int:
    value = loaded.maps["iw_probe"].lookup(struct.pack("<I", place))
    return int.from_bytes(value or b"", "little")


def _capability(sample: Sample, refusal: _Refusal | None, runs: int) -> Capability:
    if refusal is None and runs:
        return Capability(type=sample.type, state=AVAILABLE)
    if refusal is None:
        refusal = _Refusal("attached, and never called")
    return Capability(
        type=sample.type,
        state=REFUSED,
        reason=refusal.reason,
        errno=refusal.errno,
        hint=capability_hints.hint(sample.type, refusal.errno),
    )


def _native_xdp(found: list[Capability]) -> Capability:
    """Attaching to a real card restarts its queues, so that is left to whoever wants to use it."""
    generic = next(one for one in found if one.type == "xdp, generic")
    if generic.state != AVAILABLE:
        return msgspec.structs.replace(generic, type=NATIVE_XDP)
    drivers = sorted({link.resolve().name for link in NET_DEVICES.glob("*/device/driver")})
    reason = f"not tried: attaching restarts a card's queues (drivers here: {', '.join(drivers) or 'none'})"
    return Capability(type=NATIVE_XDP, state=UNCONFIRMED, reason=reason)


def _ring_buffer() -> Capability:
    try:
        try_ring_buffer()
    except BpfError as error:
        number = error.errno or 0
        return Capability(
            type=RING_BUFFER,
            state=REFUSED,
            reason=os.strerror(number),
            errno=number,
            hint=capability_hints.hint(RING_BUFFER, number),
        )
    return Capability(type=RING_BUFFER, state=AVAILABLE)

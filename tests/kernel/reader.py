# SPDX-License-Identifier: Apache-2.0
"""A second, slow reader of the kernel rings, and the runner of triggers: the tests' independent witness.

It shares nothing with the engine but the generated layout, so that a mistake in the engine cannot hide here.
"""

from __future__ import annotations

import ipaddress
import json
import mmap
import os
import struct
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from innerwarden.model import _wire

PAGE = mmap.PAGESIZE
BUSY, DISCARD = 1 << 31, 1 << 30
NUMBERS = {"u16": "<H", "u32": "<I", "u64": "<Q"}


class RingReader:
    """The consumer side of one BPF ring buffer (Documentation/bpf/ringbuf.rst)."""

    def __init__(self, fd: int, size: int) -> None:
        self._size = size
        self._consumer = mmap.mmap(fd, PAGE, offset=0)
        self._producer = mmap.mmap(fd, PAGE + 2 * size, prot=mmap.PROT_READ, offset=PAGE)

    def drain(self) -> list[bytes]:
        records = []
        (position,) = struct.unpack_from("<Q", self._consumer, 0)
        (end,) = struct.unpack_from("<Q", self._producer, 0)
        while position < end:
            at = PAGE + (position & (self._size - 1))
            (length,) = struct.unpack_from("<I", self._producer, at)
            if length & BUSY:
                break
            bare = length & ~DISCARD
            if not length & DISCARD:
                records.append(self._producer[at + 8 : at + 8 + bare])
            position += (bare + 8 + 7) & ~7
        struct.pack_into("<Q", self._consumer, 0, position)
        return records

    def close(self) -> None:
        self._consumer.close()
        self._producer.close()


@dataclass
class Decoded:
    """One record: dotted kind, ring, fields by name; strings are bytes, addresses text or None."""

    kind: str
    ring: str
    fields: dict[str, Any]
    raw: bytes

    def __getattr__(self, name: str) -> Any:
        try:
            return self.fields[name]
        except KeyError:
            raise AttributeError(name) from None


def decode(raw: bytes, ring: str) -> Decoded:
    """Decode by the generated table, checking every bound on the way."""
    size, number = struct.unpack_from("<IH", raw)
    kind = _wire.Kind(number)
    name = _wire.RECORD_OF[kind]
    assert size == len(raw) and size % 8 == 0, (kind, size, len(raw))
    fields: dict[str, Any] = {}
    for member, offset, shape in _wire.LAYOUT[name]:
        if shape in NUMBERS:
            (fields[member],) = struct.unpack_from(NUMBERS[shape], raw, offset)
        elif shape == "comm":
            fields[member] = raw[offset : offset + 16].split(b"\0")[0]
        elif shape == "ip":
            packed = raw[offset : offset + 16]
            address = ipaddress.IPv6Address(packed)
            fields[member] = None if not any(packed) else str(address.ipv4_mapped or address)
        else:
            start, length = struct.unpack_from("<II", raw, offset)
            assert (start == 0 and length == 0) or _wire.SIZES[name] <= start <= size - length, (
                member,
                start,
            )
            fields[member] = raw[start : start + length] if start else None
        if member.startswith("reserved"):
            assert fields[member] == 0, member
    dotted = next(text for text, value in _wire.KINDS.items() if value == kind)
    return Decoded(dotted, ring, fields, raw)


class Witness:
    """Both rings of a started source."""

    def __init__(self, rings: list[tuple[int, int, str]]) -> None:
        self._rings = [(RingReader(fd, size), name) for fd, size, name in rings]

    def drain(self) -> list[Decoded]:
        return [decode(raw, name) for ring, name in self._rings for raw in ring.drain()]

    def close(self) -> None:
        for ring, _ in self._rings:
            ring.close()


#: Runs first in every triggered child; `say` prints the truth as the child's own kernel interfaces tell it.
PRELUDE = """
import ctypes, json, os, socket, struct, sys
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    result = libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
def identity():
    stat = open('/proc/self/stat').read().rsplit(')', 1)[1].split()
    parent = open(f'/proc/{os.getppid()}/stat').read().rsplit(')', 1)[1].split()
    group = [l[3:].rstrip() for l in open('/proc/self/cgroup') if l.startswith('0::')][0]
    root = [l.split()[1] for l in open('/proc/self/mounts') if l.split()[2] == 'cgroup2'][0]
    return dict(pid=os.getpid(), tid=os.getpid(), ppid=os.getppid(), uid=os.getuid(), gid=os.getgid(),
        euid=os.geteuid(), start_ticks=int(stat[19]), parent_ticks=int(parent[19]),
        mnt_ns=os.stat('/proc/self/ns/mnt').st_ino, pid_ns=os.stat('/proc/self/ns/pid').st_ino,
        cgroup_id=os.stat(root + group).st_ino, cpu=min(os.sched_getaffinity(0)),
        comm=open('/proc/self/comm').read().rstrip())
def say(**facts):
    print(json.dumps({**identity(), **facts}), flush=True)
"""

#: int 0x80 of a 64-bit process: number, arguments below 4 GiB; texts are laid out one after another. A sly one puts
#: where SYSCALL would have left them the address it returns to, for which the second argument goes, and the flags.
COMPAT = """
import mmap
page = mmap.mmap(-1, 8192, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40, prot=7)
base = ctypes.addressof(ctypes.c_char.from_buffer(page))
def call32(number, *arguments, sly=False):
    at = 256
    values = []
    for one in arguments:
        if isinstance(one, bytes):
            page[at:at + len(one) + 1] = one + b'\\0'
            values.append(base + at)
            at += len(one) + 8
        else:
            values.append(one & 0xffffffff)
    values += [0] * (5 - len(values))
    code = b'\\x53\\x56\\x57\\x9c\\x41\\x5b'  # push rbx, rsi, rdi; r11 = flags
    if sly:
        values[1] = base + 4096 + len(code) + 6 * 5 + 2
    code += b'\\xb8' + struct.pack('<I', number)
    for register, value in zip((0xbb, 0xb9, 0xba, 0xbe, 0xbf), values):
        code += bytes([register]) + struct.pack('<I', value)
    code += b'\\xcd\\x80\\x5f\\x5e\\x5b\\xc3'
    page[4096:4096 + len(code)] = code
    result = ctypes.CFUNCTYPE(ctypes.c_int)(base + 4096)()
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return result
"""


def trigger(code: str, **options: Any) -> dict[str, Any]:
    """Run `code` after PRELUDE in a fresh process and return what it says (one JSON line)."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", PRELUDE + code], capture_output=True, timeout=60, check=False, **options
    )
    assert done.returncode == 0, done.stderr.decode()
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return facts


def check_header(record: Decoded, truth: dict[str, Any], *, flags: int = 0) -> None:
    """Every header member against what /proc said in the acting process."""
    for name in ("pid", "tid", "ppid", "uid", "gid", "euid", "mnt_ns", "pid_ns", "cgroup_id", "cpu"):
        assert getattr(record, name) == truth[name], name
    assert record.comm.decode() == truth["comm"]
    tick = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    assert record.start_ns // tick == truth["start_ticks"]
    assert record.parent_start_ns // tick == truth["parent_ticks"]
    assert record.flags == flags

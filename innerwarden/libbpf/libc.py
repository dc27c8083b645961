# SPDX-License-Identifier: Apache-2.0
"""The few system calls that Python's own library lacks, as one table of signatures.

Used by positive controls (harmless actions that a hook must see) and by child supervision.
Every function raises OSError with the kernel's errno.
"""

from __future__ import annotations

import ctypes
import os
import platform
from ctypes.util import find_library
from typing import Any

PR_SET_PDEATHSIG = 1
PTRACE_TRACEME = 0
CLONE_NEWNS = 0x00020000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
BPF_MAP_CREATE = 0
BPF_PROG_LOAD = 5

_INT, _LONG, _ULONG, _CHARS = ctypes.c_int, ctypes.c_long, ctypes.c_ulong, ctypes.c_char_p

#: name -> (result, arguments). Source: the section-2 man pages.
SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "prctl": (_INT, (_INT, _ULONG, _ULONG, _ULONG, _ULONG)),
    "ptrace": (_LONG, (_LONG, _INT, ctypes.c_void_p, ctypes.c_void_p)),
    "unshare": (_INT, (_INT,)),
    "mount": (_INT, (_CHARS, _CHARS, _CHARS, _ULONG, _CHARS)),
}

#: Calls without a libc wrapper. Source: arch/*/entry/syscalls, include/uapi/asm-generic/unistd.h.
NUMBERS: dict[str, dict[str, int]] = {
    "x86_64": {"bpf": 321, "init_module": 175, "finit_module": 313},
    "aarch64": {"bpf": 280, "init_module": 105, "finit_module": 273},
}

_libc = ctypes.CDLL(None, use_errno=True)
for _name, (_result, _arguments) in SIGNATURES.items():
    getattr(_libc, _name).restype = _result
    getattr(_libc, _name).argtypes = _arguments
_libc.syscall.restype = _LONG


def _checked(result: int, what: str) -> int:
    if result < 0:
        errno = ctypes.get_errno()
        raise OSError(errno, os.strerror(errno), what)
    return result


def find_libbpf() -> str | None:
    """File name of the installed libbpf, or None."""
    return find_library("bpf")


def die_with_parent(signal_number: int) -> None:
    """Send this process a signal when its parent's thread ends (prctl(2))."""
    _checked(_libc.prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "prctl")


def trace_me() -> None:
    """Ask to be traced by the parent (ptrace(2)); harmless in a child that exits at once."""
    _checked(_libc.ptrace(PTRACE_TRACEME, 0, None, None), "ptrace")


def private_mount_namespace() -> None:
    """Leave the host's mount namespace; later mounts of this process are its own. Needs CAP_SYS_ADMIN."""
    _checked(_libc.unshare(CLONE_NEWNS), "unshare")
    _checked(_libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mount")


def mount(source: str, target: str, fs_type: str) -> None:
    _checked(_libc.mount(source.encode(), os.fsencode(target), fs_type.encode(), 0, None), "mount")


def _syscall(name: str, *arguments: object) -> int:
    numbers = NUMBERS.get(platform.machine())
    if numbers is None:
        raise OSError(38, f"no number of {name} is known for {platform.machine()}", name)
    return _checked(_libc.syscall(_LONG(numbers[name]), *arguments), name)


def init_module(image: bytes) -> None:
    """init_module(2) with `image`; anything that is not a module fails with ENOEXEC or EPERM."""
    _syscall("init_module", _CHARS(image), _ULONG(len(image)), _CHARS(b""))


def finit_module(fd: int) -> None:
    """finit_module(2); a file that is no module fails."""
    _syscall("finit_module", _INT(fd), _CHARS(b""), _INT(0))


def _bpf(command: int, attributes: bytes) -> int:
    buffer = ctypes.create_string_buffer(attributes.ljust(128, b"\0"), 128)
    return _syscall("bpf", _INT(command), buffer, ctypes.c_uint(128))


def bpf_array_map() -> int:
    """A descriptor of a new array map of one entry."""
    fields = (2, 4, 8, 1)  # BPF_MAP_TYPE_ARRAY, key bytes, value bytes, entries
    return _bpf(BPF_MAP_CREATE, b"".join(n.to_bytes(4, "little") for n in fields))


def bpf_program() -> int:
    """A descriptor of a new socket filter that returns 0; it is attached to nothing."""
    instructions = ctypes.create_string_buffer(
        b"\xb7\0\0\0\0\0\0\0" + b"\x95\0\0\0\0\0\0\0",  # r0 = 0; exit
        16,
    )
    licence = ctypes.create_string_buffer(b"GPL")
    attributes = (1).to_bytes(4, "little") + (2).to_bytes(
        4, "little"
    )  # BPF_PROG_TYPE_SOCKET_FILTER, 2 of them
    attributes += ctypes.addressof(instructions).to_bytes(8, "little")
    attributes += ctypes.addressof(licence).to_bytes(8, "little")
    return _bpf(BPF_PROG_LOAD, attributes)

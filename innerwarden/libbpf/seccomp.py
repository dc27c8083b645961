# SPDX-License-Identifier: Apache-2.0
"""seccomp(2): from now on this process may make a handful of system calls, and no others."""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from innerwarden.libbpf.libc import MACHINE

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 22, 38
SECCOMP_MODE_FILTER = 2
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
_NUMBER_AT, _ARCH_AT = 0, 4  # struct seccomp_data

#: What Python needs to receive a descriptor, read it and answer, with memory of its own. Source: the system call
#: tables of the kernel, arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
READ_AND_ANSWER: dict[str, tuple[int, tuple[int, ...]]] = {
    "x86_64": (
        0xC000003E,
        (
            *(0, 1, 3, 5, 8, 9, 10, 11, 12, 13, 14, 15, 17, 24, 25, 28, 39, 44, 45, 46, 47, 60, 72),
            *(186, 202, 219, 228, 231, 262, 318),
        ),
    ),
    "aarch64": (
        0xC00000B7,
        (
            *(25, 57, 62, 63, 64, 67, 79, 80, 93, 94, 98, 113, 124, 128, 134, 135, 139, 172, 178, 206, 207),
            *(211, 212, 214, 215, 216, 222, 226, 233, 278),
        ),
    ),
}

_libc = ctypes.CDLL(None, use_errno=True)
_libc.prctl.argtypes = (ctypes.c_int, *(ctypes.c_ulong,) * 4)


def no_new_privileges() -> None:
    """Nothing that this process executes gives it more rights (prctl(2)). Raises OSError."""
    _checked(_libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def only_read_and_answer() -> None:
    """Every other system call gives EPERM, one of another ABI ends the process. Needs no_new_privileges() before.

    Raises OSError, ENOSYS on a machine whose numbers are not known here.
    """
    if MACHINE not in READ_AND_ANSWER:
        raise OSError(errno.ENOSYS, f"the system call numbers of {MACHINE} are not known", "seccomp")
    arch, numbers = READ_AND_ANSWER[MACHINE]
    steps = [(_LOAD, 0, 0, _ARCH_AT), (_EQUAL, 1, 0, arch), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, _NUMBER_AT)]
    for left, number in zip(range(len(numbers), 0, -1), numbers, strict=True):
        steps.append((_EQUAL, left, 0, number))
    steps += [(_RETURN, 0, 0, _ERRNO | errno.EPERM), (_RETURN, 0, 0, _ALLOW)]
    install(b"".join(struct.pack("<HBBI", *step) for step in steps))


def install(filter_program: bytes) -> None:
    """Judge every further system call by this program, struct sock_filter after struct sock_filter. Raises OSError."""
    code = ctypes.create_string_buffer(filter_program)
    program = ctypes.create_string_buffer(
        struct.pack("@HP", len(filter_program) // 8, ctypes.addressof(code))
    )
    _checked(_libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(program), 0, 0))


def _checked(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "prctl")

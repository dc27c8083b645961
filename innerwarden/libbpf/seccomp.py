# SPDX-License-Identifier: Apache-2.0
"""seccomp(2): from now on this process may make a handful of system calls, and no others."""

from __future__ import annotations

import ctypes
import os
import struct

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 22, 38
SECCOMP_MODE_FILTER = 2

_libc = ctypes.CDLL(None, use_errno=True)
_libc.prctl.argtypes = (ctypes.c_int, *(ctypes.c_ulong,) * 4)


def no_new_privileges() -> None:
    """Nothing that this process executes gives it more rights (prctl(2)). Raises OSError."""
    _checked(_libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


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

# SPDX-License-Identifier: Apache-2.0
"""Taking rights away from this process for good: user, network, system calls, files, memory, children.

For a child that is about to run somebody else's Python. System calls are an allow list; whatever is not on it fails
with EPERM. Files can be read, never written or made, and where the kernel has Landlock only below the given
directories. Sources: seccomp(2), landlock(7), capabilities(7), prctl(2), setrlimit(2).
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import signal
import struct
from collections.abc import Sequence

from innerwarden.libbpf import seccomp
from innerwarden.libbpf.libc import CLONE_NEWNET, CLONE_NEWUTS, MACHINE, _checked, _libc, die_with_parent

NOBODY = 65534
CLONE_NEWIPC = 0x08000000
PR_SET_DUMPABLE = 4
PR_CAPBSET_DROP = 24
CAPABILITIES = 64

#: Bounds of the child. Address space, not resident memory: the interpreter itself takes about a quarter.
MEMORY_BYTES = 256 << 20
OPEN_FILES = 32

_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # linux/audit.h
#: What an interpreter needs that computes, reads modules of the standard library and talks on an open socket. No
#: socket(), no clone(), no kill(), no ioctl(), no prctl(). Source: arch/x86/entry/syscalls/syscall_64.tbl,
#: include/uapi/asm-generic/unistd.h.
_FREE: dict[str, tuple[int, ...]] = {
    "x86_64": (
        *(0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 19, 20, 21, 23, 24, 25, 28, 35, 39, 44, 45),
        *(60, 63, 79, 89, 96, 97, 102, 104, 107, 108, 131, 186, 201, 202, 217, 228, 229, 230, 231, 262, 267),
        *(269, 270, 271, 273, 318, 324, 332, 334, 439),
    ),
    "aarch64": (
        *(17, 48, 57, 61, 62, 63, 64, 65, 66, 67, 72, 73, 78, 79, 80, 93, 94, 98, 99, 101, 113, 114, 115),
        *(124, 132, 134, 135, 139, 160, 169, 172, 174, 175, 176, 177, 178, 206, 207, 214, 215, 216, 222),
        *(226, 233, 278, 283, 291, 293, 439),
    ),
}
#: (number, argument) of calls that open a file: only without any flag that writes or makes one.
_OPENS = {"x86_64": ((2, 1), (257, 2)), "aarch64": ((56, 2),)}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
#: fcntl(2) only to look at and copy descriptors: F_SETOWN would let a signal reach others.
_FCNTL = {"x86_64": 72, "aarch64": 25}
_FCNTL_COMMANDS = (0, 1, 2, 3, 1030)

#: recvmsg(2), by which descriptors come over a socket.
_RECEIVE = {"x86_64": (47,), "aarch64": (212,)}

_LOAD, _EQUAL, _ANY_BIT, _AT_LEAST, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06  # linux/bpf_common.h
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x80000000
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16  # struct seccomp_data

_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_LANDLOCK_FIRST = (
    0x1FFF  # every right of the first version: execute, write, read, and making or removing anything
)
_LANDLOCK_READ = 0x4 | 0x8  # read a file, list a directory


def filter_program(machine: str, *, receives: bool = False) -> bytes:
    """The seccomp filter, struct sock_filter after struct sock_filter. Raises OSError for another machine."""
    if machine not in _ARCH:
        raise OSError(errno.ENOSYS, f"no list of system calls for {machine}")
    out = [(_LOAD, 0, 0, _ARCH_AT), (_EQUAL, 1, 0, _ARCH[machine]), (_RETURN, 0, 0, _KILL)]
    out += [(_LOAD, 0, 0, _NUMBER_AT)]
    out += [(_AT_LEAST, 0, 1, 0x40000000), (_RETURN, 0, 0, _KILL)]  # the x32 numbering
    for number in (*_FREE[machine], *(_RECEIVE[machine] if receives else ())):
        out += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    for number, argument in _OPENS[machine]:
        out += [(_EQUAL, 0, 4, number), (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * argument)]
        out += [(_ANY_BIT, 1, 0, _WRITES), (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE)]
    out += [(_EQUAL, 0, 2 + 2 * len(_FCNTL_COMMANDS), _FCNTL[machine]), (_LOAD, 0, 0, _ARGUMENTS_AT + 8)]
    for command in _FCNTL_COMMANDS:
        out += [(_EQUAL, 0, 1, command), (_RETURN, 0, 0, _ALLOW)]
    out += [(_RETURN, 0, 0, _REFUSE), (_RETURN, 0, 0, _REFUSE)]
    return b"".join(struct.pack("<HBBI", *one) for one in out)


def confine(readable: Sequence[str], *, receives: bool = False) -> dict[str, str]:
    """Give up everything; returns what was done, by name, in words. Raises OSError when a needed part is refused.

    `receives`: descriptors may still come over a socket that is open already.

    As root the process becomes `nobody` in a network of its own first; otherwise it stays the user that it is. Either
    way system calls, memory, descriptors, file sizes and children are bounded. Nothing of it can be taken back.
    """
    done = {}
    is_root = os.geteuid() == 0
    with open("/proc/self/oom_score_adj", "w") as score:  # noqa: PTH123 - pathlib is slow to import
        score.write("1000")
    os.nice(10)
    os.chdir("/")
    os.umask(0o077)
    done["network"] = _leave_network() if is_root else "by system calls only"
    if is_root:
        for capability in range(CAPABILITIES):
            _libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)  # the last ones do not exist
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    done["user"] = "nobody" if is_root else "the sensor's own"
    die_with_parent(signal.SIGKILL)  # a change of user undoes an earlier one
    seccomp.no_new_privileges()
    _checked(_libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "prctl")
    _bound()
    done["files"] = _landlock(readable)
    seccomp.install(filter_program(MACHINE, receives=receives))
    done["system_calls"] = "allow list"
    return done


def _leave_network() -> str:
    if _libc.unshare(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) == 0:
        return "own namespace"
    return f"by system calls only ({os.strerror(ctypes.get_errno())})"


def _bound() -> None:
    for limit, value in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        resource.setrlimit(limit, (value, value))


def _landlock(readable: Sequence[str]) -> str:
    """Read only, and only below these directories; where the kernel has no Landlock, file modes decide."""
    rights = struct.pack("<Q", _LANDLOCK_FIRST)
    ruleset = _call(_LANDLOCK_CREATE, rights, len(rights), 0)
    if ruleset < 0:
        return f"read only ({os.strerror(ctypes.get_errno())}: no Landlock)"
    try:
        for path in readable:
            try:
                there = os.open(path, os.O_PATH | os.O_CLOEXEC)
            except OSError:
                continue
            rule = struct.pack("<Qi", _LANDLOCK_READ, there)
            result = _call(_LANDLOCK_ADD, ruleset, 1, rule, 0)
            os.close(there)
            _checked(result, "landlock_add_rule")
        _checked(_call(_LANDLOCK_RESTRICT, ruleset, 0), "landlock_restrict_self")
    finally:
        os.close(ruleset)
    return "read only, below Python's own directories"


def _call(number: int, *arguments: int | bytes) -> int:
    """A call that libc has no name for; bytes as a pointer."""
    values = [one if isinstance(one, bytes) else ctypes.c_long(one) for one in arguments]
    result: int = _libc.syscall(ctypes.c_long(number), *values)
    return result

# SPDX-License-Identifier: Apache-2.0
"""Syscall numbers by name, for the table that the kernel program dispatches by. Data; the numbers are ABI.

Source: asm/unistd_64.h, asm/unistd_32.h and asm-generic/unistd.h of Linux. Names that differ between the ABIs but
do the same (`setuid32`, `truncate64`, `mmap2`) are separate rows, listed in SAME with the name whose hook they share.
"""

from __future__ import annotations

import errno
import platform
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from innerwarden.libbpf import libc

#: name -> (x86-64, 32-bit x86, arm64); None where the ABI has no such call.
NUMBERS: dict[str, tuple[int | None, int | None, int | None]] = {
    "open": (2, 5, None),
    "openat": (257, 295, 56),
    "openat2": (437, 437, 437),
    "creat": (85, 8, None),
    "open_by_handle_at": (304, 342, 265),
    "rename": (82, 38, None),
    "renameat": (264, 302, 38),
    "renameat2": (316, 353, 276),
    "unlink": (87, 10, None),
    "unlinkat": (263, 301, 35),
    "link": (86, 9, None),
    "linkat": (265, 303, 37),
    "symlink": (88, 83, None),
    "symlinkat": (266, 304, 36),
    "truncate": (76, 92, 45),
    "truncate64": (None, 193, None),
    "ftruncate": (77, 93, 46),
    "ftruncate64": (None, 194, None),
    "chmod": (90, 15, None),
    "fchmod": (91, 94, 52),
    "fchmodat": (268, 306, 53),
    "fchmodat2": (452, 452, 452),
    "chown": (92, 182, None),
    "fchown": (93, 95, 55),
    "lchown": (94, 16, None),
    "fchownat": (260, 298, 54),
    "chown32": (None, 212, None),
    "fchown32": (None, 207, None),
    "lchown32": (None, 198, None),
    "setxattr": (188, 226, 5),
    "lsetxattr": (189, 227, 6),
    "fsetxattr": (190, 228, 7),
    "removexattr": (197, 235, 14),
    "lremovexattr": (198, 236, 15),
    "fremovexattr": (199, 237, 16),
    "setxattrat": (463, 463, 463),
    "removexattrat": (466, 466, 466),
    "utime": (132, 30, None),
    "utimes": (235, 271, None),
    "futimesat": (261, 299, None),
    "utimensat": (280, 320, 88),
    "utimensat_time64": (None, 412, 412),
    "mknod": (133, 14, None),
    "mknodat": (259, 297, 33),
    "setuid": (105, 23, 146),
    "setreuid": (113, 70, 145),
    "setresuid": (117, 164, 147),
    "setgid": (106, 46, 144),
    "setregid": (114, 71, 143),
    "setresgid": (119, 170, 149),
    "setuid32": (None, 213, None),
    "setreuid32": (None, 203, None),
    "setresuid32": (None, 208, None),
    "setgid32": (None, 214, None),
    "setregid32": (None, 204, None),
    "setresgid32": (None, 210, None),
    "capset": (126, 185, 91),
    "unshare": (272, 310, 97),
    "setns": (308, 346, 268),
    "clone": (56, 120, 220),
    "clone3": (435, 435, 435),
    "chroot": (161, 61, 51),
    "pivot_root": (155, 217, 41),
    "ptrace": (101, 26, 117),
    "process_vm_readv": (310, 347, 270),
    "process_vm_writev": (311, 348, 271),
    "pidfd_getfd": (438, 438, 438),
    "memfd_create": (319, 356, 279),
    "memfd_secret": (447, 447, 447),
    "dup": (32, 41, 23),
    "dup2": (33, 63, None),
    "dup3": (292, 330, 24),
    "fcntl": (72, 55, 25),
    "fcntl64": (None, 221, None),
    "mmap": (9, 90, 222),
    "mmap2": (None, 192, None),
    "mprotect": (10, 125, 226),
    "pkey_mprotect": (329, 380, 288),
    "prctl": (157, 172, 167),
    "userfaultfd": (323, 374, 282),
    "socket": (41, 359, 198),
    "setsockopt": (54, 366, 208),
    "accept": (43, None, 202),
    "accept4": (288, 364, 242),
    "bind": (49, 361, 200),
    "socketcall": (None, 102, None),
    "init_module": (175, 128, 105),
    "finit_module": (313, 350, 273),
    "delete_module": (176, 129, 106),
    "bpf": (321, 357, 280),
    "kexec_load": (246, 283, 104),
    "kexec_file_load": (320, None, 294),
    "io_uring_setup": (425, 425, 425),
    "io_uring_register": (427, 427, 427),
    "perf_event_open": (298, 336, 241),
    "ioperm": (173, 101, None),
    "iopl": (172, 110, None),
    "keyctl": (250, 288, 219),
    "add_key": (248, 286, 217),
    "request_key": (249, 287, 218),
    "mount": (165, 21, 40),
    "umount": (None, 22, None),
    "umount2": (166, 52, 39),
    "fsopen": (430, 430, 430),
    "fsmount": (432, 432, 432),
    "move_mount": (429, 429, 429),
    "open_tree": (428, 428, 428),
    "mount_setattr": (442, 442, 442),
}

#: Other names of a call, by the name that the hook has.
SAME: dict[str, tuple[str, ...]] = {
    "truncate": ("truncate64",),
    "ftruncate": ("ftruncate64",),
    "chown": ("chown32",),
    "fchown": ("fchown32",),
    "lchown": ("lchown32",),
    "utimensat": ("utimensat_time64",),
    "fcntl": ("fcntl64",),
    "mmap": ("mmap2",),
    "umount2": ("umount",),
    **{f"set{what}": (f"set{what}32",) for what in ("uid", "reuid", "resuid", "gid", "regid", "resgid")},
}

NATIVE, COMPAT = 0, 1


def numbers(name: str, machine: str | None = None) -> list[tuple[int, int]]:
    """(NATIVE or COMPAT, number) of every way to make the call on this machine; empty when there is none."""
    columns = (0, 1) if (machine or platform.machine()) == "x86_64" else (2,)
    found = []
    for abi, column in enumerate(columns):
        for one in (name, *SAME.get(name, ())):
            number = NUMBERS[one][column]
            if number is not None:
                found.append((abi, number))
    return found


KALLSYMS = Path("/proc/kallsyms")
_PREFIXES = ("__x64_sys_", "__arm64_sys_", "__ia32_sys_", "__se_sys_")


#: Calls that kernels may have as functions that only fail (without CONFIG_X86_IOPL_IOPERM, CONFIG_ARCH_HAS_PKEYS), with
#: arguments that none takes, or that change nothing: the protection of no bytes.
_STUBS: dict[str, tuple[int, ...]] = {"ioperm": (-1, 1, 0), "iopl": (4,), "pkey_mprotect": (0, 0, 0, -1)}


def _is_stub(name: str) -> bool:
    try:
        libc.syscall(name, *_STUBS[name])
    except OSError as error:
        return error.errno == errno.ENOSYS
    return False


def implemented(name: str, typed: Callable[[str], bool], symbols: Path = KALLSYMS) -> bool:
    """Does the running kernel have the call?

    `typed` says whether its BTF has a function. Older kernels leave some out, so the symbols have the last word.
    """
    if name in _STUBS and _is_stub(name):
        return False
    names = {prefix + one for prefix in _PREFIXES for one in (name, *SAME.get(name, ()))}
    if any(typed(one) for one in names):
        return True
    with suppress(OSError):
        pattern = rb" (?:%s)$" % b"|".join(one.encode() for one in names)
        return re.search(pattern, symbols.read_bytes(), re.MULTILINE) is not None
    return False

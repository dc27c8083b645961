# SPDX-License-Identifier: Apache-2.0
"""The few system calls that Python's own library lacks, as one table of signatures.

Used by positive controls (harmless actions that a hook must see) and by child supervision.
Every function raises OSError with the kernel's errno.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import signal
from typing import Any

MACHINE = os.uname().machine
PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
PTRACE_TRACEME = 0
CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWNET = 0x40000000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
AT_FDCWD = -100
BPF_PROG_LOAD = 5
BPF_MAP_GET_FD_BY_ID = 14
BPF_F_RDONLY = 8

_INT, _LONG, _ULONG, _CHARS = ctypes.c_int, ctypes.c_long, ctypes.c_ulong, ctypes.c_char_p

#: name -> (result, arguments). Source: the section-2 man pages.
SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "prctl": (_INT, (_INT, _ULONG, _ULONG, _ULONG, _ULONG)),
    "ptrace": (_LONG, (_LONG, _INT, ctypes.c_void_p, ctypes.c_void_p)),
    "unshare": (_INT, (_INT,)),
    "mount": (_INT, (_CHARS, _CHARS, _CHARS, _ULONG, _CHARS)),
}

#: Calls without a libc wrapper, and calls of which libc would choose another variant.
#: Source: arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h.
NUMBERS: dict[str, dict[str, int]] = {
    "x86_64": {
        **{"bpf": 321, "init_module": 175, "finit_module": 313, "capset": 126},
        **{"open": 2, "openat": 257, "openat2": 437, "creat": 85, "dup": 32},
        **{"name_to_handle_at": 303, "open_by_handle_at": 304},
        **{"rename": 82, "renameat": 264, "renameat2": 316, "unlink": 87, "unlinkat": 263},
        **{"unshare": 272, "setns": 308, "clone": 56, "clone3": 435, "chroot": 161, "pivot_root": 155},
        "prctl": 157,
        **{"fsopen": 430, "fsconfig": 431, "fsmount": 432, "move_mount": 429, "open_tree": 428},
        **{"umount2": 166, "mount_setattr": 442, "userfaultfd": 323, "perf_event_open": 298},
        **{
            "process_vm_readv": 310,
            "process_vm_writev": 311,
            "pidfd_getfd": 438,
            "accept": 43,
            "accept4": 288,
        },
        **{"io_uring_setup": 425, "io_uring_enter": 426, "kexec_load": 246, "kexec_file_load": 320},
        **{"ioperm": 173, "iopl": 172, "keyctl": 250, "add_key": 248, "request_key": 249},
        **{"link": 86, "linkat": 265, "symlink": 88, "symlinkat": 266, "mknod": 133, "mknodat": 259},
        **{"chmod": 90, "fchmod": 91, "fchmodat": 268, "fchmodat2": 452},
        **{"chown": 92, "fchown": 93, "lchown": 94, "fchownat": 260, "truncate": 76, "ftruncate": 77},
        **{"setxattr": 188, "lsetxattr": 189, "fsetxattr": 190, "setxattrat": 463},
        **{"removexattr": 197, "lremovexattr": 198, "fremovexattr": 199, "removexattrat": 466},
        **{"utime": 132, "utimes": 235, "futimesat": 261, "utimensat": 280},
        **{"mprotect": 10, "pkey_mprotect": 329},
        **{
            "setuid": 105,
            "setreuid": 113,
            "setresuid": 117,
            "setgid": 106,
            "setregid": 114,
            "setresgid": 119,
        },
    },
    "aarch64": {
        **{"bpf": 280, "init_module": 105, "finit_module": 273, "capset": 91},
        **{"openat": 56, "openat2": 437, "dup": 23, "name_to_handle_at": 264, "open_by_handle_at": 265},
        **{"renameat": 38, "renameat2": 276, "unlinkat": 35},
        **{"unshare": 97, "setns": 268, "clone": 220, "clone3": 435, "chroot": 51, "pivot_root": 41},
        "prctl": 167,
        **{"fsopen": 430, "fsconfig": 431, "fsmount": 432, "move_mount": 429, "open_tree": 428},
        **{"umount2": 39, "mount_setattr": 442, "userfaultfd": 282, "perf_event_open": 241},
        **{
            "process_vm_readv": 270,
            "process_vm_writev": 271,
            "pidfd_getfd": 438,
            "accept": 202,
            "accept4": 242,
        },
        **{"io_uring_setup": 425, "io_uring_enter": 426, "kexec_load": 104, "kexec_file_load": 294},
        **{"keyctl": 219, "add_key": 217, "request_key": 218},
        **{"linkat": 37, "symlinkat": 36, "mknodat": 33},
        **{"fchmod": 52, "fchmodat": 53, "fchmodat2": 452, "fchown": 55, "fchownat": 54},
        **{"truncate": 45, "ftruncate": 46},
        **{"setxattr": 5, "lsetxattr": 6, "fsetxattr": 7, "setxattrat": 463},
        **{"removexattr": 14, "lremovexattr": 15, "fremovexattr": 16, "removexattrat": 466},
        **{"utimensat": 88, "mprotect": 226, "pkey_mprotect": 288},
        **{
            "setuid": 146,
            "setreuid": 145,
            "setresuid": 147,
            "setgid": 144,
            "setregid": 143,
            "setresgid": 149,
        },
    },
}

_libc = ctypes.CDLL(None, use_errno=True)
for _name, (_result, _arguments) in SIGNATURES.items():
    getattr(_libc, _name).restype = _result
    getattr(_libc, _name).argtypes = _arguments
_libc.syscall.restype = _LONG


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result


def find_libbpf() -> str | None:
    """File name of the installed libbpf, or None."""
    from ctypes.util import find_library

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


def clone(flags: int, *, new_call: bool) -> int:
    """A child by clone or clone3, as fork(2) returns it. The child may only call os._exit."""
    if (
        new_call
    ):  # struct clone_args: flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls
        block = b"".join(n.to_bytes(8, "little") for n in (flags, 0, 0, 0, signal.SIGCHLD, 0, 0, 0))
        return syscall("clone3", block, len(block))
    return syscall("clone", flags | signal.SIGCHLD, 0, 0, 0, 0)


def private_network_namespace() -> None:
    """Leave the host's network; this process has a loopback of its own, which is down. Needs CAP_SYS_ADMIN."""
    _checked(_libc.unshare(CLONE_NEWNET), "unshare")


def place_of(function: str) -> tuple[str, int]:
    """File and offset of a function of libc in this process, for a uprobe. Raises OSError when it has no file."""
    address = ctypes.cast(getattr(_libc, function), ctypes.c_void_p).value or 0
    with open("/proc/self/maps") as maps:  # noqa: PTH123 - pathlib is slow to import
        for line in maps:
            span, _mode, offset, _device, _inode, *path = line.split(maxsplit=5)
            first, last = (int(end, 16) for end in span.split("-"))
            if first <= address < last and path:
                return path[0].strip(), address - first + int(offset, 16)
    raise OSError(errno.ENOENT, f"{function} is in no file", function)


def mount(source: str, target: str, fs_type: str) -> None:
    _checked(_libc.mount(source.encode(), os.fsencode(target), fs_type.encode(), 0, None), "mount")


def syscall(name: str, *arguments: int | bytes) -> int:
    """A system call by name: integers as registers, bytes as a pointer to a private, writable copy."""
    number = NUMBERS.get(MACHINE, {}).get(name)
    if number is None:
        raise OSError(errno.ENOSYS, f"{MACHINE} has no system call {name} that is known here", name)
    buffers = [
        ctypes.create_string_buffer(one, len(one) + 1) if isinstance(one, bytes) else _LONG(one)
        for one in arguments
    ]
    return _checked(_libc.syscall(_LONG(number), *buffers), name)


class Memory:
    """Bytes (and a terminator) at an address that a system call may be told; they stay while this object lives."""

    def __init__(self, content: bytes) -> None:
        self._bytes = ctypes.create_string_buffer(content, len(content) + 1)
        self.address: int = ctypes.addressof(self._bytes)

    def content(self) -> bytes:
        """What is there now."""
        return self._bytes.raw[:-1]


def open_by_handle(path: str, flags: int) -> int:
    """Open a file through its handle, see open_by_handle_at(2). Needs CAP_DAC_READ_SEARCH."""
    handle = ctypes.create_string_buffer((128).to_bytes(4, "little") + bytes(4 + 128), 136)
    mount_id = ctypes.c_int()
    numbers = NUMBERS[MACHINE]
    name = ctypes.c_char_p(os.fsencode(path))
    there = _LONG(AT_FDCWD)
    first = _libc.syscall(
        _LONG(numbers["name_to_handle_at"]), there, name, handle, ctypes.byref(mount_id), _LONG(0)
    )
    _checked(first, "name_to_handle_at")
    mount = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)  # noqa: PTH120 - any file of that mount
    try:
        opened = _libc.syscall(_LONG(numbers["open_by_handle_at"]), _LONG(mount), handle, _LONG(flags))
        return _checked(opened, "open_by_handle_at")
    finally:
        os.close(mount)


def drop_capabilities() -> None:
    """capset(2) with nothing in any set."""
    syscall("capset", (0x20080522).to_bytes(4, "little") + bytes(4), bytes(24))


def init_module(image: bytes) -> None:
    """init_module(2) with `image`; anything that is not a module fails with ENOEXEC or EPERM."""
    syscall("init_module", image, len(image), b"")


def finit_module(fd: int) -> None:
    """finit_module(2); a file that is no module fails."""
    syscall("finit_module", fd, b"", 0)


def _bpf(command: int, attributes: bytes) -> int:
    return syscall("bpf", command, attributes.ljust(128, b"\0"), 128)


def bpf_program() -> int:
    """A descriptor of a new socket filter that returns 0; it is attached to nothing."""
    instructions = ctypes.create_string_buffer(
        b"\xb7\0\0\0\0\0\0\0" + b"\x95\0\0\0\0\0\0\0",  # r0 = 0; exit
        16,
    )
    licence = ctypes.create_string_buffer(b"GPL")
    kind, count = 1, 2  # BPF_PROG_TYPE_SOCKET_FILTER, two instructions
    attributes = kind.to_bytes(4, "little") + count.to_bytes(4, "little")
    attributes += ctypes.addressof(instructions).to_bytes(8, "little")
    attributes += ctypes.addressof(licence).to_bytes(8, "little")
    return _bpf(BPF_PROG_LOAD, attributes)


def _compat(entry: bytes, argument: int = 0) -> int:
    """Run code that makes a 32-bit call of a 64-bit x86 kernel. Raises OSError (ENOSYS) elsewhere."""
    if MACHINE != "x86_64":
        raise OSError(errno.ENOSYS, "no 32-bit entry on this machine")
    code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(entry)
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    result: int = ctypes.CFUNCTYPE(ctypes.c_int, _LONG)(address)(argument)
    if result < 0:
        raise OSError(-result, os.strerror(-result), "32-bit call")
    return result


def compat_getpid() -> int:
    """getpid by a 32-bit call."""
    return _compat(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")  # mov eax, 20 (getpid); int 0x80; ret


def _low_page() -> int:
    """Address of a new page below 4 GiB, which stays until the process ends.

    A heap of a gigabyte, which starts low where the program is at a fixed address, may fill what MAP_32BIT offers.
    """
    map_32bit, map_fixed_noreplace, failed = 0x40, 0x100000, ctypes.c_void_p(-1).value
    _libc.mmap.restype = ctypes.c_void_p
    _libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, _LONG)
    for place in (
        0,
        *range(0x8000_0000, 0xF000_0000, 0x0800_0000),
        *range(0x1000_0000, 0x4000_0000, 0x0800_0000),
    ):
        how = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | (map_fixed_noreplace if place else map_32bit)
        found = _libc.mmap(place, mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_WRITE, how, -1, 0)
        if found not in (None, failed):
            return int(found)
    raise OSError(errno.ENOMEM, "no free page below 4 GiB")


def compat_socket(family: int, kind: int, protocol: int) -> int:
    """A socket by 32-bit socketcall, whose arguments lie in memory below 4 GiB."""
    address = _low_page()
    arguments = b"".join(n.to_bytes(4, "little") for n in (family, kind, protocol))
    ctypes.memmove(address, arguments, len(arguments))
    # push rbx; mov eax, 102 (socketcall); mov ebx, 1 (SYS_SOCKET); mov ecx, edi; int 0x80; pop rbx; ret
    return _compat(b"\x53\xb8\x66\x00\x00\x00\xbb\x01\x00\x00\x00\x89\xf9\xcd\x80\x5b\xc3", address)


def bpf_map(number: int, flags: int = 0) -> int:
    """A descriptor of the map of that id, for writing too unless `flags` is BPF_F_RDONLY. Needs CAP_SYS_ADMIN."""
    return _bpf(BPF_MAP_GET_FD_BY_ID, number.to_bytes(4, "little") + bytes(4) + flags.to_bytes(4, "little"))

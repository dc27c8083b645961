# SPDX-License-Identifier: Apache-2.0
"""Why an act cannot run on this machine, each check by name. None: it can."""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.evasion import build


def compiled() -> str | None:
    return build.obstacle()


def program(name: str) -> str | None:
    return None if shutil.which(name) else f"{name} is not installed"


def perl() -> str | None:
    return program("perl")


def bash() -> str | None:
    return program("bash")


def io_uring() -> str | None:
    setting = Path("/proc/sys/kernel/io_uring_disabled")
    if setting.exists() and setting.read_text().strip() == "2":
        return "io_uring is switched off (kernel.io_uring_disabled)"
    if ctypes.CDLL(None).syscall(425, 0, None) == -1 and ctypes.get_errno() == 38:
        return "the kernel has no io_uring"
    return None


def _mounted(kind: str, option: str = "") -> bool:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _source, _place, found, options = line.split()[:4]
        if found == kind and (not option or option in options.split(",")):
            return True
    return False


def cgroup2() -> str | None:
    return None if _mounted("cgroup2") else "no cgroup v2 is mounted"


def cgroup1() -> str | None:
    return None if _mounted("cgroup", "pids") else "no cgroup v1 hierarchy is mounted"


def cgroup1_built() -> str | None:
    return None if _mounted("cgroup") else "the kernel shows no cgroup v1"


def tracefs() -> str | None:
    return None if _mounted("tracefs") else "tracefs is not mounted"


def ftrace() -> str | None:
    return None if Path("/proc/sys/kernel/ftrace_enabled").exists() else "the kernel has no function tracing"


def modules() -> str | None:
    if not Path("/proc/modules").exists():
        return "the kernel was built without modules"
    return None if any(Path("/modules").glob("*.ko")) else "no module to load in /modules"


def compat() -> str | None:
    """Whether the kernel takes 32-bit calls; where not, int 0x80 ends the process."""
    pid = os.fork()
    if pid == 0:
        area = _code(bytes.fromhex("b814000000cd80c3"))  # getpid, number 20
        os._exit(0 if area() == os.getpid() else 1)
    _, status = os.waitpid(pid, 0)
    return None if status == 0 else "the kernel takes no 32-bit calls"


def _code(text: bytes) -> Callable[[], int]:
    libc = ctypes.CDLL(None)
    libc.mmap.restype = ctypes.c_void_p
    area = libc.mmap(None, ctypes.c_size_t(4096), 7, 0x22, -1, ctypes.c_long(0))
    ctypes.memmove(area, text, len(text))
    return ctypes.CFUNCTYPE(ctypes.c_int)(area)


def xdp_sockets() -> str | None:
    return _protocol("XDP")


def vsock() -> str | None:
    return _protocol("AF_VSOCK")


def _protocol(name: str) -> str | None:
    """Looked up and not tried: opening such a socket is the very act that is waited for."""
    known = {line.split()[0] for line in Path("/proc/net/protocols").read_text().splitlines()}
    return None if name in known else f"the kernel has no {name} sockets"


def time_namespaces() -> str | None:
    return None if Path("/proc/self/ns/time").exists() else "the kernel has no time namespaces"


def handles() -> str | None:
    """File handles need a file system that exports them."""
    libc = ctypes.CDLL(None, use_errno=True)
    handle = ctypes.create_string_buffer(b"\x80", 136)
    mount = ctypes.create_string_buffer(4)
    if libc.syscall(303, -100, b"/etc/passwd", handle, mount, 0) == 0:
        return None
    return f"no file handles on /etc: {os.strerror(ctypes.get_errno())}"


def tmpfile() -> str | None:
    try:
        os.close(os.open("/var/lib", os.O_TMPFILE | os.O_RDWR, 0o600))
    except OSError as error:
        return f"no O_TMPFILE below /var/lib: {error.strerror}"
    return None


def obstacle_of(needs: tuple[str, ...]) -> str:
    """The first reason, or nothing."""
    for name in needs:
        reason: str | None = globals()[name]()
        if reason is not None:
            return reason
    return ""

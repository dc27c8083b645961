# SPDX-License-Identifier: Apache-2.0
"""What the programs of the suite share: the job they were given, raw system calls, names that are theirs alone."""

from __future__ import annotations

import ctypes
import ctypes.util
import hashlib
import os
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long

#: x86-64, from asm/unistd_64.h.
NR = {
    "open": 2,
    "creat": 85,
    "mmap": 9,
    "clone": 56,
    "ptrace": 101,
    "prctl": 157,
    "mount": 165,
    "io_setup": 206,
    "io_submit": 209,
    "unshare": 272,
    "splice": 275,
    "name_to_handle_at": 303,
    "open_by_handle_at": 304,
    "setns": 308,
    "process_vm_writev": 311,
    "finit_module": 313,
    "delete_module": 176,
    "bpf": 321,
    "execveat": 322,
    "userfaultfd": 323,
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "openat2": 437,
    "pidfd_getfd": 438,
}
AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
CLONE_NEWNS = 0x20000
CLONE_PARENT = 0x8000
CLONE_NEWTIME = 0x80
CLONE_NEWUTS = 0x4000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18


class Job:
    """One act's order: its mark (unique, on its own command line), a directory of its own, the sensor's log and pid."""

    def __init__(self, mark: str, directory: str, auth_log: str, sensor_pid: str) -> None:
        self.mark = mark
        self.directory = Path(directory)
        self.auth_log = Path(auth_log)
        self.sensor_pid = int(sensor_pid)
        #: A name that does not hold the mark, so that only the process tells whose act it was.
        self.plain = "iwe" + hashlib.sha256(mark.encode()).hexdigest()[:12]

    @property
    def cron(self) -> str:
        return f"/etc/cron.d/{self.mark}"

    @property
    def plain_cron(self) -> str:
        return f"/etc/cron.d/{self.plain}"

    def health(self) -> str:
        """What the sensor last said of itself, which lies beside the directory."""
        return (self.directory.parent / "data" / "sensor-health.json").read_text()

    def copy(self, source: str, name: str = "", directory: str = "") -> str:
        """An executable copy of a system program under a name of the job's own."""
        target = Path(directory or self.directory) / (name or self.mark)
        target.write_bytes(Path(source).read_bytes())
        target.chmod(0o755)
        return str(target)


def main(functions: dict[str, Any]) -> None:
    """`program.py ACT MARK DIRECTORY AUTH_LOG SENSOR_PID`: call the program's function of that name."""
    job = Job(*sys.argv[2:6])
    try:
        functions[sys.argv[1]](job)
    finally:
        for leftover in (job.cron, job.plain_cron):
            remove(leftover)


def remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return


def call(name: str, *arguments: int | bytes | ctypes.Array[ctypes.c_char] | None) -> int:
    """A raw system call; raises OSError."""
    converted = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = int(libc.syscall(ctypes.c_long(NR[name]), *converted))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")
    return result


def write_file(path: str, data: bytes = b"# nothing\n", flags: int = os.O_WRONLY | os.O_CREAT) -> None:
    """Create or open, write, close; one open call and no temporary name."""
    fd = os.open(path, flags, 0o644)
    os.write(fd, data)
    os.close(fd)


def mount(
    source: str | None, target: str, kind: str | None = None, flags: int = 0, data: str | None = None
) -> None:
    encoded = [None if text is None else text.encode() for text in (source, target, kind, data)]
    call("mount", encoded[0], encoded[1], encoded[2], flags, encoded[3])


def private_mounts() -> None:
    """A mount namespace of our own: nothing mounted from here on is seen by anybody else."""
    call("unshare", CLONE_NEWNS)
    mount("none", "/", None, MS_REC | MS_PRIVATE)


def sleeper(*, uid: int | None = None) -> subprocess.Popen[bytes]:
    """A process to act upon; the caller ends it. It has run its program, as that user, when this returns."""
    become = f"os.setgid({uid}); os.setuid({uid}); " if uid is not None else ""
    code = f"import os, time; {become}print(flush=True); time.sleep(30)"
    child = subprocess.Popen([sys.executable, "-E", "-s", "-S", "-c", code], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    return child


def end(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()


def in_child(act: Callable[[], None]) -> None:
    """Run `act` in a forked child; raises RuntimeError when it failed."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            act()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    if status:
        raise RuntimeError(f"the child ended with status {status}")


def wait_for(what: Callable[[], object], timeout_s: float, why: str) -> None:
    deadline = time.monotonic() + timeout_s
    while not what():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{why}: not within {timeout_s} s")
        time.sleep(0.02)


def execve(path: str, arguments: Sequence[bytes]) -> None:
    """execve(2) itself, with an argument vector that the os module would refuse; returns only on failure."""
    vector = (ctypes.c_char_p * (len(arguments) + 1))(*arguments, None)
    environment = (ctypes.c_char_p * 1)(None)
    libc.execve(path.encode(), vector, environment)
    error = ctypes.get_errno()
    raise OSError(error, os.strerror(error), path)


def own_network() -> None:
    """A network namespace of our own whose loopback also bears 203.0.113.1 (TEST-NET-3), so that a connection to an
    outside address never leaves the process's namespace."""
    import fcntl
    import socket

    call("unshare", CLONE_NEWNET)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        up = struct.pack("16sH14s", b"lo", 1, b"")
        fcntl.ioctl(control, 0x8914, up)  # SIOCSIFFLAGS: IFF_UP
        address = struct.pack("16sHH4s8s", b"lo:1", socket.AF_INET, 0, socket.inet_aton("203.0.113.1"), b"")
        fcntl.ioctl(control, 0x8916, address)  # SIOCSIFADDR

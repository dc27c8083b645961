# SPDX-License-Identifier: Apache-2.0
"""Cases 12, 13 and 15 to 20: programs without a file, arguments that lie, parents that are gone."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from common import (
    AT_EMPTY_PATH,
    Job,
    call,
    end,
    execve,
    in_child,
    libc,
    main,
    wait_for,
    write_file,
)

TRUE = "/bin/true"
SHELL = "/bin/sh"


def _execveat(fd: int, arguments: list[bytes]) -> None:
    vector = (ctypes.c_char_p * (len(arguments) + 1))(*arguments, None)
    environment = (ctypes.c_char_p * 1)(None)
    call("execveat", fd, b"", vector, environment, AT_EMPTY_PATH)  # type: ignore[arg-type]


def memory_program(job: Job) -> None:
    fd = os.memfd_create("x", os.MFD_CLOEXEC)
    os.write(fd, Path(TRUE).read_bytes())
    in_child(lambda: _execveat(fd, [job.mark.encode()]))


def deleted_program(job: Job) -> None:
    path = job.copy(TRUE)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    os.unlink(path)
    in_child(lambda: _execveat(fd, [job.mark.encode()]))


def nameless_program(job: Job) -> None:
    """O_TMPFILE: the file never had a name."""
    made = os.open(job.directory, os.O_TMPFILE | os.O_RDWR, 0o700)
    os.write(made, Path(TRUE).read_bytes())
    fd = os.open(f"/proc/self/fd/{made}", os.O_RDONLY | os.O_CLOEXEC)
    os.close(made)
    in_child(lambda: _execveat(fd, [job.mark.encode()]))


def program_then_unlink(job: Job) -> None:
    path = job.copy("/bin/sleep", directory="/dev/shm")
    child = subprocess.Popen([path, "5"])
    os.unlink(path)
    end(child)


def _some_library() -> str:
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = line.split(maxsplit=5)[-1]
        if "/libm.so" in path or "/libm-" in path or "/libz.so" in path:
            return path
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = line.split(maxsplit=5)[-1]
        if ".so" in path and "ld-" not in path and "libc." not in path:
            return path
    raise RuntimeError("no library to copy")


def memory_library(job: Job) -> None:
    fd = os.memfd_create("x")
    os.write(fd, Path(_some_library()).read_bytes())
    ctypes.CDLL(f"/proc/self/fd/{fd}")


def deleted_library(job: Job) -> None:
    path = job.directory / "x.so"
    path.write_bytes(Path(_some_library()).read_bytes())
    fd = os.open(path, os.O_RDONLY)
    path.unlink()
    ctypes.CDLL(f"/proc/self/fd/{fd}")


def preloaded_library(job: Job) -> None:
    path = Path("/dev/shm") / f"{job.mark}.so"
    path.write_bytes(Path(_some_library()).read_bytes())
    try:
        subprocess.run([TRUE], env={"LD_PRELOAD": str(path)}, check=True, stderr=subprocess.DEVNULL)
    finally:
        path.unlink()


def padded(job: Job) -> None:
    """The telling argument comes after 100,000 bytes of nothing."""
    subprocess.run([TRUE, "x" * 100_000, "stratum+tcp://203.0.113.1:3333"], check=True)


def padded_beyond(job: Job) -> None:
    subprocess.run([TRUE, *["x" * 100_000] * 4, "stratum+tcp://203.0.113.1:3333"], check=True)


def no_arguments(job: Job) -> None:
    path = job.copy(TRUE)
    in_child(lambda: execve(path, []))


def empty_name(job: Job) -> None:
    path = job.copy(TRUE)
    in_child(lambda: execve(path, [b""]))


def unprintable(job: Job) -> None:
    """A terminal's escape sequences, line ends and bytes that are no text, in the file's name and its arguments."""
    path = job.copy(TRUE, f"{job.mark}\n\x1b[31m\x7f", "/dev/shm")
    try:
        in_child(
            lambda: execve(path, [b"a\nb", b"\x1b]0;x\x07", b"\xff\xfe\x80", b"", b'"},{"detector":"x"'])
        )
    finally:
        os.unlink(path)


def kernel_thread_name(job: Job) -> None:
    path = job.copy(TRUE)
    in_child(lambda: execve(path, [b"[kworker/0:1]"]))


def renamed(job: Job) -> None:
    libc.prctl(15, b"kworker/0:1", 0, 0, 0)  # PR_SET_NAME


def arguments_overwritten(job: Job) -> None:
    """The process shows another command line from now on; what it was started with is known all the same."""
    fields = Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()
    start, stop = int(fields[45]), int(fields[46])  # arg_start, arg_end: fields 48 and 49 of proc_pid_stat(5)
    ctypes.memset(start, ord("x"), stop - start - 1)
    if job.mark in Path("/proc/self/cmdline").read_text():
        raise RuntimeError("the command line was not overwritten")
    write_file(job.plain_cron)


MIDDLE = """
import ctypes, os, sys, time
how, path = sys.argv[1], sys.argv[2]
libc = ctypes.CDLL(None)
def act():
    parent = os.getppid()
    while how == "double-fork" and os.getppid() == middle:
        time.sleep(0.01)
    os.execv("/bin/sh", ["sh", "-c", "echo '# nothing' >" + path])
middle = os.getpid()
if how == "clone-parent":
    if libc.syscall(56, ctypes.c_long(0x8000 | 17), None, None, None, None) == 0:
        act()
elif os.fork() == 0:
    os.setsid()
    act()
os._exit(0)
"""


def _orphan(job: Job, how: str) -> None:
    libc.prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: the orphan becomes ours, not the middle one's
    command = [sys.executable, "-E", "-s", "-S", "-c", MIDDLE, how, job.plain_cron, f"middle-{job.mark}"]
    subprocess.run(command, check=True)
    wait_for(lambda: Path(job.plain_cron).exists(), 10, "the orphan did not act")
    os.waitpid(-1, 0)


def double_fork(job: Job) -> None:
    _orphan(job, "double-fork")


def clone_parent(job: Job) -> None:
    _orphan(job, "clone-parent")


def short_lived(job: Job) -> None:
    """Some hundred processes that are gone before anybody could look into /proc, the last one under the job's mark."""
    path = job.copy(str(job.directory.parent / "brief"), directory="/dev/shm")
    try:
        for number in range(200):
            os.waitpid(os.posix_spawn(path, [f"brief-{number}"], {}), 0)
    finally:
        os.unlink(path)


def thread_exec(job: Job) -> None:
    """A thread that is not the first one starts the program; the process keeps its id, all other threads end."""
    path = job.copy(TRUE, directory="/dev/shm")

    def act() -> None:
        threading.Thread(target=lambda: execve(path, [job.mark.encode()])).start()
        time.sleep(20)

    try:
        in_child(act)
    finally:
        os.unlink(path)


def namespace_pid_reused(job: Job) -> None:
    """The next process gets the id that a harmless one just had."""
    harmless = subprocess.Popen([TRUE])
    harmless.wait()
    Path("/proc/sys/kernel/ns_last_pid").write_text(str(harmless.pid - 1))
    actor = subprocess.Popen([SHELL, "-c", f"echo '# nothing' >{job.plain_cron}", f"reuser-{job.mark}"])
    actor.wait()
    if actor.pid != harmless.pid:
        raise RuntimeError(f"got pid {actor.pid}, not {harmless.pid}")


def argument_not_resident(job: Job) -> None:
    """The file name and the arguments of the exec lie on pages that were just thrown out."""
    import mmap

    path = job.copy(TRUE, directory="/dev/shm")
    holder = job.directory / "text"
    holder.write_bytes(path.encode() + b"\0" + bytes(8192))
    fd = os.open(holder, os.O_RDWR)
    os.fsync(fd)
    area = mmap.mmap(fd, 8192, mmap.MAP_SHARED)
    address = ctypes.addressof(ctypes.c_char.from_buffer(area))

    def act() -> None:
        libc.madvise(ctypes.c_void_p(address), ctypes.c_size_t(8192), 21)
        libc.madvise(ctypes.c_void_p(address), ctypes.c_size_t(8192), 4)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        vector = (ctypes.c_void_p * 2)(address, None)
        libc.execve(ctypes.c_void_p(address), vector, (ctypes.c_char_p * 1)(None))
        raise OSError(ctypes.get_errno(), "execve")

    try:
        in_child(act)
    finally:
        os.unlink(path)


if __name__ == "__main__":
    main(globals())

# SPDX-License-Identifier: Apache-2.0
"""Cases 3 to 8, 27, 37 and 38: a watched file is reached by other roads than open(2) of its name."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import mmap
import os
import select
import socket
import stat
import struct
import threading
from pathlib import Path

from common import (
    AT_FDCWD,
    MS_BIND,
    Job,
    call,
    end,
    libc,
    main,
    mount,
    own_network,
    private_mounts,
    remove,
    sleeper,
    write_file,
)

WRITE = os.O_WRONLY | os.O_CREAT


def symlink(job: Job) -> None:
    link = job.directory / "innocent"
    link.symlink_to("/etc/cron.d")
    write_file(f"{link}/{job.mark}")


def dotdot(job: Job) -> None:
    write_file(f"/usr/lib/../../etc/./cron.d/../cron.d/{job.mark}")


def proc_root(job: Job) -> None:
    write_file(f"/proc/self/root/etc/cron.d/{job.mark}")


def chroot(job: Job) -> None:
    os.chroot("/etc")
    os.chdir("/")
    write_file(f"/cron.d/{job.mark}")
    remove(f"/cron.d/{job.mark}")


def bind(job: Job) -> None:
    place = job.directory / "place"
    place.mkdir()
    private_mounts()
    mount("/etc/cron.d", str(place), None, MS_BIND)
    write_file(f"{place}/{job.mark}")


def dirfd_reused(job: Job) -> None:
    directory = os.open("/etc/cron.d", os.O_RDONLY | os.O_DIRECTORY)
    other = os.open(job.directory, os.O_RDONLY | os.O_DIRECTORY)
    fd = os.open(job.mark, WRITE, 0o644, dir_fd=directory)
    os.dup2(other, directory)
    os.dup2(other, fd)


def rename_dirfd_reused(job: Job) -> None:
    write_file(str(job.directory / "x"))
    directory = os.open("/etc/cron.d", os.O_RDONLY | os.O_DIRECTORY)
    other = os.open(job.directory, os.O_RDONLY | os.O_DIRECTORY)
    os.rename("x", job.mark, src_dir_fd=other, dst_dir_fd=directory)
    os.dup2(other, directory)


def call_open(job: Job) -> None:
    os.close(call("open", job.cron.encode(), WRITE, 0o644))


def call_creat(job: Job) -> None:
    os.close(call("creat", job.cron.encode(), 0o644))


def call_openat2(job: Job) -> None:
    how = ctypes.create_string_buffer(struct.pack("<3Q", WRITE, 0o644, 0), 24)
    os.close(call("openat2", AT_FDCWD, job.cron.encode(), how, 24))


def call_open_by_handle(job: Job) -> None:
    """The account file is opened for writing and left as it is."""
    handle = ctypes.create_string_buffer(struct.pack("<Ii", 128, 0), 8 + 128)
    mount_id = ctypes.create_string_buffer(4)
    call("name_to_handle_at", AT_FDCWD, b"/etc/passwd", handle, mount_id, 0)
    root = os.open("/etc", os.O_RDONLY | os.O_DIRECTORY)
    os.close(call("open_by_handle_at", root, handle, os.O_WRONLY))


def open_tree(job: Job) -> None:
    """The task directory is cloned and mounted elsewhere with the new mount calls."""
    place = job.directory / "place"
    place.mkdir()
    private_mounts()
    tree = call("open_tree", AT_FDCWD, b"/etc/cron.d", 1)
    call("move_mount", tree, b"", AT_FDCWD, str(place).encode(), 4)


def move_mount_over_process(job: Job) -> None:
    """A new, empty file system over a process's directory, without mount(2)."""
    private_mounts()
    child = sleeper()
    try:
        made = call("fsopen", b"tmpfs", 0)
        call("fsconfig", made, 6, None, None, 0)
        fs = call("fsmount", made, 0, 0)
        call("move_mount", fs, b"", AT_FDCWD, f"/proc/{child.pid}".encode(), 4)
    finally:
        end(child)


def bind_over_process(job: Job) -> None:
    place = job.directory / "empty"
    place.mkdir()
    private_mounts()
    child = sleeper()
    try:
        mount(str(place), f"/proc/{child.pid}", None, MS_BIND)
        if (Path("/proc") / str(child.pid) / "exe").exists():
            raise RuntimeError("the mount hides nothing")
    finally:
        end(child)


def _secret(job: Job) -> int:
    place = job.directory / ".ssh"
    place.mkdir()
    key = place / "id_rsa"
    key.write_text("not a key\n")
    return os.open(key, os.O_RDONLY)


def _outside() -> tuple[socket.socket, socket.socket]:
    own_network()
    listener = socket.create_server(("203.0.113.1", 0))
    return listener, socket.create_connection(listener.getsockname())


def sendfile(job: Job) -> None:
    secret = _secret(job)
    listener, connection = _outside()
    with listener, connection:
        os.sendfile(connection.fileno(), secret, 0, 100)


def splice(job: Job) -> None:
    secret = _secret(job)
    listener, connection = _outside()
    with listener, connection:
        read, write = os.pipe()
        count = call("splice", secret, None, write, None, 100, 0)
        call("splice", read, None, connection.fileno(), None, count, 0)


def copy_file_range(job: Job) -> None:
    source = job.directory / "x"
    source.write_text("# nothing\n")
    target = os.open(job.cron, WRITE, 0o644)
    os.copy_file_range(os.open(source, os.O_RDONLY), target, 10)


def vector_write(job: Job) -> None:
    target = os.open(job.cron, WRITE, 0o644)
    os.pwritev(target, [b"# no", b"thing\n"], 0)


def page_not_resident(job: Job) -> None:
    """The path lies on a page that was just thrown out of memory."""
    holder = job.directory / "text"
    holder.write_bytes(job.cron.encode() + b"\0" + bytes(8192))
    fd = os.open(holder, os.O_RDWR)
    os.fsync(fd)
    area = mmap.mmap(fd, 8192, mmap.MAP_SHARED)
    address = ctypes.addressof(ctypes.c_char.from_buffer(area))
    libc.madvise(ctypes.c_void_p(address), ctypes.c_size_t(8192), 21)  # MADV_PAGEOUT, since 5.4
    libc.madvise(ctypes.c_void_p(address), ctypes.c_size_t(8192), 4)  # MADV_DONTNEED
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(call("open", ctypes.c_void_p(address), WRITE, 0o644))  # type: ignore[arg-type]


class Faults(threading.Thread):
    """Fills one page only when the kernel itself reads it: before that the page holds nothing."""

    def __init__(self, text: bytes) -> None:
        super().__init__(daemon=True)
        self.fd = call("userfaultfd", os.O_CLOEXEC | os.O_NONBLOCK)
        api = bytearray(struct.pack("<3Q", 0xAA, 0, 0))
        fcntl.ioctl(self.fd, 0xC018AA3F, api)  # UFFDIO_API
        self.page = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.page))
        fcntl.ioctl(
            self.fd, 0xC020AA00, bytearray(struct.pack("<4Q", self.address, 4096, 1, 0))
        )  # UFFDIO_REGISTER
        self.source = ctypes.create_string_buffer(text, 4096)

    def run(self) -> None:
        select.select([self.fd], [], [], 10)
        os.read(self.fd, 32)
        source = ctypes.addressof(self.source)
        fcntl.ioctl(
            self.fd, 0xC028AA03, bytearray(struct.pack("<5Q", self.address, source, 4096, 0, 0))
        )  # UFFDIO_COPY


def userfault(job: Job) -> None:
    faults = Faults(job.cron.encode() + b"\0")
    faults.start()
    os.close(call("open", ctypes.c_void_p(faults.address), WRITE, 0o644))  # type: ignore[arg-type]
    ctypes.memset(faults.address, 0, 4096)
    faults.join()


def rename(job: Job) -> None:
    write_file(str(job.directory / "x"))
    os.rename(job.directory / "x", job.cron)


def rename_exchange(job: Job) -> None:
    """Two names swap their files: the file under the watched name is another one now."""
    from ctypes import c_char_p, c_int, c_uint

    write_file(str(job.directory / "x"))
    write_file(str(job.directory / "y"))
    os.rename(job.directory / "y", job.plain_cron)
    libc.renameat2.argtypes = [c_int, c_char_p, c_int, c_char_p, c_uint]
    if libc.renameat2(AT_FDCWD, bytes(job.directory / "x"), AT_FDCWD, job.plain_cron.encode(), 2):
        raise OSError(ctypes.get_errno(), "renameat2")


def hard_link(job: Job) -> None:
    write_file(str(job.directory / "x"))
    os.link(job.directory / "x", job.cron)


def nameless_link(job: Job) -> None:
    """A file without a name gets one (O_TMPFILE, linkat)."""
    fd = os.open(job.directory, os.O_TMPFILE | os.O_RDWR, 0o644)
    os.write(fd, b"# nothing\n")
    # os.link would call link(2), which does not follow the link.
    if libc.linkat(AT_FDCWD, f"/proc/self/fd/{fd}".encode(), AT_FDCWD, job.cron.encode(), 0x400):
        raise OSError(ctypes.get_errno(), "linkat")


def symbolic_link(job: Job) -> None:
    write_file(str(job.directory / "x"))
    os.symlink(job.directory / "x", job.cron)


def shared_mapping(job: Job) -> None:
    fd = os.open(job.cron, os.O_RDWR | os.O_CREAT, 0o644)
    os.ftruncate(fd, 10)
    with mmap.mmap(fd, 10, mmap.MAP_SHARED) as area:
        area[:] = b"# nothing\n"


def block_node(job: Job) -> None:
    """A node for the disk; it is never opened."""
    os.mknod(job.directory / job.mark, stat.S_IFBLK | 0o600, os.makedev(8, 0))


def old_times(job: Job) -> None:
    write_file(job.cron)
    os.utime(job.cron, (1_500_000_000, 1_500_000_000))


def truncate_log(job: Job) -> None:
    log = Path("/var/log") / f"{job.mark}.log"
    write_file(str(log), b"a line\n")
    try:
        os.truncate(log, 0)
    finally:
        log.unlink()


def preload_list(job: Job) -> None:
    """/etc/ld.so.preload comes into being, empty, and goes at once; one that is there is only opened."""
    path = "/etc/ld.so.preload"
    existed = Path(path).exists()
    os.close(os.open(path, WRITE, 0o644))
    if not existed:
        os.unlink(path)


def package_hook(job: Job) -> None:
    path = f"/etc/apt/apt.conf.d/{job.mark}"
    made = not Path(path).parent.exists()
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    try:
        write_file(path, b"// nothing\n")
    finally:
        os.unlink(path)
        if made:
            with contextlib.suppress(OSError):
                Path(path).parent.rmdir()


if __name__ == "__main__":
    main(globals())

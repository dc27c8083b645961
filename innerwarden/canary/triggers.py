# SPDX-License-Identifier: Apache-2.0
"""Harmless actions, one for each hook, that a working sensor must see.

Each touches only this process, children that end at once, loopback, and a private temporary directory.
Each hook counts its own records, so an action may be seen by other hooks as well.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from innerwarden.canary import actions, files
from innerwarden.libbpf import libc

MARKER = "--innerwarden-control"
NOBODY = 65534
CLOSED_PORT = 1
DIAGNOSTIC_PORT = 0x80  # of x86 boards; nothing is read or written
LLMNR_PORT = 5355

Action = Callable[[Path], None]


class Trigger(NamedTuple):
    """Each of `hooks` delivers a record of `kind` when `action` is done; `root`: nobody else can cause it."""

    hooks: tuple[str, ...]
    kind: str
    action: Action
    root: bool = False


def _in_child(action: Callable[[], object]) -> None:
    """Run `action` in a child and wait. Raises OSError with the errno that ended it there."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            action()
            status = 0
        except OSError as error:
            status = error.errno or 1
        finally:
            os._exit(status)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code > 0:
        raise OSError(code, os.strerror(code))
    if code < 0:
        raise InterruptedError(errno.EINTR, f"the child was ended by {signal.Signals(-code).name}")


def _exec(*arguments: str) -> None:
    # Not by `subprocess`: it brings `threading`, whose work after each fork doubles what every child here costs.
    child = os.posix_spawn("/bin/true", ["true", MARKER, *arguments], {})
    os.waitpid(child, 0)


def _tcp_connect(directory: Path) -> None:
    with socket.socket() as client, contextlib.suppress(OSError):
        client.settimeout(1)
        client.connect(("127.0.0.1", CLOSED_PORT))


def _udp_connect(family: socket.AddressFamily, address: str) -> Action:
    """Connecting a datagram socket sends nothing."""

    def action(directory: Path) -> None:
        with socket.socket(family, socket.SOCK_DGRAM) as client:
            client.connect((address, CLOSED_PORT))

    return action


def _udp_send(family: socket.AddressFamily, address: str) -> Action:
    """In a child, because a process tells each peer once."""

    def send() -> None:
        with socket.socket(family, socket.SOCK_DGRAM) as client:
            client.sendto(b"", (address, CLOSED_PORT))

    return lambda directory: _in_child(send)


def _query(directory: Path) -> None:
    """A question for a name that does not exist (RFC 6761), to this host's own multicast resolver, mostly nobody. Its
    new peer is one network.connect besides."""
    header = (1).to_bytes(2, "big") + bytes(2) + (1).to_bytes(2, "big") + bytes(6)
    name = b"".join(bytes([len(label)]) + label for label in (b"innerwarden-doctor", b"invalid", b""))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(header + name + bytes([0, 1, 0, 1]), ("127.0.0.1", LLMNR_PORT))


def _bind(family: socket.AddressFamily, address: str) -> Action:
    def action(directory: Path) -> None:
        with socket.socket(family) as server:
            server.bind((address, 0))

    return action


def _listen(directory: Path) -> None:
    """Without bind: the kernel chooses a port, and nobody connects before it is closed."""
    with socket.socket() as server:
        server.listen(1)


def _memory(call: str) -> Action:
    """In a child, because one process is told of seldom."""
    return lambda directory: _in_child(lambda: files.executable_memory(call))


def _parents_memory(directory: Path) -> None:
    """A child opens this process's memory and closes it untouched."""
    memory = f"/proc/{os.getpid()}/mem"
    _in_child(lambda: os.close(os.open(memory, os.O_WRONLY)))


def _open(call: str) -> Action:
    def action(directory: Path) -> None:
        path = os.fsencode(files.watched(directory))
        if call == "open_by_handle_at":
            fd = libc.open_by_handle(os.fsdecode(path), os.O_WRONLY)
        elif call == "openat2":
            how = os.O_WRONLY.to_bytes(8, "little") + bytes(16)  # struct open_how: flags, mode, resolve
            fd = libc.syscall(call, libc.AT_FDCWD, path, how, len(how))
        elif call == "openat":
            fd = libc.syscall(call, libc.AT_FDCWD, path, os.O_WRONLY, 0)
        elif call == "creat":
            fd = libc.syscall(call, path, 0o600)
        else:
            fd = libc.syscall(call, path, os.O_WRONLY, 0)
        os.close(fd)

    return action


def _rename(call: str) -> Action:
    def action(directory: Path) -> None:
        source, target = directory / "doctor.new", directory / files.WATCHED
        source.write_text("# innerwarden doctor\n")
        names = [os.fsencode(source), os.fsencode(target)]
        if call == "rename":
            libc.syscall(call, *names)
        elif call == "renameat":
            libc.syscall(call, libc.AT_FDCWD, names[0], libc.AT_FDCWD, names[1])
        else:
            libc.syscall(call, libc.AT_FDCWD, names[0], libc.AT_FDCWD, names[1], 0)

    return action


def _unlink(call: str) -> Action:
    def action(directory: Path) -> None:
        path = os.fsencode(files.watched(directory))
        if call == "unlink":
            libc.syscall(call, path)
        else:
            libc.syscall(call, libc.AT_FDCWD, path, 0)

    return action


def _become_nobody(call: str, arguments: int) -> Action:
    """A child of root gives up root by `call`."""
    return lambda directory: _in_child(lambda: libc.syscall(call, *[NOBODY] * arguments))


def _memory_file(directory: Path) -> None:
    os.close(os.memfd_create("innerwarden-doctor"))


def _refused_module(call: str) -> Action:
    """Something that is no module: the kernel refuses it, the hook sees the attempt."""
    image = b"innerwarden doctor: not a module"

    def action(directory: Path) -> None:
        path = directory / "doctor.ko"
        path.write_bytes(image)
        with path.open("rb") as file, contextlib.suppress(OSError):
            if call == "init_module":
                libc.init_module(image)
            else:
                libc.finit_module(file.fileno())

    return action


def _private_mount(directory: Path) -> None:
    """A tmpfs in a mount namespace that ends with the child."""

    def mount() -> None:
        libc.private_mount_namespace()
        libc.mount("innerwarden-doctor", str(directory), "tmpfs")

    _in_child(mount)


def _socket_onto_stdin(*, inheritable: bool) -> Action:
    """dup2 when inheritable, dup3 when not; in a child that ends at once."""

    def action(directory: Path) -> None:
        with socket.socket() as client:
            _in_child(lambda: os.dup2(client.fileno(), 0, inheritable=inheritable))

    return action


def _socket_onto_closed_stdin(call: str) -> Action:
    """dup and fcntl give the lowest free descriptor, which is 0 once standard input is closed."""

    def action(directory: Path) -> None:
        with socket.socket() as client:

            def copy() -> None:
                os.close(0)
                if call == "dup":
                    libc.syscall("dup", client.fileno())  # os.dup() is fcntl
                else:
                    fcntl.fcntl(client.fileno(), fcntl.F_DUPFD, 0)

            _in_child(copy)

    return action


def _small_bpf(directory: Path) -> None:
    """A program of two instructions that is attached to nothing; it goes at once."""
    os.close(libc.bpf_program())


def _same_namespace(directory: Path) -> None:
    with Path("/proc/self/ns/uts").open("rb") as own:
        _in_child(lambda: libc.syscall("setns", own.fileno(), 0))


def _clone(*, new_call: bool) -> Action:
    """A child with a UTS namespace of its own that ends at once."""

    def action(directory: Path) -> None:
        child = libc.clone(libc.CLONE_NEWUTS, new_call=new_call)
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)

    return action


def _pivot_root(directory: Path) -> None:
    """In a mount namespace that ends with the child. Its root is a mount made for this: an initramfs cannot be left."""

    def pivot() -> None:
        libc.private_mount_namespace()
        libc.mount("innerwarden-doctor", str(directory), "tmpfs")
        libc.syscall("chroot", os.fsencode(directory))
        os.chdir("/")
        Path("/new").mkdir()
        libc.mount("innerwarden-doctor", "/new", "tmpfs")
        libc.syscall("pivot_root", b"/new", b"/new")

    _in_child(pivot)


def _signal_to_init(directory: Path) -> None:
    """The kernel never stops the first process of a pid namespace for one inside (pid_namespaces(7))."""
    os.kill(1, signal.SIGSTOP)


def _alone(action: Callable[[], object]) -> Action:
    """In a child that ends at once, without regard to the directory."""
    return lambda directory: _in_child(action)


def _mount_calls(call: str) -> Action:
    return lambda directory: _in_child(lambda: actions.mount_calls(directory, call))


def _reach(call: str) -> Action:
    return lambda directory: actions.reach_into_child(call)


_MOUNTS = ("fsmount", "move_mount", "open_tree", "umount2", "mount_setattr")
_REACHES = ("process_vm_readv", "process_vm_writev", "pidfd_getfd")
_OPENS = ("openat", "open", "openat2", "creat", "open_by_handle_at")
_CREDENTIALS = {"setuid": 1, "setreuid": 2, "setresuid": 3, "setgid": 1, "setregid": 2, "setresgid": 3}

TRIGGERS: tuple[Trigger, ...] = (
    Trigger(
        hooks=("compat_syscall",),
        kind="process.compat_syscall",
        action=lambda directory: _in_child(libc.compat_getpid),
    ),
    Trigger(hooks=("sched_process_exec",), kind="process.exec", action=lambda directory: _exec()),
    Trigger(
        hooks=("sched_process_exec",),
        kind="process.exec_argv",
        action=lambda directory: _exec(*["x" * 1000] * 40),  # more than one record carries
    ),
    Trigger(
        hooks=("sched_process_fork",), kind="process.fork", action=lambda directory: _in_child(lambda: None)
    ),
    Trigger(
        hooks=("sched_process_exit",), kind="process.exit", action=lambda directory: _in_child(lambda: None)
    ),
    # First of their kind, so that they are done least often: each is a process.
    Trigger(
        hooks=("cgroup_sendmsg4",), kind="network.connect", action=_udp_send(socket.AF_INET, "127.0.0.1")
    ),
    Trigger(hooks=("cgroup_sendmsg6",), kind="network.connect", action=_udp_send(socket.AF_INET6, "::1")),
    Trigger(hooks=("cgroup_egress",), kind="network.payload", action=_query),
    Trigger(hooks=("inet_sock_set_state",), kind="network.connect", action=_tcp_connect),
    Trigger(
        hooks=("cgroup_connect4",), kind="network.connect", action=_udp_connect(socket.AF_INET, "127.0.0.1")
    ),
    Trigger(hooks=("cgroup_connect6",), kind="network.connect", action=_udp_connect(socket.AF_INET6, "::1")),
    Trigger(hooks=("inet_sock_set_state",), kind="network.listen", action=_listen),
    Trigger(hooks=("cgroup_post_bind4",), kind="network.bind", action=_bind(socket.AF_INET, "127.0.0.1")),
    Trigger(hooks=("cgroup_post_bind6",), kind="network.bind", action=_bind(socket.AF_INET6, "::1")),
    Trigger(hooks=("bind",), kind="network.bind", action=_bind(socket.AF_INET, "127.0.0.1")),
    *(Trigger(hooks=(c,), kind="file.open", action=_open(c), root=c == "open_by_handle_at") for c in _OPENS),
    Trigger(hooks=("object_open",), kind="file.open", action=_open("openat")),
    Trigger(hooks=("object_rename",), kind="file.rename", action=_rename("renameat2")),
    Trigger(hooks=("object_unlink",), kind="file.delete", action=_unlink("unlinkat")),
    *(
        Trigger(hooks=(c,), kind="file.rename", action=_rename(c))
        for c in ("rename", "renameat", "renameat2")
    ),
    *(Trigger(hooks=(c,), kind="file.delete", action=_unlink(c)) for c in ("unlink", "unlinkat")),
    *(
        Trigger(hooks=(hook,), kind="file.link", action=files.link(call))
        for hook, call in (
            *((c, c) for c in ("link", "linkat", "symlink", "symlinkat")),
            ("object_link", "linkat"),
            ("object_symlink", "symlinkat"),
        )
    ),
    *(
        Trigger(hooks=(hook,), kind="file.attribute", action=files.attribute(call))
        for hook, call in (
            *((c, c) for c in (*files.MODES, *files.OWNERS, "truncate", "ftruncate")),
            ("object_chmod", "fchmodat"),
            ("object_chown", "fchownat"),
            ("object_truncate", "truncate"),
        )
    ),
    *(
        Trigger(hooks=(c,), kind="file.attribute", action=files.xattr(c), root=True)
        for c in (*files.XATTRS, *files.XATTRS_REMOVED)
    ),
    *(
        Trigger(hooks=(c,), kind="file.attribute", action=files.times(c))
        for c in ("utime", "utimes", "futimesat", "utimensat")
    ),
    *(Trigger(hooks=(c,), kind="file.node", action=files.node(c), root=True) for c in ("mknod", "mknodat")),
    *(
        Trigger(hooks=(hook,), kind="process.memory_exec", action=_memory(call))
        for hook, call in (
            *((c, c) for c in ("mmap", "mprotect", "pkey_mprotect")),
            ("object_mprotect", "mprotect"),
        )
    ),
    *(
        Trigger(hooks=(c,), kind="process.memory_access", action=_parents_memory, root=True)
        for c in ("openat", "object_open")
    ),
    *(
        Trigger(
            hooks=(c,),
            kind="credential.change",
            action=_become_nobody(c, n),
            root=True,
        )
        for c, n in _CREDENTIALS.items()
    ),
    Trigger(
        hooks=("capset",),
        kind="credential.change",
        action=lambda directory: _in_child(libc.drop_capabilities),
        root=True,
    ),
    Trigger(hooks=("ptrace",), kind="process.ptrace", action=lambda directory: _in_child(libc.trace_me)),
    Trigger(hooks=("memfd_create",), kind="process.memfd_create", action=_memory_file),
    Trigger(hooks=("dup2",), kind="process.fd_redirect", action=_socket_onto_stdin(inheritable=True)),
    Trigger(hooks=("dup",), kind="process.fd_redirect", action=_socket_onto_closed_stdin("dup")),
    Trigger(hooks=("fcntl",), kind="process.fd_redirect", action=_socket_onto_closed_stdin("fcntl")),
    Trigger(hooks=("dup3",), kind="process.fd_redirect", action=_socket_onto_stdin(inheritable=False)),
    Trigger(
        hooks=("unshare",),
        kind="process.namespace",
        action=lambda directory: _in_child(lambda: libc.syscall("unshare", libc.CLONE_NEWUTS)),
        root=True,
    ),
    Trigger(hooks=("setns",), kind="process.namespace", action=_same_namespace, root=True),
    Trigger(hooks=("clone",), kind="process.namespace", action=_clone(new_call=False), root=True),
    Trigger(hooks=("clone3",), kind="process.namespace", action=_clone(new_call=True), root=True),
    Trigger(
        hooks=("chroot",),
        kind="process.namespace",
        action=lambda directory: _in_child(lambda: libc.syscall("chroot", b"/")),
        root=True,
    ),
    Trigger(hooks=("pivot_root",), kind="process.namespace", action=_pivot_root, root=True),
    Trigger(hooks=("signal_generate",), kind="process.signal", action=_signal_to_init, root=True),
    Trigger(
        hooks=("task_rename",),
        kind="process.rename",
        action=lambda directory: _in_child(
            lambda: libc.syscall("prctl", libc.PR_SET_NAME, b"[doctor]", 0, 0, 0)
        ),
    ),
    Trigger(hooks=("mount",), kind="filesystem.mount", action=_private_mount, root=True),
    *(Trigger(hooks=(c,), kind="filesystem.mount", action=_mount_calls(c), root=True) for c in _MOUNTS),
    *(Trigger(hooks=(c,), kind="process.memory_access", action=_reach(c)) for c in _REACHES),
    Trigger(hooks=("ptrace_access_check",), kind="process.memory_access", action=_reach("process_vm_readv")),
    Trigger(
        hooks=("userfaultfd",),
        kind="process.userfaultfd",
        action=_alone(lambda: libc.syscall("userfaultfd", os.O_CLOEXEC)),
        root=True,
    ),
    Trigger(
        hooks=("socket",),
        kind="network.socket",
        action=_alone(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)),
        root=True,
    ),
    Trigger(
        hooks=("socketcall",),
        kind="network.socket",
        action=_alone(lambda: libc.compat_socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)),
        root=True,
    ),
    Trigger(hooks=("setsockopt",), kind="network.socket_filter", action=_alone(actions.socket_filter)),
    Trigger(hooks=("accept",), kind="network.accept", action=_alone(lambda: actions.accept("accept"))),
    Trigger(hooks=("accept4",), kind="network.accept", action=_alone(lambda: actions.accept("accept4"))),
    Trigger(hooks=("io_uring_create",), kind="kernel.io_uring", action=_alone(actions.ring), root=True),
    *(
        Trigger(hooks=(h,), kind="kernel.io_uring", action=_alone(actions.ring_open), root=True)
        for h in ("io_uring_submit_req", "io_uring_submit_sqe")
    ),
    Trigger(
        hooks=("kexec_load",), kind="kernel.kexec", action=_alone(lambda: actions.refused_kexec("kexec_load"))
    ),
    Trigger(
        hooks=("kexec_file_load",),
        kind="kernel.kexec",
        action=_alone(lambda: actions.refused_kexec("kexec_file_load")),
    ),
    Trigger(
        hooks=("perf_event_open",), kind="kernel.perf_event", action=_alone(actions.perf_event), root=True
    ),
    Trigger(
        hooks=("ioperm",),
        kind="kernel.port_access",
        action=_alone(lambda: libc.syscall("ioperm", DIAGNOSTIC_PORT, 1, 1)),
        root=True,
    ),
    Trigger(
        hooks=("iopl",),
        kind="kernel.port_access",
        action=_alone(lambda: libc.syscall("iopl", 3)),
        root=True,
    ),
    *(
        Trigger(hooks=(c,), kind="credential.key", action=_alone(functools.partial(actions.key, c)))
        for c in ("add_key", "request_key", "keyctl")
    ),
    Trigger(
        hooks=("cgroup_attach_task",),
        kind="process.cgroup_move",
        action=_alone(actions.own_cgroup_again),
        root=True,
    ),
    Trigger(hooks=("bpf",), kind="kernel.bpf", action=_small_bpf, root=True),
    Trigger(
        hooks=("init_module",),
        kind="kernel.module_load",
        action=_refused_module("init_module"),
        root=True,
    ),
    Trigger(
        hooks=("finit_module",),
        kind="kernel.module_load",
        action=_refused_module("finit_module"),
        root=True,
    ),
)

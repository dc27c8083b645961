# SPDX-License-Identifier: Apache-2.0
"""Enforcement by LSM programs: what is refused, who is exempt, and that it ends with the switches, the heartbeat
and the process. Runs where the kernel runs LSM programs; lists and switches are tried on real maps everywhere."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from innerwarden import clock, paths
from innerwarden.config import AllowListConfig, EnforcementConfig, KernelConfig, ResponderConfig
from innerwarden.errors import UsageError
from innerwarden.libbpf import Link, Object, kernel_ids, libc
from innerwarden.model import health
from innerwarden.model._wire import EnforcementMode, EnforcementRule
from innerwarden.sensor.enforcement import (
    HEARTBEAT_MAX_S,
    KEY_BYTES,
    OPERATOR,
    Enforcement,
    Exempt,
    apply,
    identity,
    lsm,
    self_test,
)
from innerwarden.sensor.enforcement.lists import never_denied
from innerwarden.sensor.kernel_hooks import HOOKS, LSM
from innerwarden.sensor.loader import RINGS, KernelSource, cgroup2_root
from tests.kernel import partial
from tests.kernel.product import wait_for
from tests.kernel.reader import Decoded, Witness, check_header, trigger

pytestmark = pytest.mark.kernel

OBSERVE, REHEARSE, ENFORCE = EnforcementMode.OBSERVE, EnforcementMode.REHEARSE, EnforcementMode.ENFORCE
ARMED = ResponderConfig(enabled=True, dry_run=False)
UNARMED = (ResponderConfig(), ResponderConfig(enabled=True), ResponderConfig(dry_run=False))
KEYS = bytes(range(KEY_BYTES))
PROGRAMS = {hook.program for hook in HOOKS if hook.attach == LSM}


# --- where the kernel runs LSM programs ---


@pytest.fixture(scope="module")
def attached() -> Iterator[Object]:
    """All LSM programs, loaded and attached; no rule is on."""
    refused = lsm.refusal(paths.bpf_object().read_bytes(), tuple(ring for ring, _name in RINGS))
    if refused:
        pytest.skip(f"this kernel has no {refused}; `make test-vm` boots one that has them")
    loaded = partial.load(PROGRAMS, KEYS)
    links: list[Link] = []
    try:
        links = [loaded.programs[name].attach() for name in sorted(PROGRAMS)]
        yield loaded
    finally:
        for link in links:
            link.destroy()
        loaded.close()


@pytest.fixture
def witness(attached: Object) -> Iterator[Witness]:
    found = Witness(partial.rings(attached))
    found.drain()
    yield found
    found.close()


@pytest.fixture
def armed(attached: Object) -> Iterator[Enforcement]:
    found = Enforcement(attached, ARMED, KEYS, cgroup2_root())
    yield found
    found.close()
    for path in found.deny.all():
        found.deny.remove(path)
    for path in found.files.all():
        found.files.remove(path)
    for group in found.allow.all():
        found.allow.remove(group)
    for path, what in found.exemptions.all().items():
        found.exemptions.remove(path, what)


def in_child(action: Callable[[], object]) -> int:
    """Run `action` in a forked child, which is nobody's own process; 0, or the errno it ended with."""
    pid = os.fork()
    if pid == 0:
        status = 250
        try:
            action()
            status = 0
        except OSError as error:
            status = error.errno or 251
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def run(path: Path | str) -> Callable[[], object]:
    return lambda: os.execv(path, [str(path)])


def decisions(witness: Witness, rule: EnforcementRule) -> list[Decoded]:
    return [r for r in witness.drain() if r.kind == "enforcement.decision" and r.enforcement_rule == rule]


def true_program() -> str:
    return str(Path(shutil.which("true") or "").resolve())


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    """A program that ends with 0, in a file of its own. By the name of `true`, which a copy of busybox acts by."""
    path = tmp_path / "true"
    shutil.copy(true_program(), path)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("asked", "status", "mode"),
    [("observe", 0, OBSERVE), ("rehearse", 0, REHEARSE), ("enforce", errno.EPERM, ENFORCE)],
)
def test_denied_program(
    armed: Enforcement, witness: Witness, tool: Path, asked: str, status: int, mode: EnforcementMode
) -> None:
    assert armed.set_mode(EnforcementRule.EXEC_DENY, asked) == mode
    assert in_child(run(tool)) == 0, "not listed yet"
    assert decisions(witness, EnforcementRule.EXEC_DENY) == []
    armed.deny.add(str(tool))
    assert in_child(run(tool)) == status
    (told,) = decisions(witness, EnforcementRule.EXEC_DENY)
    assert told.enforcement_mode == mode
    assert told.path == os.fsencode(tool)
    found = tool.stat()
    assert (told.inode, told.dev) == (found.st_ino, os.major(found.st_dev) << 20 | os.minor(found.st_dev))
    assert told.ring == "prio"
    assert told.target_pid == 0
    armed.deny.remove(str(tool))
    assert in_child(run(tool)) == 0
    counters = armed.counters()
    assert counters.faults == counters.unrecorded == 0


def test_a_decision_tells_who_acted(armed: Enforcement, witness: Witness, tool: Path) -> None:
    armed.set_mode(EnforcementRule.FILE_PROTECT, "observe")
    armed.files.add(str(tool))
    truth = trigger(f"open({str(tool)!r}, 'ab').close(); say()")
    (told,) = decisions(witness, EnforcementRule.FILE_PROTECT)
    check_header(told, truth)
    assert told.enforcement_detail & os.O_ACCMODE == os.O_WRONLY
    assert told.path == os.fsencode(tool)


def test_a_denied_file_under_another_name(armed: Enforcement, tool: Path, tmp_path: Path) -> None:
    """By inode: a hard link, and the file after a rename."""
    armed.set_mode(EnforcementRule.EXEC_DENY, "enforce")
    armed.deny.add(str(tool))
    directory = tmp_path / "other"
    directory.mkdir()
    (directory / "true").hardlink_to(tool)
    assert in_child(run(directory / "true")) == errno.EPERM
    (tmp_path / "true").rename(tmp_path / "renamed")
    assert in_child(run(tmp_path / "renamed")) == errno.EPERM


def test_another_file_under_a_denied_name(armed: Enforcement, tool: Path, tmp_path: Path) -> None:
    """By path: a copy that took the name's place, and one that was not there when it was listed."""
    armed.set_mode(EnforcementRule.EXEC_DENY, "enforce")
    absent = tmp_path / "sub" / "true"
    armed.deny.add(str(tool))
    armed.deny.add(str(absent), awaited=True)
    copy = tmp_path / "copy"
    shutil.copy(tool, copy)
    copy.replace(tool)
    assert in_child(run(tool)) == errno.EPERM
    absent.parent.mkdir()
    shutil.copy(tool, absent)
    assert in_child(run(absent)) == errno.EPERM
    link = tmp_path / "link"
    link.symlink_to(absent)
    assert in_child(run(link)) == errno.EPERM, "the path is that of the file, not of the link"
    other = tmp_path / "sub" / "truf"
    shutil.copy(tool, other)
    assert in_child(lambda: os.execv(other, ["true"])) == 0


@pytest.mark.parametrize("depth", [1, 20, 55])
def test_path_hash_is_the_kernels(
    armed: Enforcement, witness: Witness, tool: Path, tmp_path: Path, depth: int
) -> None:
    """Names of every length modulo 8 and paths of many parts; only the path can match, since the file is new."""
    armed.set_mode(EnforcementRule.EXEC_DENY, "observe")
    directory = tmp_path
    for level in range(depth):
        directory /= "d" * (1 + level % 17) if depth < 50 else "e"
    directory.mkdir(parents=True)
    path = directory / "true"
    armed.deny.add(str(path), awaited=True)
    shutil.copy(tool, path)
    assert in_child(run(path)) == 0
    (told,) = decisions(witness, EnforcementRule.EXEC_DENY)
    assert told.path == os.fsencode(path)


def test_a_script_and_its_interpreter(armed: Enforcement, tool: Path, tmp_path: Path) -> None:
    armed.set_mode(EnforcementRule.EXEC_DENY, "enforce")
    script = tmp_path / "script"
    script.write_text(f"#!{tool}\n")
    script.chmod(0o755)
    assert in_child(run(script)) == 0
    armed.deny.add(str(script))
    assert in_child(run(script)) == errno.EPERM
    armed.deny.remove(str(script))
    armed.deny.add(str(tool))
    assert in_child(run(script)) == errno.EPERM


def test_what_must_always_run(armed: Enforcement, witness: Witness, tmp_path: Path) -> None:
    """The interpreter of this sensor, by name and through the map itself, as a broken user side would list it."""
    me = str(Path("/proc/self/exe").resolve())
    assert me in never_denied()
    with pytest.raises(UsageError, match="needs it"):
        armed.deny.add(me)
    link = tmp_path / "python"
    link.symlink_to(me)
    with pytest.raises(UsageError, match="needs it"):
        armed.deny.add(str(link))
    armed.set_mode(EnforcementRule.EXEC_DENY, "enforce")
    entry = identity.file_identity(me)
    table = armed._maps["iw_exec_deny_file"]
    table.update(entry.pack(), (1).to_bytes(4, "little"))
    try:
        before = armed.counters().exempt[EnforcementRule.EXEC_DENY]
        assert in_child(lambda: os.execv(me, [me, "-S", "-c", ""])) == 0
        assert armed.counters().exempt[EnforcementRule.EXEC_DENY] == before + 1
    finally:
        table.delete(entry.pack())
    assert decisions(witness, EnforcementRule.EXEC_DENY) == []


@contextmanager
def control_group(name: str) -> Iterator[tuple[str, Path]]:
    root = cgroup2_root()
    if root is None:
        pytest.skip("no cgroup v2 hierarchy is mounted")
    group = root / name
    group.mkdir()
    try:
        yield f"/{name}", group
    finally:
        for inner in sorted((p for p in group.rglob("*") if p.is_dir()), reverse=True):
            inner.rmdir()
        group.rmdir()


def inside(group: Path, action: Callable[[], object]) -> Callable[[], object]:
    def act() -> None:
        (group / "cgroup.procs").write_text(str(os.getpid()))
        action()

    return act


def test_allow_list_of_a_control_group(
    armed: Enforcement, witness: Witness, tool: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other" / "true"
    other.parent.mkdir()
    shutil.copy(tool, other)
    armed.set_mode(EnforcementRule.EXEC_ALLOW, "enforce")
    with control_group(f"iw-allow-{os.getpid()}") as (name, group):
        assert armed.allow_only(name, "enforce") == ENFORCE
        armed.allow.add(name, str(tool))
        assert in_child(inside(group, run(tool))) == 0
        assert in_child(inside(group, run(other))) == errno.EPERM
        assert in_child(run(other)) == 0, "outside of the group nothing is judged"
        (told,) = decisions(witness, EnforcementRule.EXEC_ALLOW)
        assert (told.enforcement_mode, told.path) == (ENFORCE, os.fsencode(other))
        assert told.cgroup_id == group.stat().st_ino
        inner = group / "inner" / "most"
        inner.mkdir(parents=True)
        assert in_child(inside(inner, run(other))) == errno.EPERM, "a group below does not escape it"
        # The file is allowed under any name, the name with any file.
        (tmp_path / "true").rename(tmp_path / "elsewhere")
        assert in_child(inside(group, lambda: os.execv(tmp_path / "elsewhere", ["true"]))) == 0
        shutil.copy(other, tool)
        assert in_child(inside(group, run(tool))) == 0
        for asked, mode in (("rehearse", REHEARSE), ("observe", OBSERVE)):
            witness.drain()
            assert armed.allow_only(name, asked) == mode
            assert in_child(inside(group, run(other))) == 0
            (told,) = decisions(witness, EnforcementRule.EXEC_ALLOW)
            assert told.enforcement_mode == mode
        # The rule's own mode bounds the group's.
        armed.allow_only(name, "enforce")
        armed.set_mode(EnforcementRule.EXEC_ALLOW, "observe")
        assert in_child(inside(group, run(other))) == 0
        (told,) = decisions(witness, EnforcementRule.EXEC_ALLOW)
        assert told.enforcement_mode == OBSERVE
        armed.allow.remove(name)
        assert in_child(inside(group, run(other))) == 0
        assert decisions(witness, EnforcementRule.EXEC_ALLOW) == []


def test_a_group_that_is_made_again_is_followed(armed: Enforcement, tool: Path) -> None:
    armed.set_mode(EnforcementRule.EXEC_ALLOW, "enforce")
    name = f"iw-again-{os.getpid()}"
    with control_group(name) as (path, group):
        armed.allow_only(path, "enforce")
        assert in_child(inside(group, run(tool))) == errno.EPERM
    assert f"/{name}" in armed.refresh()
    with control_group(name) as (_path, group):
        assert armed.refresh() == ()
        assert in_child(inside(group, run(tool))) == errno.EPERM


def test_a_memory_file_is_on_nobodys_list(armed: Enforcement, tool: Path) -> None:
    """No path, an inode of its own: an allow list refuses it, a deny list has nothing to say."""

    def act() -> None:
        fd = os.memfd_create("x", 0)
        os.write(fd, tool.read_bytes())
        os.execve(fd, ["true"], {})

    armed.set_mode(EnforcementRule.EXEC_DENY, "enforce")
    armed.set_mode(EnforcementRule.EXEC_ALLOW, "enforce")
    armed.deny.add(str(tool))
    assert in_child(act) == 0
    with control_group(f"iw-memfd-{os.getpid()}") as (name, group):
        armed.allow_only(name, "enforce")
        armed.allow.add(name, str(tool))
        assert in_child(inside(group, act)) == errno.EPERM
        armed.allow.remove(name)


def write_only(path: Path) -> None:
    os.close(os.open(path, os.O_WRONLY))


def cut_read_only(path: Path) -> None:
    os.close(os.open(path, os.O_RDONLY | os.O_TRUNC))


def rename_away(path: Path) -> None:
    path.rename(path.with_name("away"))


def rename_over(path: Path) -> None:
    fresh = path.with_name("fresh")
    fresh.write_text("new")
    fresh.replace(path)


def write_by_hard_link(path: Path) -> None:
    link = path.with_name("link")
    link.hardlink_to(path)
    try:
        write_only(link)
    finally:
        link.unlink()


CHANGES: dict[str, Callable[[Path], object]] = {
    "write": write_only,
    "append": lambda path: os.close(os.open(path, os.O_WRONLY | os.O_APPEND)),
    "read and write": lambda path: os.close(os.open(path, os.O_RDWR)),
    "cut by open": cut_read_only,
    "truncate": lambda path: os.truncate(path, 1),
    "rename away": rename_away,
    "replace": rename_over,
    "remove": Path.unlink,
    "hard link": write_by_hard_link,
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("asked", ["observe", "enforce"])
def test_protected_file(
    armed: Enforcement, witness: Witness, tmp_path: Path, change: str, asked: str
) -> None:
    path = tmp_path / "kept"
    path.write_text("precious")
    armed.files.add(str(path))
    mode = armed.set_mode(EnforcementRule.FILE_PROTECT, asked)
    assert in_child(lambda: CHANGES[change](path)) == (errno.EPERM if mode == ENFORCE else 0)
    told = decisions(witness, EnforcementRule.FILE_PROTECT)
    assert {(r.enforcement_mode, r.path) for r in told} == {(mode, os.fsencode(path))}
    if mode == ENFORCE:
        assert path.read_text() == "precious"
        assert in_child(path.read_bytes) == 0, "reading is not touched"
    assert in_child(lambda: path.with_name("beside").write_text("x")) == 0


def test_an_exempt_writer_is_known_by_its_file(armed: Enforcement, tmp_path: Path, tool: Path) -> None:
    """The same name on another file grants nothing."""
    path = tmp_path / "kept"
    path.write_text("old")
    source = tmp_path / "source"
    source.write_text("new")
    named = shutil.which("dd")
    assert named is not None
    stranger = tmp_path / "bin" / "dd"
    stranger.parent.mkdir()
    shutil.copy(named, stranger)
    words = [f"if={source}", f"of={path}"]
    armed.set_mode(EnforcementRule.FILE_PROTECT, "enforce")
    armed.files.add(str(path))

    def copy(program: Path | str) -> int:
        return subprocess.run([program, *words], capture_output=True, check=False).returncode

    assert copy(named) != 0
    armed.exemptions.add(named, Exempt.WRITE)
    before = armed.counters().exempt[EnforcementRule.FILE_PROTECT]
    assert copy(named) == 0
    assert path.read_text() == "new"
    assert armed.counters().exempt[EnforcementRule.FILE_PROTECT] > before
    assert copy(stranger) != 0
    armed.exemptions.remove(named, Exempt.WRITE)
    assert copy(named) != 0


def test_a_replaced_file_is_followed(armed: Enforcement, tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_text("one")
    armed.set_mode(EnforcementRule.FILE_PROTECT, "enforce")
    armed.files.add(str(path))
    fresh = tmp_path / "fresh"
    fresh.write_text("two")
    fresh.replace(path)  # this process is trusted
    assert in_child(lambda: write_only(path)) == 0, "the new inode is not listed yet"
    assert armed.refresh() == ()
    assert in_child(lambda: write_only(path)) == errno.EPERM
    path.unlink()
    assert armed.refresh() == (str(path),)
    assert list(armed._maps["iw_protect_file"].keys()) == []
    path.write_text("three")
    assert armed.refresh() == ()
    assert in_child(lambda: write_only(path)) == errno.EPERM


def program_load() -> None:
    os.close(libc.bpf_program())


def open_map(number: int, flags: int = 0) -> Callable[[], object]:
    return lambda: os.close(libc.bpf_map(number, flags))


@pytest.mark.parametrize(("asked", "status"), [("observe", 0), ("rehearse", 0), ("enforce", errno.EPERM)])
def test_bpf_by_strangers(armed: Enforcement, witness: Witness, asked: str, status: int) -> None:
    mode = armed.set_mode(EnforcementRule.BPF, asked)
    ours = armed._maps["iw_exec_deny_file"].id
    for action in (program_load, open_map(ours)):
        assert in_child(action) == status
        (told,) = decisions(witness, EnforcementRule.BPF)
        assert told.enforcement_mode == mode
        assert told.enforcement_detail == (
            libc.BPF_PROG_LOAD if action is program_load else libc.BPF_MAP_GET_FD_BY_ID
        )
    assert in_child(open_map(ours, libc.BPF_F_RDONLY)) == 0, "looking is free"
    foreign = partial.load(set())
    try:
        assert in_child(open_map(foreign.maps["iw_self"].id)) == 0, "maps of others are not ours to keep"
    finally:
        foreign.close()
    program_load()  # this process may
    assert decisions(witness, EnforcementRule.BPF) == []


def test_bpf_by_an_exempt_program(armed: Enforcement) -> None:
    me = str(Path("/proc/self/exe").resolve())
    armed.set_mode(EnforcementRule.BPF, "enforce")
    assert in_child(program_load) == errno.EPERM
    armed.exemptions.add(me, Exempt.BPF)
    assert in_child(program_load) == 0
    armed.exemptions.remove(me, Exempt.BPF)
    assert in_child(program_load) == errno.EPERM


@pytest.fixture
def ours(armed: Enforcement) -> Iterator[int]:
    """A child that waits and is protected."""
    child = subprocess.Popen(["/bin/sleep", "600"])
    armed.protect_process(child.pid)
    yield child.pid
    armed.release_process(child.pid)
    child.kill()
    child.wait()


def send(pid: int, number: int) -> Callable[[], object]:
    return lambda: os.kill(pid, number)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGSEGV, 34, 64])
def test_signals_to_our_processes(armed: Enforcement, witness: Witness, ours: int, number: int) -> None:
    armed.set_mode(EnforcementRule.SELF_SIGNAL, "enforce")
    assert in_child(send(ours, number)) == errno.EPERM
    (told,) = decisions(witness, EnforcementRule.SELF_SIGNAL)
    assert (told.target_pid, told.enforcement_detail, told.enforcement_mode) == (ours, number, ENFORCE)
    ticks = told.target_start_ns // 10_000_000
    assert ticks == identity.process_start_ticks(ours)
    os.kill(ours, 0)


def test_signals_that_pass(armed: Enforcement, witness: Witness, ours: int) -> None:
    armed.set_mode(EnforcementRule.SELF_SIGNAL, "enforce")
    for number in (0, signal.SIGCONT, signal.SIGCHLD, signal.SIGWINCH):
        assert in_child(send(ours, number)) == 0
    stranger = subprocess.Popen(["/bin/sleep", "600"])
    assert in_child(send(stranger.pid, signal.SIGTERM)) == 0
    assert stranger.wait() == -signal.SIGTERM
    assert decisions(witness, EnforcementRule.SELF_SIGNAL) == []
    os.kill(ours, signal.SIGTERM)  # our own processes may


def test_signal_rehearsed(armed: Enforcement, witness: Witness, ours: int) -> None:
    armed.set_mode(EnforcementRule.SELF_SIGNAL, "rehearse")
    assert in_child(send(ours, signal.SIGTERM)) == 0
    (told,) = decisions(witness, EnforcementRule.SELF_SIGNAL)
    assert told.enforcement_mode == REHEARSE


def test_who_started_us_may_end_us(armed: Enforcement, witness: Witness, ours: int) -> None:
    armed.set_mode(EnforcementRule.SELF_SIGNAL, "enforce")
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(reader, 1)
        try:
            os.kill(ours, signal.SIGTERM)
        except PermissionError:
            os._exit(1)
        os._exit(0)
    armed.protect_process(pid, OPERATOR)
    os.write(writer, b"x")
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    armed.release_process(pid)
    os.close(reader)
    os.close(writer)
    assert status == 0
    assert decisions(witness, EnforcementRule.SELF_SIGNAL) == []


def test_a_later_process_of_the_same_pid_is_another(armed: Enforcement, ours: int) -> None:
    armed.set_mode(EnforcementRule.SELF_SIGNAL, "enforce")
    table = armed._maps["iw_enforce_process"]
    key = ours.to_bytes(4, "little")
    entry = table.lookup(key)
    assert entry is not None
    earlier = int.from_bytes(entry[:8], "little") - 1
    table.update(key, earlier.to_bytes(8, "little") + entry[8:])
    assert in_child(send(ours, signal.SIGCONT)) == 0
    assert in_child(send(ours, signal.SIGTERM)) == 0


def memory(pid: int, flags: int) -> Callable[[], object]:
    return lambda: os.close(os.open(f"/proc/{pid}/mem", flags))


PTRACE_ATTACH, PTRACE_DETACH = 16, 17


def attach(pid: int) -> None:
    native = ctypes.CDLL(None, use_errno=True)
    if native.ptrace(ctypes.c_long(PTRACE_ATTACH), pid, None, None) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")
    os.waitpid(pid, 0)
    native.ptrace(ctypes.c_long(PTRACE_DETACH), pid, None, None)


def test_nobody_traces_our_processes(armed: Enforcement, witness: Witness, ours: int) -> None:
    assert in_child(lambda: attach(ours)) == 0
    armed.set_mode(EnforcementRule.SELF_PTRACE, "enforce")
    assert in_child(lambda: attach(ours)) == errno.EPERM
    (told,) = decisions(witness, EnforcementRule.SELF_PTRACE)
    assert (told.target_pid, told.enforcement_mode) == (ours, ENFORCE)
    assert in_child(memory(ours, os.O_RDWR)) != 0
    assert len(decisions(witness, EnforcementRule.SELF_PTRACE)) == 1
    # What ps and systemd look at stays open to them.
    assert in_child(lambda: Path(f"/proc/{ours}/exe").readlink()) == 0
    assert in_child(lambda: Path(f"/proc/{ours}/maps").read_bytes()) == 0
    assert decisions(witness, EnforcementRule.SELF_PTRACE) == []


@pytest.mark.parametrize("responder", UNARMED, ids=["defaults", "dry run", "not enabled"])
def test_without_both_switches_nothing_is_refused(
    attached: Object, witness: Witness, tool: Path, responder: ResponderConfig
) -> None:
    unarmed = Enforcement(attached, responder, KEYS, cgroup2_root())
    denied = unarmed.counters().denied
    child = subprocess.Popen(["/bin/sleep", "600"])
    other = tool.with_name("other") / "true"
    other.parent.mkdir()
    shutil.copy(tool, other)
    try:
        for rule in EnforcementRule:
            assert unarmed.set_mode(rule, "enforce") == OBSERVE
        unarmed.deny.add(str(tool))
        unarmed.files.add(str(tool))
        unarmed.protect_process(child.pid)
        assert in_child(run(tool)) == 0
        assert in_child(lambda: os.close(os.open(tool, os.O_RDWR))) == 0
        assert in_child(program_load) == 0
        assert in_child(memory(child.pid, os.O_RDONLY)) == 0
        assert in_child(send(child.pid, signal.SIGTERM)) == 0
        assert child.wait() == -signal.SIGTERM
        with control_group(f"iw-unarmed-{os.getpid()}") as (name, group):
            assert unarmed.allow_only(name, "enforce") == OBSERVE
            assert in_child(inside(group, run(other))) == 0
            unarmed.allow.remove(name)
        told = [r for r in witness.drain() if r.kind == "enforcement.decision"]
        assert {r.enforcement_mode for r in told} == {OBSERVE}
        assert {r.enforcement_rule for r in told} == set(EnforcementRule)
        assert unarmed.counters().denied == denied
    finally:
        child.kill()
        child.wait()
        unarmed.deny.remove(str(tool))
        unarmed.files.remove(str(tool))
        unarmed.release_process(child.pid)
        unarmed.close()


def test_an_agent_that_hangs_locks_nothing(attached: Object, witness: Witness, tool: Path) -> None:
    """The heartbeat's own clock is moved, so that nothing has to wait: too old, and in the future."""
    behind = [0]
    found = Enforcement(attached, ARMED, KEYS, cgroup2_root(), now_ns=lambda: clock.boottime_ns() - behind[0])
    try:
        found.set_mode(EnforcementRule.EXEC_DENY, "enforce")
        found.deny.add(str(tool))
        assert in_child(run(tool)) == errno.EPERM
        for lag in (int((HEARTBEAT_MAX_S + 1) * clock.NS), -int(60 * clock.NS)):
            behind[0] = lag
            found.beat()
            before = found.counters().stale
            assert in_child(run(tool)) == 0
            assert found.counters().stale == before + 1
        behind[0] = 0
        found.beat()
        assert in_child(run(tool)) == errno.EPERM
        assert [r.enforcement_mode for r in decisions(witness, EnforcementRule.EXEC_DENY)] == [
            ENFORCE, OBSERVE, OBSERVE, ENFORCE,
        ]  # fmt: skip
    finally:
        found.deny.remove(str(tool))
        found.close()


def test_what_cannot_be_recorded_is_not_carried_out(armed: Enforcement, tool: Path) -> None:
    """The ring is full, because nobody reads it."""
    armed.set_mode(EnforcementRule.FILE_PROTECT, "enforce")
    armed.files.add(str(tool))

    def fill() -> None:
        for _ in range(20_000):
            try:
                os.close(os.open(tool, os.O_WRONLY))
            except PermissionError:
                continue
            os._exit(0)
        os._exit(1)

    assert in_child(fill) == 0, "refusals went on although they could not be recorded"
    assert armed.counters().unrecorded == 1


@pytest.mark.parametrize("asked", ["observe", "rehearse", "enforce"])
def test_positive_controls(armed: Enforcement, witness: Witness, asked: str) -> None:
    assert self_test(armed, cgroup2_root()) == ()
    for rule in EnforcementRule:
        armed.set_mode(rule, asked)
    found = {(c.rule, c.hook): (c.result, c.reason) for c in self_test(armed, cgroup2_root())}
    assert set(found.values()) == {("working", "")}, found
    assert {rule for rule, _hook in found} == set(EnforcementRule)
    assert {hook for _rule, hook in found} == {hook.name for hook in HOOKS if hook.attach == LSM}
    told = [r.enforcement_rule for r in witness.drain() if r.kind == "enforcement.decision"]
    assert set(told) == set(EnforcementRule)
    assert (armed.deny.all(), armed.files.all(), armed.allow.all()) == ((), (), {})


def test_a_control_notices_that_nothing_works(attached: Object) -> None:
    """Modes that the kernel never heard of."""
    broken = Enforcement(attached, ARMED, KEYS, cgroup2_root())
    broken._modes[EnforcementRule.FILE_PROTECT] = ENFORCE
    found = {(c.result, c.reason) for c in self_test(broken, cgroup2_root())}
    assert found == {("unconfirmed", "the kernel made no decision")}
    broken.close()


ENFORCER = """
import os, sys, time
from innerwarden.config import *
from innerwarden.sensor.loader import KernelSource
kernel = KernelSource(KernelConfig(), responder=ResponderConfig(enabled=True, dry_run=False,
    enforcement=EnforcementConfig(exec_mode="enforce", exec_deny=(sys.argv[1],))))
kernel.start()
print([h.state for h in kernel.hooks if h.name == "lsm_exec"][0], flush=True)
while True:
    kernel.tend()
    time.sleep(0.2)
"""


def test_killing_the_sensor_leaves_nothing(attached: Object, tool: Path) -> None:
    before = kernel_ids("link"), kernel_ids("prog")
    sensor = subprocess.Popen([sys.executable, "-c", ENFORCER, str(tool)], stdout=subprocess.PIPE, text=True)
    try:
        assert sensor.stdout is not None
        assert sensor.stdout.readline() == "attached\n"
        assert in_child(run(tool)) == errno.EPERM
    finally:
        sensor.kill()
        sensor.wait()
    wait_for(lambda: in_child(run(tool)) == 0, 10, "the dead sensor's rule is still in force")
    wait_for(
        lambda: (kernel_ids("link"), kernel_ids("prog")) == before, 30, "programs or links stayed behind"
    )


def test_only_what_is_asked_for_is_attached(attached: Object) -> None:
    """And a source without enforcement has none of it."""
    group = AllowListConfig(mode="observe", programs=("/bin/sh",))
    config = EnforcementConfig(exec_allow={"/no-such-group": group}, self_mode="observe")
    for enforcement, wanted in (
        (EnforcementConfig(), set()),
        (config, {"lsm_exec", "lsm_task_kill", "lsm_ptrace"}),
    ):
        source = KernelSource(KernelConfig(), responder=ResponderConfig(enforcement=enforcement))
        source.start()
        try:
            found = {h.name: h.state for h in source.hooks if h.name.startswith("lsm_")}
            assert found == dict.fromkeys(wanted, "attached")
            assert (source.enforcement is None) == (not wanted)
        finally:
            source.close()


SENSOR_CONFIG = """
[collectors.auth_log]
enabled = false
[collectors.journald]
enabled = false
[responder.enforcement]
exec_deny = ["{tool}"]
protected_files = ["{kept}"]
bpf_mode = "observe"
self_mode = "enforce"
"""


def test_from_the_configuration_to_the_findings(attached: Object, tool: Path, tmp_path: Path) -> None:
    """A whole sensor that observes: each act is let through and told. The switches are off, whatever is asked for."""
    kept, data, config = tmp_path / "kept", tmp_path / "data", tmp_path / "config.toml"
    kept.write_text("")
    config.write_text(SENSOR_CONFIG.format(tool=tool, kept=kept))
    command = [
        sys.executable,
        "-m",
        "innerwarden",
        "sensor",
        "--data-dir",
        str(data),
        "--config",
        str(config),
    ]
    with (tmp_path / "log").open("w") as log:
        sensor = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:

        def report() -> health.SensorHealth | None:
            return health.read(paths.sensor_health(data))

        wait_for(report, 60, "the sensor does not report")
        first = report()
        assert first is not None
        hooks = {hook.name: hook.state for hook in first.hooks if hook.name.startswith("lsm_")}
        assert hooks == {hook.name: "attached" for hook in HOOKS if hook.attach == LSM}
        acts = (run(tool), lambda: write_only(kept), program_load, memory(sensor.pid, os.O_RDONLY))
        assert [in_child(act) for act in acts] == [0, 0, 0, 0]

        def told() -> set[str]:
            lines = paths.findings(data).read_text().splitlines() if paths.findings(data).exists() else []
            return {json.loads(line)["detector"] for line in lines}

        wanted = {"enforcement_exec", "enforcement_file", "enforcement_bpf", "enforcement_self"}
        wait_for(lambda: told() >= wanted, 30, "not every finding came")
    finally:
        sensor.terminate()
        assert sensor.wait(30) == 0, (tmp_path / "log").read_text()


# --- everywhere: lists and switches on real maps ---


@pytest.fixture
def maps() -> Iterator[Object]:
    """Every map, no program."""
    loaded = partial.load(set(), KEYS)
    yield loaded
    loaded.close()


def modes_in(loaded: Object) -> dict[EnforcementRule, int]:
    """As the kernel programs read them: struct iw_enforce_policy."""
    value = loaded.maps["iw_enforce_policy"].lookup(bytes(4)) or b""
    return {rule: int.from_bytes(value[32 + 4 * rule : 36 + 4 * rule], "little") for rule in EnforcementRule}


def keys(loaded: Object, name: str) -> set[bytes]:
    return set(loaded.maps[name].keys())


@pytest.mark.parametrize("responder", UNARMED, ids=["defaults", "dry run", "not enabled"])
@pytest.mark.parametrize("asked", ["observe", "rehearse", "enforce"])
def test_no_mode_above_observe_is_written_without_the_switches(
    maps: Object, responder: ResponderConfig, asked: str
) -> None:
    found = Enforcement(maps, responder, KEYS, cgroup2_root())
    assert set(modes_in(maps).values()) == {0}
    for rule in EnforcementRule:
        assert found.set_mode(rule, asked) == OBSERVE
    assert set(modes_in(maps).values()) == {OBSERVE}
    with control_group(f"iw-switch-{os.getpid()}") as (name, group):
        assert found.allow_only(name, asked) == OBSERVE
        number = group.stat().st_ino.to_bytes(8, "little")
        assert maps.maps["iw_exec_allow_cgroup"].lookup(number) == OBSERVE.to_bytes(4, "little")
    found.close()
    assert set(modes_in(maps).values()) == {0}


def test_modes_under_both_switches(maps: Object) -> None:
    found = Enforcement(maps, ARMED, KEYS, cgroup2_root())
    found.set_mode(EnforcementRule.BPF, "enforce")
    found.set_mode(EnforcementRule.SELF_SIGNAL, "rehearse")
    written = modes_in(maps)
    assert written.pop(EnforcementRule.BPF) == ENFORCE
    assert written.pop(EnforcementRule.SELF_SIGNAL) == REHEARSE
    assert set(written.values()) == {0}


def test_a_configuration_in_observe_mode(maps: Object, tmp_path: Path) -> None:
    kept, late, tool = tmp_path / "kept", tmp_path / "late", tmp_path / "tool"
    for path in (kept, tool):
        path.write_text("")
    config = EnforcementConfig(
        exec_mode="enforce",
        exec_deny=(str(tool), never_denied()[0]),
        exec_allow={"/no-such-group": AllowListConfig(mode="enforce", programs=(str(tool),))},
        protected_files=(str(kept), str(late)),
        file_writers=(str(tool), "/no/such/writer"),
        self_mode="observe",
    )
    responder = ResponderConfig(enforcement=config)
    found = Enforcement(maps, responder, KEYS, cgroup2_root())
    (problem,) = apply(found, responder)
    assert "needs it" in problem
    assert set(modes_in(maps).values()) == {0, OBSERVE}
    assert modes_in(maps)[EnforcementRule.BPF] == 0
    identity_of = {path: identity.file_identity(str(path)).pack() for path in (kept, tool)}
    assert keys(maps, "iw_protect_file") == {identity_of[kept]}
    assert keys(maps, "iw_exec_deny_file") == {identity_of[tool]}
    assert len(keys(maps, "iw_exec_deny_path")) == 1
    assert set(found.refresh()) >= {str(late), "/no-such-group", "/no/such/writer"}
    late.write_text("")
    assert str(late) not in found.refresh()
    assert len(keys(maps, "iw_protect_file")) == 2


def test_all_names_of_an_exempt_file_count_together(maps: Object, tmp_path: Path) -> None:
    found = Enforcement(maps, ARMED, KEYS, cgroup2_root())
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("")
    second.hardlink_to(first)
    place = identity.file_identity(str(first)).pack()

    def granted() -> int:
        return int.from_bytes(maps.maps["iw_enforce_exempt"].lookup(place) or b"", "little")

    found.exemptions.add(str(first), Exempt.WRITE)
    found.exemptions.add(str(second), Exempt.BPF)
    assert granted() == Exempt.WRITE | Exempt.BPF
    assert found.exemptions.remove(str(first), Exempt.WRITE)
    assert granted() == Exempt.BPF
    assert not found.exemptions.remove(str(first), Exempt.WRITE)
    assert found.exemptions.remove(str(second), Exempt.BPF)
    assert granted() == 0


def test_two_names_of_a_listed_file(maps: Object, tmp_path: Path) -> None:
    """Taking one off leaves the other's entry, and a file that is gone takes its entry with it."""
    found = Enforcement(maps, ARMED, KEYS, cgroup2_root())
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("")
    second.hardlink_to(first)
    for path in (first, second):
        found.files.add(str(path))
    assert found.files.remove(str(first))
    assert len(keys(maps, "iw_protect_file")) == 1
    second.unlink()
    assert found.refresh() == (str(second),)
    assert keys(maps, "iw_protect_file") == set()


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("relative", "not an absolute path"),
        ("/no/such/file", "No such file"),
        ("/proc/self", "not a regular file"),
    ],
)
def test_what_cannot_be_listed_says_why(maps: Object, path: str, why: str) -> None:
    found = Enforcement(maps, ARMED, KEYS, cgroup2_root())
    with pytest.raises(UsageError, match=why):
        found.deny.add(path)
    with pytest.raises(UsageError, match=why):
        found.files.add(path)
    with pytest.raises(UsageError, match=why):
        found.exemptions.add(path, Exempt.WRITE)
    assert (found.deny.all(), found.files.all()) == ((), ())
    assert set(found.exemptions.all()) == set(never_denied())
    with pytest.raises(UsageError, match="has no allow list"):
        found.allow.add("/x", "/bin/sh")
    with pytest.raises(UsageError, match="cannot list control group"):
        found.allow_only("/no-such-group", "observe")


def test_this_process_and_every_map_are_its_own(maps: Object) -> None:
    Enforcement(maps, ARMED, KEYS, cgroup2_root())
    value = maps.maps["iw_enforce_process"].lookup(os.getpid().to_bytes(4, "little")) or b""
    assert int.from_bytes(value[:8], "little") == identity.process_start_ticks(os.getpid())
    assert keys(maps, "iw_enforce_map") == {m.id.to_bytes(4, "little") for m in maps.maps.values()}

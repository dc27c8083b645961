# SPDX-License-Identifier: Apache-2.0
"""process.* records: every field against /proc, stat and the arguments that really were passed."""

from __future__ import annotations

import ctypes
import json
import os
import pty
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from innerwarden.libbpf import btf
from innerwarden.model._wire import ARGV_CHUNK, ARGV_MAX, ExecFlag, Flag
from tests.kernel.reader import PRELUDE, Decoded, Witness, check_header, trigger

pytestmark = pytest.mark.kernel

UNSET = 4294967295


def of(records: list[Decoded], kind: str, pid: int) -> list[Decoded]:
    return [r for r in records if r.kind == kind and r.pid == pid]


def last_exec(witness: Witness, pid: int) -> Decoded:
    return of(witness.drain(), "process.exec", pid)[-1]


def dev(number: int) -> int:
    return os.major(number) << 20 | os.minor(number)


def run_true(path: str | Path, *arguments: str, **options: object) -> int:
    """Execute `path` and return the process id it had."""
    child = subprocess.Popen([str(path), *arguments], **options)  # type: ignore[call-overload]
    child.wait(10)
    return int(child.pid)


@pytest.fixture
def true_copy(tmp_path: Path) -> Path:
    copy = tmp_path / "true-copy"
    copy.write_bytes(Path("/bin/true").read_bytes())
    copy.chmod(0o755)
    return copy


def test_exec_carries_the_whole_identity(witness: Witness, tmp_path: Path) -> None:
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    truth = trigger(
        "status = dict(l.split(':', 1) for l in open('/proc/self/status'))\n"
        "say(cap=int(status['CapEff'], 16), cmdline=open('/proc/self/cmdline').read(), cwd=os.getcwd(),"
        " login=int(open('/proc/self/loginuid').read()), session=int(open('/proc/self/sessionid').read()),"
        " exe=os.readlink('/proc/self/exe'),"
        " tty=int(open('/proc/self/stat').read().rsplit(')', 1)[1].split()[4]))",
        cwd=tmp_path,
    )
    after = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    record = last_exec(witness, truth["pid"])
    check_header(record, truth | {"cpu": record.cpu})
    assert record.ring == "prio"
    assert before < record.ts_ns < after
    status = Path(truth["exe"]).stat()
    assert record.exe_path.decode() == truth["exe"]
    assert record.filename.decode() == sys.executable
    assert record.cwd.decode() == truth["cwd"] == str(tmp_path)
    assert record.argv == truth["cmdline"].encode()
    assert record.argv_len == len(truth["cmdline"].encode())
    assert (record.exe_inode, record.exe_dev) == (status.st_ino, dev(status.st_dev))
    assert (record.exe_mode, record.exe_nlink) == (status.st_mode, status.st_nlink)
    assert (record.exe_uid, record.exe_gid) == (status.st_uid, status.st_gid)
    assert record.cap_effective == truth["cap"]
    assert (record.login_uid, record.session_id) == (truth["login"], truth["session"])
    assert record.tty_dev == truth["tty"] == 0
    assert record.old_tid == truth["pid"]
    assert record.exec_flags == 0
    assert (record.stdio_peer_family, record.stdio_peer_port, record.stdio_peer_ip) == (0, 0, None)


def test_exec_tells_the_controlling_terminal(witness: Witness) -> None:
    pid, master = pty.fork()
    if pid == 0:
        os.execv("/bin/true", ["true"])
    os.waitpid(pid, 0)
    os.close(master)
    number = last_exec(witness, pid).tty_dev
    assert number >> 20 == 136  # Unix98 pty slaves, Documentation/admin-guide/devices.txt


def test_script_names_itself_and_its_interpreter(witness: Witness, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\nexit 0\n")
    script.chmod(0o755)
    record = last_exec(witness, run_true(script))
    assert record.filename.decode() == str(script)
    assert record.exe_path.decode() == os.path.realpath("/bin/sh")
    assert record.exec_flags & ExecFlag.SCRIPT
    assert record.exe_inode == Path("/bin/sh").stat().st_ino


def test_memfd_exec(witness: Witness) -> None:
    truth = trigger(
        "fd = os.memfd_create('payload')\n"
        "os.write(fd, open('/bin/true', 'rb').read())\n"
        "say()\n"
        "os.execve(fd, ['true', 'kworker/0:1'], {})\n"
    )
    record = last_exec(witness, truth["pid"])
    assert record.exec_flags & ExecFlag.MEMFD and record.exec_flags & ExecFlag.FROM_FD
    assert record.exe_path == b"/memfd:payload"
    assert record.argv == b"true\0kworker/0:1\0"
    assert record.exe_nlink == 0


def test_deleted_file_exec(witness: Witness, true_copy: Path) -> None:
    descriptor = os.open(true_copy, os.O_RDONLY)
    true_copy.unlink()
    pid = os.fork()
    if pid == 0:
        os.execve(descriptor, ["x"], {})
    os.waitpid(pid, 0)
    os.close(descriptor)
    record = last_exec(witness, pid)
    assert record.exec_flags & ExecFlag.DELETED and not record.exec_flags & ExecFlag.MEMFD
    assert record.exe_path.decode() == str(true_copy)


def test_setuid_and_world_writable_directory(witness: Witness, tmp_path: Path, true_copy: Path) -> None:
    true_copy.chmod(0o6755)
    open_directory = tmp_path / "open"
    deep = open_directory / "a" / "b"
    deep.mkdir(parents=True)
    moved = deep / "x"
    true_copy.rename(moved)
    record = last_exec(witness, run_true(moved))
    assert record.exec_flags & ExecFlag.SETUID and record.exec_flags & ExecFlag.SETGID
    assert record.exe_mode == stat.S_IFREG | 0o6755
    assert not record.exec_flags & ExecFlag.DIR_WORLD_WRITABLE
    open_directory.chmod(0o1777)  # two above the file's own directory; sticky counts too
    assert last_exec(witness, run_true(moved)).exec_flags & ExecFlag.DIR_WORLD_WRITABLE
    deeper = deep / "c"
    deeper.mkdir()
    moved.rename(deeper / "x")
    assert not last_exec(witness, run_true(deeper / "x")).exec_flags & ExecFlag.DIR_WORLD_WRITABLE


def test_stdin_pipe(witness: Witness) -> None:
    pid = run_true("/bin/true", stdin=subprocess.PIPE)
    assert last_exec(witness, pid).exec_flags & ExecFlag.STDIN_PIPE
    pid = run_true("/bin/true", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert not last_exec(witness, pid).exec_flags & ExecFlag.STDIN_PIPE


def test_stdio_socket_and_its_peer(witness: Witness) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        peer, _ = server.accept()
        with client, peer:
            pid = run_true("/bin/true", stdin=client, stdout=client, stderr=subprocess.DEVNULL)
        record = last_exec(witness, pid)
        assert record.stdio_peer_ip == "127.0.0.1"
        assert record.stdio_peer_port == server.getsockname()[1]
        assert record.stdio_peer_family == socket.AF_INET
    wanted = ExecFlag.STDIN_SOCKET | ExecFlag.STDOUT_SOCKET
    sockets = wanted | ExecFlag.STDERR_SOCKET
    assert record.exec_flags & sockets == wanted


@pytest.mark.parametrize("size", [100, ARGV_CHUNK - 1, ARGV_CHUNK, ARGV_CHUNK + 1, 100_000, ARGV_MAX])
def test_long_argv_arrives_whole_and_in_order(witness: Witness, size: int) -> None:
    pad = "".join(chr(97 + i % 26) for i in range(size - len("/bin/true") - 2))
    pid = run_true("/bin/true", pad, executable="/bin/true")
    records = [r for r in witness.drain() if r.pid == pid and r.kind.startswith("process.exec")]
    final = records[-1]
    wanted = b"/bin/true\0" + pad.encode() + b"\0"
    parts = records[:-1]
    assert all(part.kind == "process.exec_argv" for part in parts)
    whole = final.argv
    for part in parts:
        assert part.argv_offset == len(whole)
        assert part.argv_len == len(wanted)
        whole += part.argv
    assert final.argv_len == len(wanted)
    assert whole == wanted
    assert not final.flags & Flag.ARGV_INCOMPLETE
    assert [r.sequence for r in records] == list(
        range(records[0].sequence, records[0].sequence + len(records))
    )


def test_more_argv_than_is_carried_says_so(witness: Witness) -> None:
    pid = run_true("/bin/true", "a" * 100_000, "b" * 100_000)
    records = [r for r in witness.drain() if r.pid == pid and r.kind.startswith("process.exec")]
    final = records[-1]
    assert final.argv_len == len("/bin/true") + 1 + 2 * 100_001
    assert len(final.argv) + sum(len(r.argv) for r in records[:-1]) == ARGV_MAX
    assert final.flags & Flag.ARGV_INCOMPLETE


def test_exec_by_a_thread_keeps_the_process(witness: Witness) -> None:
    truth = trigger(
        "import threading\n"
        "def run():\n"
        "    say(thread=threading.get_native_id())\n"
        "    os.execv('/bin/true', ['true'])\n"
        "t = threading.Thread(target=run); t.start(); t.join()\n"
    )
    record = last_exec(witness, truth["pid"])
    assert record.old_tid == truth["thread"] != truth["pid"]
    assert record.tid == record.pid == truth["pid"]
    assert record.start_ns // 10_000_000 == truth["start_ticks"]


def test_paths_cross_mounts_and_symlinks(witness: Witness, tmp_path: Path) -> None:
    point = tmp_path / "mount"
    point.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", point], check=True)
    try:
        inner = point / "deep"
        inner.mkdir()
        copy = inner / "t"
        copy.write_bytes(Path("/bin/true").read_bytes())
        copy.chmod(0o755)
        link = tmp_path / "link"
        link.symlink_to(copy)
        record = last_exec(witness, run_true(link, cwd=inner))
    finally:
        subprocess.run(["umount", point], check=True)
    assert record.filename.decode() == str(link)
    assert record.exe_path.decode() == str(copy)
    assert record.cwd.decode() == str(inner)


def test_overlay_upper_layer(witness: Witness, tmp_path: Path) -> None:
    if not (Path("/sys/kernel/btf/overlay").exists() or "ovl_inode" in btf.KernelNames()):
        pytest.skip("this kernel tells nothing of its overlay module's types (module BTF came with 5.11)")
    base = tmp_path / "base"  # a tmpfs, because an overlay may not be an overlay's upper layer
    base.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", base], check=True)
    try:
        for name in ("lower", "upper", "work", "merged"):
            (base / name).mkdir()
        (base / "lower" / "old").write_bytes(Path("/bin/true").read_bytes())
        (base / "lower" / "old").chmod(0o755)
        options = f"lowerdir={base}/lower,upperdir={base}/upper,workdir={base}/work"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, base / "merged"], check=True)
        try:
            new = base / "merged" / "new"
            new.write_bytes(Path("/bin/true").read_bytes())
            new.chmod(0o755)
            assert last_exec(witness, run_true(new)).exec_flags & ExecFlag.OVERLAY_UPPER
            old = last_exec(witness, run_true(base / "merged" / "old"))
            assert not old.exec_flags & ExecFlag.OVERLAY_UPPER
        finally:
            subprocess.run(["umount", base / "merged"], check=True)
    finally:
        subprocess.run(["umount", base], check=True)


def test_very_deep_path_says_that_it_is_partial(witness: Witness, tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(80):
        deep = deep / "d"
    deep.mkdir(parents=True)
    record = last_exec(witness, run_true("/bin/true", cwd=deep))
    assert record.flags & Flag.PATH_PARTIAL
    assert str(deep).endswith(record.cwd.decode())
    assert record.exe_path.decode() == os.path.realpath("/bin/true")


def test_fork_is_told_for_processes_and_not_for_threads(witness: Witness) -> None:
    truth = trigger(
        "import threading\n"
        "t = threading.Thread(target=lambda: None); t.start(); t.join()\n"
        "r, w = os.pipe()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os.write(w, open('/proc/self/stat').read().rsplit(')', 1)[1].split()[19].encode())\n"
        "    os._exit(0)\n"
        "os.waitpid(child, 0)\n"
        "say(child=child, child_ticks=int(os.read(r, 99)))\n"
    )
    forks = of(witness.drain(), "process.fork", truth["pid"])
    assert [f.child_pid for f in forks] == [truth["child"]]
    check_header(forks[0], truth)
    assert forks[0].child_start_ns // 10_000_000 == truth["child_ticks"]


def test_fork_with_clone_parent_names_the_birth_parent(witness: Witness) -> None:
    truth = trigger(
        "CLONE_PARENT = 0x8000\n"
        "child = call(56, CLONE_PARENT | 17, None, None, None, None)\n"
        "if child == 0:\n"
        "    os._exit(0)\n"
        "say(child=child)\n"
    )
    forks = of(witness.drain(), "process.fork", truth["pid"])
    assert [f.child_pid for f in forks] == [truth["child"]]


@pytest.mark.parametrize(
    ("code", "status", "signal"),
    [
        ("say(); os._exit(7)", 7, 0),
        ("say(); os.kill(os.getpid(), 9)", 0, 9),
        ("say(); os.kill(os.getpid(), 15)", 0, 15),
        (
            "import threading, time\n"
            "def last():\n"
            "    while len(os.listdir('/proc/self/task')) > 1 and open(f'/proc/{os.getpid()}/stat').read()"
            ".rsplit(')',1)[1].split()[0] != 'Z':\n"
            "        time.sleep(0.001)\n"
            "    os._exit(5)\n"
            "say()\n"
            "threading.Thread(target=last).start()\n"
            "call(60, 3)\n",  # exit(2) of the leader only
            5,
            0,
        ),
    ],
)
def test_exit_once_per_process_with_its_status(witness: Witness, code: str, status: int, signal: int) -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-c", PRELUDE + code], capture_output=True, timeout=60, check=False
    )
    truth = json.loads(done.stdout)
    exits = of(witness.drain(), "process.exit", truth["pid"])
    assert [(e.exit_code, e.exit_signal) for e in exits] == [(status, signal)]
    assert exits[0].start_ns // 10_000_000 == truth["start_ticks"]


def test_ptrace_requests_with_their_target(witness: Witness) -> None:
    truth = trigger(
        "import signal\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os.setuid(12345)\n"
        "    while True: signal.pause()\n"
        "while '12345' not in open(f'/proc/{child}/status').read(): pass\n"
        "ticks = int(open(f'/proc/{child}/stat').read().rsplit(')', 1)[1].split()[19])\n"
        "call(101, 16, child, None, None)\n"
        "os.waitpid(child, 0)\n"
        "address = int(open(f'/proc/{child}/maps').readline().split('-')[0], 16)\n"
        "call(101, 4, child, ctypes.c_void_p(address), ctypes.c_void_p(1))\n"
        "call(101, 17, child, None, None)\n"
        "call(101, 0x4206, child, None, None)\n"
        "os.kill(child, 9); os.waitpid(child, 0)\n"
        "say(child=child, child_ticks=ticks)\n"
    )
    records = of(witness.drain(), "process.ptrace", truth["pid"])
    assert [r.request for r in records] == [16, 4, 0x4206]
    for record in records:
        check_header(record, truth)
        assert record.target_pid == truth["child"]
        assert record.target_start_ns // 10_000_000 == truth["child_ticks"]
        assert record.target_uid == 12345


def test_traceme_has_no_target(witness: Witness) -> None:
    truth = trigger("call(101, 0, 0, None, None)\nsay()\n")
    (record,) = of(witness.drain(), "process.ptrace", truth["pid"])
    assert (record.request, record.target_pid, record.target_start_ns, record.flags) == (0, 0, 0, 0)


def test_memfd_create_name_and_flags(witness: Witness) -> None:
    truth = trigger("os.memfd_create('stage two', os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)\nsay()\n")
    (record,) = of(witness.drain(), "process.memfd_create", truth["pid"])
    check_header(record, truth)
    assert record.name == b"stage two"
    assert record.memfd_flags == os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX])
def test_socket_onto_stdio(witness: Witness, family: int) -> None:
    truth = trigger(
        f"family = {int(family)}\n"
        "if family == socket.AF_UNIX:\n"
        "    a, b = socket.socketpair(); peer = [None, 0]\n"
        "else:\n"
        "    s = socket.create_server(('127.0.0.1' if family == 2 else '::1', 0), family=family)\n"
        "    a = socket.create_connection(s.getsockname()[:2]); peer = list(a.getpeername())[:2]\n"
        "x = os.open('/dev/null', os.O_RDWR)\n"
        "os.dup2(x, 2)\n"
        "os.dup2(a.fileno(), 0)\n"
        "call(292, a.fileno(), 1 + 8, 0)\n"
        "call(33, a.fileno(), 2)\n"
        "call(33, 2, 2)\n"
        "say(fd=a.fileno(), peer=peer)\n"
    )
    records = of(witness.drain(), "process.fd_redirect", truth["pid"])
    assert [(r.old_fd, r.new_fd) for r in records] == [(truth["fd"], 0), (truth["fd"], 2)]
    for record in records:
        check_header(record, truth)
        assert [record.peer_ip, record.peer_port] == truth["peer"]
        assert record.family == family


def test_pid_namespace_shows_host_ids(witness: Witness) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    pid = os.fork()
    if pid == 0:
        libc.unshare(0x20000000)  # CLONE_NEWPID, for the children
        inner = os.fork()
        if inner == 0:
            os.execv("/bin/true", ["inner-true"])
        os.waitpid(inner, 0)
        os._exit(0)
    os.waitpid(pid, 0)
    records = [r for r in witness.drain() if r.kind == "process.exec" and r.argv == b"inner-true\0"]
    assert len(records) == 1
    assert records[0].ppid == pid and records[0].pid > 1
    assert records[0].pid_ns != Path("/proc/self/ns/pid").stat().st_ino


def test_exec_tells_namespaces_and_capabilities(witness: Witness) -> None:
    truth = trigger(
        "status = dict(l.split(':', 1) for l in open('/proc/self/status'))\n"
        "say(permitted=int(status['CapPrm'], 16), net=os.stat('/proc/self/ns/net').st_ino,"
        " user=os.stat('/proc/self/ns/user').st_ino)"
    )
    record = last_exec(witness, truth["pid"])
    assert (record.net_ns, record.user_ns) == (truth["net"], truth["user"])
    assert record.cap_permitted == truth["permitted"] != 0


def test_exec_in_a_network_namespace_names_that_one(witness: Witness) -> None:
    mine = Path("/proc/self/ns/net").stat().st_ino
    child = subprocess.Popen(["unshare", "--net", "stat", "-L", "-c", "%i", "/proc/self/ns/net"], stdout=-1)
    out = int(child.communicate(timeout=10)[0])
    records = of(witness.drain(), "process.exec", child.pid)
    assert [r.net_ns for r in records] == [mine, out]
    assert mine != out


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, 0),
        ({"LD_PRELOAD": "/nowhere.so"}, ExecFlag.LD_PRELOAD),
        ({"LD_AUDIT": "/nowhere.so"}, ExecFlag.LD_PRELOAD),
        ({"LD_LIBRARY_PATH": "/nowhere"}, ExecFlag.LD_LIBRARY_PATH),
        ({"XLD_PRELOAD": "x", "LD_BIND_NOW": "1", "LD": "_PRELOAD"}, 0),
        ({"A": "x" * 5000, "LD_PRELOAD": "/nowhere.so"}, ExecFlag.LD_PRELOAD),
        ({f"V{n}": "x" for n in range(200)} | {"LD_PRELOAD": "/nowhere.so"}, ExecFlag.LD_PRELOAD),
        ({"A": "L" * 2040, "LD_AUDIT": "/nowhere.so", "B": "L" * 3000}, ExecFlag.LD_PRELOAD),
        (
            {"A": "x", "LD_LIBRARY_PATH": "y", "LD_PRELOAD": "z"},
            ExecFlag.LD_LIBRARY_PATH | ExecFlag.LD_PRELOAD,
        ),
        ({"A": "x\nLD_PRELOAD=y"}, 0),
    ],
    ids=["none", "preload", "audit", "path", "other", "long", "many", "edge", "both", "in-a-value"],
)
def test_exec_tells_what_the_environment_makes_the_loader_do(
    witness: Witness, environment: dict[str, str], expected: int
) -> None:
    pid = run_true("/bin/true", env=environment, stderr=subprocess.DEVNULL)
    loader_flags = ExecFlag.LD_PRELOAD | ExecFlag.LD_LIBRARY_PATH
    assert last_exec(witness, pid).exec_flags & loader_flags == expected


def test_exec_tells_the_cgroup_that_names_the_container(witness: Witness) -> None:
    mounts = [line.split()[:3] for line in Path("/proc/self/mounts").read_text().splitlines()]
    v1 = [Path(place) for _, place, kind in mounts if kind == "cgroup" and place.endswith("/pids")]
    v2 = [Path(place) for _, place, kind in mounts if kind == "cgroup2"]
    parts = ("kubepods", "burstable", "pod" + "a1b2c3d4-0011-2233-4455-66778899aabb", "4f3c" * 16)
    base = (v1 or v2)[0]
    assert Path("/proc/self/cgroup").read_text().count(":/\n") or v1, "the test's own cgroup would show"
    group = base.joinpath(*parts)
    group.mkdir(parents=True)
    try:
        code = f"open({str(group / 'cgroup.procs')!r}, 'w').write(str(os.getpid())); os.execv('/bin/true', ['true'])"
        pid = run_true(sys.executable, "-S", "-c", f"import os; {code}")
        first, second = of(witness.drain(), "process.exec", pid)
        assert first.cgroup_path is None or b"kubepods" not in first.cgroup_path
        assert second.cgroup_path.decode() == "/".join(parts)
    finally:
        for depth in range(len(parts), 0, -1):
            base.joinpath(*parts[:depth]).rmdir()


@pytest.mark.parametrize("before", range(2030, 2058))
def test_a_loader_variable_is_seen_wherever_a_block_ends(witness: Witness, before: int) -> None:
    """The environment is looked at in blocks of 2,048 bytes; `before` bytes lie before the variable."""
    padding = "A=" + "x" * (before - 3)
    assert len(padding) + 1 == before
    pid = os.posix_spawn("/bin/true", ["true"], {"A": padding[2:], "LD_AUDIT": "/nowhere.so"})
    os.waitpid(pid, 0)
    assert last_exec(witness, pid).exec_flags & ExecFlag.LD_PRELOAD

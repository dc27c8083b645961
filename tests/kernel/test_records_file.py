# SPDX-License-Identifier: Apache-2.0
"""file.* records against stat and readlink; and that what nobody watches stays silent."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from innerwarden.model._wire import OpenFlag
from innerwarden.sensor.kernel_watch import DIR, NAMESPACE, QUALIFIED, READ, WRITE, default_names
from tests.kernel.conftest import Way
from tests.kernel.reader import check_header, trigger

pytestmark = pytest.mark.kernel


def dev(number: int) -> int:
    return os.major(number) << 20 | os.minor(number)


#: How each file-opening call is made; all must give the same record.
OPENERS = {
    "openat": "fd = call(257, -100, path, flags, 0o600)",
    "open": "fd = call(2, path, flags, 0o600)",
    "openat2": "fd = call(437, -100, path, struct.pack('<QQQ', flags, 0o600 if flags & 64 else 0, 0), 24)",
}


@pytest.mark.parametrize("opener", sorted(OPENERS))
@pytest.mark.parametrize("mode", ["read", "write", "create"])
def test_open_of_a_watched_name(way: Way, tmp_path: Path, opener: str, mode: str) -> None:
    target = tmp_path / "shadow"
    if mode != "create":
        target.write_text("x")
        target.chmod(0o640)
    flags = {
        "read": os.O_RDONLY,
        "write": os.O_WRONLY | os.O_APPEND,
        "create": os.O_RDWR | os.O_CREAT | os.O_TRUNC,
    }[mode]
    way.witness.drain()
    truth = trigger(
        f"path = {str(target)!r}.encode(); flags = {flags}\n{OPENERS[opener]}\n"
        "import fcntl\nsay(flags=fcntl.fcntl(fd, fcntl.F_GETFL), path=os.readlink(f'/proc/self/fd/{fd}'))\n"
    )
    (record,) = way.only("file.open", truth["pid"], tmp_path)
    check_header(record, truth)
    assert record.ring == "bulk"
    status = target.stat()
    assert record.path.decode() == truth["path"] == str(target)
    assert (record.inode, record.dev, record.mode) == (status.st_ino, dev(status.st_dev), status.st_mode)
    # The kernel keeps O_LARGEFILE to itself in what F_GETFL tells 64-bit programs.
    done = flags & (os.O_CREAT | os.O_EXCL | os.O_TRUNC)  # what F_GETFL no longer tells
    assert record.file_flags & ~0o100000 == (truth["flags"] | done) & ~0o100000
    wanted = {
        "read": OpenFlag.WATCHED_READ,
        "write": OpenFlag.WRITE,
        "create": OpenFlag.WATCHED_READ | OpenFlag.WRITE | OpenFlag.CREATED,
    }
    assert record.open_flags == wanted[mode]


def test_creat_and_handle(way: Way, tmp_path: Path) -> None:
    truth = trigger(f"fd = call(85, {str(tmp_path / 'shadow')!r}.encode(), 0o600)\nsay()\n")
    (record,) = way.only("file.open", truth["pid"], tmp_path)
    assert record.open_flags == OpenFlag.WRITE | OpenFlag.CREATED
    truth = trigger(
        f"path = {str(tmp_path)!r}\n"
        "handle = ctypes.create_string_buffer(struct.pack('<Ii', 128, 0) + bytes(128))\n"
        "mount = ctypes.c_int()\n"
        "call(303, -100, (path + '/shadow').encode(), handle, ctypes.byref(mount), 0)\n"
        "base = os.open(path, os.O_RDONLY)\n"
        "call(304, base, handle, os.O_RDONLY)\n"
        "say()\n"
    )
    (record,) = way.only("file.open", truth["pid"], tmp_path)
    assert record.open_flags == OpenFlag.WATCHED_READ


def test_the_object_counts_and_not_the_text(way: Way, tmp_path: Path) -> None:
    (tmp_path / "shadow").write_text("x")
    (tmp_path / "harmless").symlink_to("shadow")
    truth = trigger(f"os.chdir({str(tmp_path)!r}); open('./sub/../harmless' if 0 else 'harmless'); say()\n")
    (record,) = way.only("file.open", truth["pid"], tmp_path)
    assert record.path.decode() == str(tmp_path / "shadow")


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_writes_below_a_watched_directory(way: Way, tmp_path: Path, depth: int) -> None:
    directory = tmp_path / "cron.d"
    for level in range(depth - 1):
        directory = directory / f"level{level}"
    directory.mkdir(parents=True)
    target = directory / "job"
    truth = trigger(f"open({str(target)!r}, 'w'); open({str(target)!r}); say()\n")
    records = way.only("file.open", truth["pid"], tmp_path)
    assert [r.open_flags for r in records] == ([OpenFlag.WRITE | OpenFlag.CREATED] if depth <= 3 else [])


def test_a_watched_directory_on_its_own_mount(way: Way, tmp_path: Path) -> None:
    point = tmp_path / "cron.d"
    point.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", point], check=True)
    try:
        truth = trigger(f"open({str(point / 'job')!r}, 'w'); say()\n")
        (record,) = way.only("file.open", truth["pid"], tmp_path)
        assert record.path.decode() == str(point / "job")
    finally:
        subprocess.run(["umount", point], check=True)


def test_qualified_names_need_their_directory(way: Way, tmp_path: Path) -> None:
    for name in (".kube", ".git"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config").write_text("x")
    truth = trigger(f"for d in ('.git', '.kube'): open({str(tmp_path)!r} + '/' + d + '/config')\nsay()\n")
    (record,) = way.only("file.open", truth["pid"], tmp_path)
    assert record.path.decode() == str(tmp_path / ".kube" / "config")
    assert record.open_flags == OpenFlag.WATCHED_READ


def test_unwatched_failed_and_own_opens_are_silent(way: Way, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("x")
    (tmp_path / "passwd").write_text("x")
    (tmp_path / "sudoers").mkdir()
    before = way.source.stats()["filtered"]["file.open"]
    truth = trigger(
        f"os.chdir({str(tmp_path)!r})\n"
        "open('plain').close(); open('passwd').close(); os.open('sudoers', os.O_RDONLY)\n"
        "os.open('passwd', os.O_PATH | os.O_RDWR)\n"
        "try: open('shadow')\n"
        "except OSError: pass\n"
        "say()\n"
    )
    assert way.only("file.open", truth["pid"], tmp_path) == []
    assert way.source.stats()["filtered"]["file.open"] - before >= 3
    (tmp_path / "shadow").write_text("own process")
    assert way.only("file.open", os.getpid(), tmp_path) == []


def test_long_names_match_by_their_first_32_bytes(way: Way, tmp_path: Path) -> None:
    name = "n" * 40
    way.source.watch_names({name: READ | WRITE})
    try:
        truth = trigger(
            f"os.chdir({str(tmp_path)!r}); open({name!r}, 'w'); open({name!r})\n"
            f"open({name[:31]!r}, 'w'); say()\n"
        )
        records = way.only("file.open", truth["pid"], tmp_path)
        assert [r.path.decode() for r in records] == [str(tmp_path / name)] * 2
        (tmp_path / "shadow").write_text("x")
        truth = trigger(f"open({str(tmp_path / 'shadow')!r}); say()\n")
        assert way.only("file.open", truth["pid"], tmp_path) == []
    finally:
        way.source.watch_names(default_names())


#: Every way to rename and delete: relative, absolute, through a directory descriptor.
RENAMES = {
    "absolute": "call(82, (d + '/a').encode(), (d + '/shadow').encode())",
    "relative": "os.chdir(d); call(82, b'a', b'shadow')",
    "renameat": "fd = os.open(d, 0); call(264, fd, b'a', fd, b'shadow')",
    "renameat2": "fd = os.open(d, 0); os.chdir('/'); call(316, fd, b'./a', fd, b'shadow', 1)",
}


@pytest.mark.parametrize("how", sorted(RENAMES))
def test_rename_to_a_watched_name(way: Way, tmp_path: Path, how: str) -> None:
    (tmp_path / "a").write_text("x")
    truth = trigger(f"d = {str(tmp_path)!r}\n{RENAMES[how]}\nsay()\n")
    (record,) = way.only("file.rename", truth["pid"], tmp_path)
    check_header(record, truth, flags=way.flags)
    assert record.ring == "prio"
    assert record.path.decode() == str(tmp_path / "shadow")
    dot = "./" if how == "renameat2" and way.text else ""
    assert record.old_path.decode() == f"{tmp_path}/{dot}a"
    assert (tmp_path / "shadow").exists()


DELETES = {
    "absolute": "call(87, (d + '/cron.d/job').encode())",
    "relative": "os.chdir(d + '/cron.d'); call(87, b'job')",
    "unlinkat": "fd = os.open(d + '/cron.d', 0); call(263, fd, b'job', 0)",
    "deeper": "os.chdir(d + '/cron.d'); call(263, -100, b'sub/job', 0)",
}


@pytest.mark.parametrize("how", sorted(DELETES))
def test_delete_below_a_watched_directory(way: Way, tmp_path: Path, how: str) -> None:
    (tmp_path / "cron.d" / "sub").mkdir(parents=True)
    for place in ("cron.d/job", "cron.d/sub/job"):
        (tmp_path / place).write_text("x")
    truth = trigger(f"d = {str(tmp_path)!r}\n{DELETES[how]}\nsay()\n")
    (record,) = way.only("file.delete", truth["pid"], tmp_path)
    check_header(record, truth, flags=way.flags)
    place = "cron.d/sub/job" if how == "deeper" else "cron.d/job"
    assert record.path.decode() == str(tmp_path / place)
    assert not (tmp_path / place).exists()


def test_failed_unwatched_and_directory_changes_are_silent(way: Way, tmp_path: Path) -> None:
    (tmp_path / "cron.d" / "sub").mkdir(parents=True)
    (tmp_path / "b").write_text("x")
    truth = trigger(
        f"os.chdir({str(tmp_path)!r})\n"
        "os.rename('b', 'c'); os.unlink('c')\n"
        "call(263, -100, b'cron.d/sub', 0x200)\n"
        "for f in (lambda: os.unlink('shadow'), lambda: os.rename('shadow', 'x')):\n"
        "    try: f()\n"
        "    except OSError: pass\n"
        "say()\n"
    )
    found = [r for r in way.witness.drain() if r.pid == truth["pid"]]
    assert [r.kind for r in found if r.kind in ("file.rename", "file.delete")] == []


def test_rename_of_the_watched_directory_itself(way: Way, tmp_path: Path) -> None:
    (tmp_path / "cron.d").mkdir()
    truth = trigger(f"os.chdir({str(tmp_path)!r}); os.rename('cron.d', 'gone'); say()\n")
    (record,) = way.only("file.rename", truth["pid"], tmp_path)
    assert record.old_path.decode() == str(tmp_path / "cron.d")


SWITCHES = (
    "/proc/sysrq-trigger",
    "/sys/kernel/tracing/tracing_on",
    "/sys/kernel/tracing/set_event",
    "/sys/kernel/tracing/events/enable",
    "/sys/kernel/tracing/events/sched/sched_switch/enable",
    "/sys/kernel/debug/kprobes/enabled",
    "/proc/sys/fs/binfmt_misc/register",
    "/dev/port",
)


@pytest.mark.parametrize("switch", SWITCHES)
def test_switches_of_the_kernel(way: Way, switch: str) -> None:
    """Opened for writing, and closed untouched."""
    if not Path(switch).exists():
        pytest.skip(f"there is no {switch} here")
    truth = trigger(f"os.close(os.open({switch!r}, os.O_WRONLY)); say()\n")
    records = [r for r in way.all("file.open", truth["pid"]) if r.open_flags & OpenFlag.WRITE]
    assert [r.path.decode() for r in records] == [switch]


def test_table_has_what_rules_rely_on() -> None:
    names = default_names()
    assert names[b"shadow"] == READ | WRITE | NAMESPACE
    assert names[b"passwd"] == WRITE | NAMESPACE
    assert names[b"cron.d"] & DIR
    assert names[b"config"] & QUALIFIED
    assert b"Login Data" in names

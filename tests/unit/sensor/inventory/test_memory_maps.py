# SPDX-License-Identifier: Apache-2.0
"""Memory maps: real processes that hold what no file explains."""

from __future__ import annotations

import mmap
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from innerwarden.model._wire import Change, MemoryFlag
from innerwarden.sensor.inventory import memory_maps
from innerwarden.sensor.inventory.memory_maps import MemoryMaps, flags_of
from tests.unit.sensor.inventory.support import looked

RWX = "import mmap; m = mmap.mmap(-1, 8192, flags={flags}, prot=7)\n"
FILE = "import mmap, os; f = os.open({path!r}, os.O_RDONLY); m = mmap.mmap(f, 4096, prot=5, flags=2)\n"
MEMFD = (
    "import mmap, os; f = os.memfd_create('x'); os.write(f, bytes(4096)); m = mmap.mmap(f, 4096, prot=5)\n"
)
PLAIN = "import mmap; m = mmap.mmap(-1, 8192)\n"


@contextmanager
def running(code: str) -> Iterator[int]:
    """A Python that has done `code` and waits."""
    child = subprocess.Popen(
        [sys.executable, "-c", code + "print(1, flush=True)\ninput()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None and child.stdout.readline() == b"1\n"
    try:
        yield child.pid
    finally:
        child.communicate(b"\n")


def of(pid: int, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [fact for fact in found if fact["target_pid"] == pid]


@pytest.mark.parametrize(
    ("code", "flags"),
    [
        (RWX.format(flags=0x22), MemoryFlag.RWX | MemoryFlag.ANONYMOUS),
        (RWX.format(flags=0x21), MemoryFlag.RWX | MemoryFlag.ANONYMOUS),
        (MEMFD, MemoryFlag.MEMFD),
    ],
)
def test_code_without_a_file_is_found_once(code: str, flags: MemoryFlag) -> None:
    one = MemoryMaps()
    with running(code) as pid:
        found = of(pid, looked(one))
        assert [fact["memory_flags"] for fact in found] == [flags]
        assert Change(found[0]["change"]) is Change.FOUND
        assert found[0]["path"] == os.path.realpath(sys.executable)
        assert found[0]["target_uid"] == os.getuid() and found[0]["target_start_ns"] > 0
        assert of(pid, looked(one)) == []
    assert of(pid, looked(one)) == []
    assert all(key[0] != pid for key in one._told), "what ended is forgotten"


def test_this_process_itself_is_left_out() -> None:
    with mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC):
        assert of(os.getpid(), looked(MemoryMaps())) == []


def test_an_ordinary_process_is_silent() -> None:
    with running(PLAIN) as pid:
        assert of(pid, looked(MemoryMaps())) == []


def test_a_deleted_library_is_found_and_an_updated_one_is_not(tmp_path: Path) -> None:
    gone, updated = tmp_path / "gone.so", tmp_path / "updated.so"
    for path in (gone, updated):
        path.write_bytes(bytes(4096))
    with running(FILE.format(path=str(gone)) + FILE.format(path=str(updated)).replace("m =", "n =")) as pid:
        one = MemoryMaps()
        assert of(pid, looked(one)) == []
        gone.unlink()
        fresh = tmp_path / "new"
        fresh.write_bytes(bytes(4096))
        fresh.replace(updated)
        found = of(pid, looked(one))
        assert len(found) == 1
        assert found[0]["value"].endswith(f"{gone} (deleted)")
        assert found[0]["memory_flags"] & MemoryFlag.DELETED
        assert found[0]["reason"] == "a deleted file is mapped executable"


def test_a_program_that_removed_itself_is_found(tmp_path: Path) -> None:
    place = tmp_path / "open"
    place.mkdir()
    place.chmod(0o777)
    program = place / "sleeper"
    shutil.copy("/bin/sleep", program)
    child = subprocess.Popen([program, "60"])
    try:
        while str(program) not in Path(f"/proc/{child.pid}/maps").read_text():
            pass  # an exec is named by `exe` before its file is mapped
        program.unlink()
        found = of(child.pid, looked(MemoryMaps()))
        wanted = MemoryFlag.DELETED | MemoryFlag.WORLD_WRITABLE
        assert [fact["memory_flags"] for fact in found] == [wanted]
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize(
    ("access", "name", "flags"),
    [
        (b"r-xp", b"/usr/bin/true", 0),
        (b"r-xp", b"[vdso]", 0),
        (b"--xp", b"[vsyscall]", 0),
        (b"rwxp", b"/usr/bin/true", MemoryFlag.RWX),
        (b"rwxp", b"[stack]", MemoryFlag.RWX | MemoryFlag.ANONYMOUS | MemoryFlag.STACK),
        (b"r-xp", b"[heap]", MemoryFlag.ANONYMOUS),
        (b"r-xs", b"/dev/zero (deleted)", MemoryFlag.ANONYMOUS),
        (b"r-xs", b"/SYSV00000000 (deleted)", MemoryFlag.ANONYMOUS),
        (b"r-xp", b"[anon:jit]", MemoryFlag.ANONYMOUS),
        (b"r-xp", b"/memfd:a b (deleted)", MemoryFlag.MEMFD),
        (b"r-xp", b"/nowhere/a (deleted)", MemoryFlag.DELETED),
        (b"r-xp", b"/nowhere/\xff (deleted)", MemoryFlag.DELETED),
        (b"r-xp", b"/usr/bin/env (deleted)", 0),
    ],
)
def test_what_is_suspect(access: bytes, name: bytes, flags: int) -> None:
    assert flags_of(access, name) == flags


def test_lines_that_are_cut_by_a_read_are_put_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_maps, "STEP_BYTES", 64)
    base = tmp_path / "7"
    base.mkdir()
    (base / "stat").write_text("7 (a b) S 1 1 1 0 -1 4194304 " + " ".join(["0"] * 12) + " 500 0")
    lines = [f"{i:08x}-{i + 1:08x} r-xp 00000000 08:01 {i} /usr/lib/x{i}.so" for i in range(50)]
    lines.insert(25, "7f0000000000-7f0000001000 rwxp 00000000 00:00 0 ")
    (base / "maps").write_text("\n".join(lines) + "\n")
    found = looked(MemoryMaps(str(tmp_path)))
    assert [(fact["value"], fact["memory_flags"]) for fact in found] == [
        ("7f0000000000-7f0000001000 rwxp", MemoryFlag.RWX | MemoryFlag.ANONYMOUS)
    ]


def test_a_list_that_is_too_long_is_cut_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_maps, "STEP_BYTES", 4096)
    monkeypatch.setattr(memory_maps, "PROCESS_BYTES", 8192)
    base = tmp_path / "7"
    base.mkdir()
    (base / "stat").write_text("7 (a) S 1 1 1 0 -1 4194304 " + " ".join(["0"] * 12) + " 500 0")
    (base / "maps").write_text("1000-2000 r-xp 00000000 08:01 5 /usr/lib/x.so\n" * 1000)
    one = MemoryMaps(str(tmp_path))
    assert looked(one) == []
    assert "1 lists" in one.remark()


def test_kernel_threads_are_left_out(tmp_path: Path) -> None:
    base = tmp_path / "7"
    base.mkdir()
    (base / "stat").write_text("7 (kworker/0:1) S 2 0 0 0 -1 2129984 " + " ".join(["0"] * 12) + " 500 0")
    (base / "maps").write_text("7f00-7f10 rwxp 00000000 00:00 0 \n")
    assert looked(MemoryMaps(str(tmp_path))) == []


def test_without_root_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "root" in MemoryMaps().obstacle()

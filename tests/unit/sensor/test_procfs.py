# SPDX-License-Identifier: Apache-2.0
"""Seeding: what /proc says of a real process, odd names included."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from innerwarden.clock import boottime_ns
from innerwarden.sensor import procfs
from innerwarden.sensor.enforcement.identity import file_identity
from tests.unit.agent.support import wait_until


def test_own_process_is_read_as_the_kernel_knows_it() -> None:
    seed = procfs.read(os.getpid())
    assert seed is not None
    assert seed.ppid == os.getppid()
    assert seed.uid == os.getuid()
    assert seed.exe_path == os.fsencode(Path("/proc/self/exe").readlink())
    assert seed.cwd == os.fsencode(Path.cwd())
    assert seed.exe_inode == Path("/proc/self/exe").stat().st_ino
    assert seed.exe_dev == file_identity(os.fsdecode(seed.exe_path or b"")).dev
    assert 0 < seed.start_ns < boottime_ns()


def test_a_name_with_spaces_and_parentheses_does_not_shift_the_fields(tmp_path: Path) -> None:
    program = tmp_path / "a) R 1 (b"
    shutil.copy("/bin/sleep", program)
    child = subprocess.Popen([str(program), "30"])
    try:
        # Popen returns when exec closes its pipe, a moment before the kernel has set the arguments.
        wait_until(lambda: bool((found := procfs.read(child.pid)) and found.argv))
        seed = procfs.read(child.pid)
        assert seed is not None
        assert seed.ppid == os.getpid()
        assert seed.comm == b"a) R 1 (b"
        assert seed.argv == os.fsencode(program) + b"\x0030\x00"
    finally:
        child.kill()
        child.wait()


def test_a_process_that_is_gone_is_none() -> None:
    child = subprocess.Popen(["/bin/true"])
    child.wait()
    assert procfs.read(child.pid) is None

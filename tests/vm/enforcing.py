# SPDX-License-Identifier: Apache-2.0
"""The enforcement hooks, made to observe: lists that hold only files of one directory, and what makes each hook judge.

Nothing is refused in this mode; a decision is told and that is all.
"""

from __future__ import annotations

import os
import signal
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from innerwarden.config import EnforcementConfig, ResponderConfig
from innerwarden.libbpf import kernel_ids, libc
from innerwarden.sensor.enforcement import PROTECTED, Enforcement

PROGRAM = "denied"
FILES = ("opened", "renamed", "unlinked", "truncated")
BPF_MAP_GET_FD_BY_ID = 14
#: Nothing answers to observing but the record.
NOTHING_BLIND = "none: it refuses, it does not look"


def prepare(directory: Path) -> ResponderConfig:
    """Make the listed files; both switches stay off, every rule observes."""
    program = directory / PROGRAM
    program.write_bytes(Path("/bin/true").read_bytes())
    program.chmod(0o755)
    files = [directory / name for name in FILES]
    for file in files:
        file.write_text("listed\n")
    return ResponderConfig(
        enforcement=EnforcementConfig(
            exec_deny=(str(program),),
            protected_files=tuple(map(str, files)),
            bpf_mode="observe",
            self_mode="observe",
        )
    )


def _run(directory: Path) -> None:
    pid = os.posix_spawn(directory / PROGRAM, [PROGRAM], {})
    os.waitpid(pid, 0)


def _open(directory: Path) -> None:
    os.close(os.open(directory / "opened", os.O_WRONLY))


def _touch_maps(directory: Path) -> None:
    """A descriptor for every map there is, closed at once."""
    for number in kernel_ids("map"):
        with suppress(OSError):
            os.close(
                libc.syscall("bpf", BPF_MAP_GET_FD_BY_ID, struct.pack("<I", number).ljust(128, b"\0"), 128)
            )


def _load_program(directory: Path) -> None:
    os.close(libc.bpf_program())


@contextmanager
def protected(enforcement: Enforcement | None) -> Iterator[int]:
    """A process that waits, protected like the sensor; its id."""
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # judged all the same
        while True:
            signal.pause()
    try:
        if enforcement is not None:
            enforcement.protect_process(pid, PROTECTED)
        yield pid
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def actions(victim: int) -> dict[str, Callable[[Path], object]]:
    """Hook -> what makes it judge, given the directory that `prepare` had."""
    return {
        "lsm_exec": _run,
        "lsm_file_open": _open,
        "lsm_inode_rename": lambda directory: (directory / "renamed").rename(directory / "renamed.new"),
        "lsm_inode_unlink": lambda directory: (directory / "unlinked").unlink(),
        "lsm_truncate": lambda directory: os.truncate(directory / "truncated", 0),
        "lsm_bpf": _load_program,
        "lsm_bpf_map": _touch_maps,
        "lsm_ptrace": lambda directory: os.close(os.open(f"/proc/{victim}/mem", os.O_RDWR)),
        "lsm_task_kill": lambda directory: os.kill(victim, signal.SIGTERM),
    }

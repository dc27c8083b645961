# SPDX-License-Identifier: Apache-2.0
"""The filter of a worker's system calls, judged call by call by an interpreter of its own, for every machine."""

from __future__ import annotations

import os
import struct

import pytest

from innerwarden.libbpf import confine
from innerwarden.libbpf.libc import NUMBERS

ALLOWED, REFUSED, KILLED = 0x7FFF0000, 0x00050001, 0x80000000
ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # AUDIT_ARCH_*, linux/audit.h
#: These are judged by their flags or commands.
BY_ARGUMENT = {"open", "openat"}


def judge(machine: str, number: int, *arguments: int, arch: int | None = None) -> int:
    """Run the program on one struct seccomp_data; classic BPF as seccomp(2) allows it."""
    data = struct.pack(
        "<IIQ6Q", number, arch or ARCH[machine], 0, *(*arguments, *(0,) * (6 - len(arguments)))
    )
    program = list(struct.iter_unpack("<HBBI", confine.filter_program(machine)))
    at = accumulator = 0
    while True:
        code, on_true, on_false, value = program[at]
        at += 1
        if code == 0x20:
            accumulator = struct.unpack_from("<I", data, value)[0]
        elif code == 0x06:
            return int(value)
        else:
            holds = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}
            at += on_true if holds[code] else on_false


@pytest.mark.parametrize("machine", ARCH)
def test_no_call_that_acts_on_others_is_allowed(machine: str) -> None:
    told = {n: judge(machine, number) for n, number in NUMBERS[machine].items() if n not in BY_ARGUMENT}
    # Changing rights of the own memory is how libraries are loaded; copying a descriptor makes none.
    allowed = {name for name, verdict in told.items() if verdict == ALLOWED}
    assert allowed <= {"mprotect", "dup"}
    assert set(told.values()) <= {ALLOWED, REFUSED}


CREATING = [os.O_WRONLY, os.O_RDWR, os.O_CREAT, os.O_TRUNC, os.O_APPEND, os.O_RDONLY | os.O_CREAT | os.O_EXCL]


@pytest.mark.parametrize("machine", ARCH)
def test_files_are_only_read(machine: str) -> None:
    openat = NUMBERS[machine]["openat"]
    assert judge(machine, openat, 0, 0, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY) == ALLOWED
    assert {judge(machine, openat, 0, 0, flags) for flags in CREATING} == {REFUSED}
    if machine == "x86_64":
        assert judge(machine, 2, 0, os.O_RDONLY) == ALLOWED
        assert {judge(machine, 2, 0, flags) for flags in CREATING} == {REFUSED}


@pytest.mark.parametrize("machine", ARCH)
def test_descriptors_are_copied_and_looked_at_and_nothing_else(machine: str) -> None:
    fcntl = {"x86_64": 72, "aarch64": 25}[machine]
    import fcntl as names

    for command in (names.F_GETFD, names.F_GETFL, names.F_DUPFD_CLOEXEC):
        assert judge(machine, fcntl, 0, command) == ALLOWED
    for command in (
        names.F_SETOWN,
        names.F_SETFL,
        names.F_SETLK,
        names.F_SETSIG,
        names.F_NOTIFY,
        names.F_SETPIPE_SZ,
    ):
        assert judge(machine, fcntl, 0, command) == REFUSED


@pytest.mark.parametrize("machine", ARCH)
def test_another_numbering_ends_the_process(machine: str) -> None:
    assert judge(machine, 1, arch=0x40000003) == KILLED  # 32-bit x86
    assert judge(machine, 0x40000000 | 1) == KILLED  # x32


def test_a_machine_without_a_list_gets_no_filter() -> None:
    with pytest.raises(OSError, match="no list of system calls for riscv64"):
        confine.filter_program("riscv64")

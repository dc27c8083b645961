# SPDX-License-Identifier: Apache-2.0
"""Which calls the running kernel has."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from innerwarden.libbpf import libc
from innerwarden.sensor.kernel_syscalls import NUMBERS, implemented, numbers

SYMBOLS = """0000000000000000 T __x64_sys_perf_event_open
0000000000000000 T __x64_sys_umount
0000000000000000 t __x64_sys_socketpair
0000000000000000 t do_unshare
"""


@pytest.fixture
def symbols(tmp_path: Path) -> Path:
    path = tmp_path / "kallsyms"
    path.write_text(SYMBOLS)
    return path


def test_types_are_asked_first(tmp_path: Path) -> None:
    assert implemented("unshare", {"__x64_sys_unshare"}.__contains__, tmp_path / "missing")
    assert implemented("unshare", {"__arm64_sys_unshare"}.__contains__, tmp_path / "missing")
    assert not implemented("unshare", {"do_unshare"}.__contains__, tmp_path / "missing")


def test_a_call_that_only_the_symbols_have(symbols: Path) -> None:
    assert implemented("perf_event_open", ().__contains__, symbols)
    assert implemented("umount2", ().__contains__, symbols)  # its function has the older call's name


def test_parts_of_names_are_no_names(symbols: Path) -> None:
    assert not implemented("socket", ().__contains__, symbols)
    assert not implemented("unshare", ().__contains__, symbols)
    assert not implemented("perf_event", ().__contains__, symbols)


@pytest.mark.parametrize("name", ["ioperm", "iopl", "pkey_mprotect"])
def test_a_function_that_only_fails_is_no_call(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def answer(error: int) -> None:
        def syscall(*_arguments: object) -> int:
            raise OSError(error, "answered")

        monkeypatch.setattr(libc, "syscall", syscall)

    answer(errno.ENOSYS)
    assert not implemented(name, {f"__x64_sys_{name}", f"__arm64_sys_{name}"}.__contains__)
    answer(errno.EINVAL)
    assert implemented(name, {f"__x64_sys_{name}", f"__arm64_sys_{name}"}.__contains__)


@pytest.mark.parametrize(("machine", "column"), [("x86_64", 0), ("aarch64", 2)])
def test_what_the_canary_calls_is_what_the_kernel_hands_on(machine: str, column: int) -> None:
    made = {name: number for name, number in libc.NUMBERS[machine].items() if name in NUMBERS}
    assert {name: NUMBERS[name][column] for name in made} == made


def test_calls_that_a_processor_never_had() -> None:
    assert numbers("open", "x86_64") == [(0, 2), (1, 5)]
    assert numbers("open", "aarch64") == []
    assert numbers("openat", "aarch64") == [(0, 56)]

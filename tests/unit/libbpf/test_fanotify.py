# SPDX-License-Identifier: Apache-2.0
"""How the files of events are opened, where the same bit means something else to another processor."""

from __future__ import annotations

import os

import pytest

from innerwarden.libbpf import fanotify

#: arch/arm64/include/uapi/asm/fcntl.h and include/uapi/asm-generic/fcntl.h.
NO_FOLLOW = {"x86_64": 0o400000, "aarch64": 0o100000}
LARGE_FILE = {"x86_64": 0o100000, "aarch64": 0o400000}


@pytest.mark.parametrize("machine", sorted(NO_FOLLOW))
def test_a_file_may_be_large_and_the_kernel_is_asked_nothing_else(machine: str) -> None:
    flags = fanotify.file_flags(machine)
    assert flags & LARGE_FILE[machine]
    assert not flags & NO_FOLLOW[machine], "fanotify_init refuses it"
    assert not flags & os.O_ACCMODE

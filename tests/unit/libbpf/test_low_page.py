# SPDX-License-Identifier: Apache-2.0
"""The 32-bit socket call finds a page even where a large heap has taken all that MAP_32BIT offers."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

FULL = """
import ctypes, socket
from innerwarden.libbpf import libc
map = ctypes.CDLL(None).mmap
map.restype = ctypes.c_void_p
map.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
for place in range(0x4000_0000, 0x8000_0000, 0x10_0000):  # what is taken already stays so
    map(place, 0x10_0000, 0, 0x104022, -1, 0)
libc.compat_socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="only x86-64 has the 32-bit call")
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a raw socket")
def test_a_page_is_found_elsewhere() -> None:
    done = subprocess.run([sys.executable, "-c", FULL], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

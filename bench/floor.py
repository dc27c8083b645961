# SPDX-License-Identifier: Apache-2.0
"""What the kernel alone takes for being asked at a system call, whoever asks: programs that return at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bench.measure import bpf_program
from innerwarden.libbpf import Object

#: Program of floor.bpf.c -> what it is
FLOORS = {"call_end": "a program that returns at once", "other_call": "one at another call only"}


@contextmanager
def floor(name: str) -> Iterator[None]:
    """That program of floor.bpf.c attached, and nothing else."""
    loaded = Object(bpf_program("floor.bpf.c").read_bytes(), "floor")
    for other, program in loaded.programs.items():
        program.set_autoload(other == name)
    loaded.load()
    link = loaded.programs[name].attach()
    try:
        yield
    finally:
        link.destroy()
        loaded.close()

# SPDX-License-Identifier: Apache-2.0
"""What a target is: something that takes bytes from outside, and what must hold for every input."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[2]
CRASHES = Path(__file__).with_name("crashes")

#: Takes one input; returns, or raises for a fault.
Judge = Callable[[bytes], None]


class BreachError(AssertionError):
    """Something that must hold for every input does not."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """`make` is called once a process. `packages` of innerwarden are watched for coverage; `native`: the extensions,
    built with AddressSanitizer, are watched instead. `words` are put into inputs."""

    name: str
    make: Callable[[], Judge]
    seeds: Callable[[], Iterable[bytes]]
    packages: tuple[str, ...] = ()
    native: bool = False
    max_bytes: int = 4096
    words: tuple[bytes, ...] = ()
    cpu_s: float = 1.0
    """One input may take as much processor time, on a build without sanitizers."""
    growth_bytes: int = 64 << 20
    """And may make the process grow by as much."""


#: Sanitizers and coverage make code slower.
SLOWER = float(os.environ.get("IW_FUZZ_SLOWER", "1"))


def bounded(target: Target, judge: Judge) -> Judge:
    """The judge, with its time and memory held against the target's bounds; the second time counts."""
    judge_once = _measured(judge)

    def run(data: bytes) -> None:
        used_s, grown = judge_once(data)
        if used_s > target.cpu_s * SLOWER:  # a machine may hiccup once
            used_s = min(used_s, judge_once(data)[0])
            must(used_s <= target.cpu_s * SLOWER, f"{len(data)} bytes took {used_s:.2f} s of processor time")
        must(grown <= target.growth_bytes, f"{len(data)} bytes made the process grow by {grown >> 20} MiB")

    return run


def _measured(judge: Judge) -> Callable[[bytes], tuple[float, int]]:
    def run(data: bytes) -> tuple[float, int]:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.thread_time()
        judge(data)
        used_s = time.thread_time() - began
        return used_s, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10

    return run


def must(holds: bool, otherwise: str) -> None:
    """Raises BreachError."""
    if not holds:
        raise BreachError(otherwise)


def crashes_of(name: str) -> Iterator[Path]:
    """Inputs that found a fault once."""
    return iter(sorted(path for path in (CRASHES / name).glob("*") if path.is_file()))


def cut_up(data: bytes, size: int = 4096, count: int = 64) -> Iterator[bytes]:
    """The beginnings of some lines of a text, for seeds."""
    lines = [line for line in data.split(b"\n") if line.strip()]
    step = max(1, len(lines) // count)
    for line in lines[::step]:
        yield line[:size] + b"\n"


def case_files(pattern: str = "*/tests/*.toml") -> list[Path]:
    """The cases that the shipped modules bring."""
    return sorted((ROOT / "modules").glob(pattern))

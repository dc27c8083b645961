# SPDX-License-Identifier: Apache-2.0
"""What every row shares: one result shape, medians with spread, cores, compiled C helpers."""

from __future__ import annotations

import functools
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


class Unavailable(Exception):
    """This row cannot be measured here; the text says what is missing."""


@dataclass(frozen=True)
class Bound:
    """What goal and gate are about, in one unit: the drawing needs numbers, not the words of the table."""

    value: float
    goal: float
    gate: float
    at_least: bool = True
    """Whether more is better."""


@dataclass(kw_only=True)
class Result:
    """One line of the table. `ratio` is against the peer, more is better unless `lower_is_better`; `passed` None: not
    measured. `rounds`: how many single figures the median is of, where it is one."""

    row: int
    what: str
    value: float | None = None
    unit: str = ""
    peer: str = ""
    ratio: float | None = None
    goal: str = ""
    gate: str = ""
    passed: bool | None = None
    spread: float | None = None
    rounds: int | None = None
    note: str = ""
    lower_is_better: bool = False
    bound: Bound | None = None
    details: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def spread(values: Sequence[float]) -> float:
    """(max - min) / median: how far single rounds were apart."""
    middle = statistics.median(values)
    return (max(values) - min(values)) / middle if middle else 0.0


def interleaved(rounds: int, variants: dict[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Run every variant once a round, the order reversed every other round, so drift hits all alike."""
    results: dict[str, list[float]] = {name: [] for name in variants}
    names = list(variants)
    for number in range(rounds):
        for name in names if number % 2 == 0 else reversed(names):
            results[name].append(variants[name]())
    return results


@contextmanager
def on_cpu(cpu: int) -> Iterator[None]:
    """Keep this thread on one core (the last one there is, when `cpu` does not exist)."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(before)[min(cpu, len(before) - 1)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def children_cpu_ns() -> int:
    """CPU time of all programs that this process started and saw end, ns; two calls around one tell its own."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return round(1e9 * (used.ru_utime + used.ru_stime))


def cpu_ticks_ns(pid: int) -> int:
    """CPU time of a whole process, ns, from the scheduler's own account of each thread."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            continue  # the thread ended between the listing and the read
    return total


@functools.cache
def scratch() -> Path:
    """A directory for compiled helpers, removed when the run ends."""
    holder = tempfile.TemporaryDirectory(prefix="iw-bench-")
    scratch_holders.append(holder)
    return Path(holder.name)


scratch_holders: list[tempfile.TemporaryDirectory[str]] = []


def need_root() -> None:
    if os.geteuid() != 0:
        raise Unavailable("needs root")


def _compile(command: list[str], what: str) -> None:
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        first = next((line for line in run.stderr.splitlines() if "error" in line), run.stderr[:200])
        raise Unavailable(f"cannot compile {what}: {first.strip()}")


@functools.cache
def program(source: str, *flags: str) -> Path:
    """Compile bench/c/<source> with gcc; `-shared` among the flags makes a library."""
    if shutil.which("gcc") is None:
        raise Unavailable("gcc is missing")
    shared = "-shared" in flags
    output = scratch() / (Path(source).stem + (".so" if shared else ""))
    options = ["-O2", "-Wall", "-Wextra", *(["-fPIC"] if shared else [])]
    _compile(["gcc", *options, "-o", str(output), str(HERE / "c" / source), *flags], source)
    return output


@functools.cache
def bpf_program(source: str) -> Path:
    """Compile bench/c/<source> for the kernel with clang-14 and libbpf's helper header."""
    if shutil.which("clang-14") is None or not Path("/usr/include/bpf/bpf_helpers.h").exists():
        raise Unavailable("clang-14 or libbpf-dev is missing (apt-get install clang-14 libbpf-dev)")
    output = scratch() / (source.removesuffix(".bpf.c") + ".bpf.o")
    machine_headers = f"-I/usr/include/{os.uname().machine}-linux-gnu"
    _compile(
        [
            *("clang-14", "-O2", "-g", "-target", "bpf", machine_headers),
            *("-I", str(ROOT / "bpf/include"), "-c", str(HERE / "c" / source), "-o", str(output)),
        ],
        source,
    )
    return output

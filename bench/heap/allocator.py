# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.heap --allocator`: the same load under other settings of the C library's allocator and of Python's.

A setting in the environment takes the place of what the product sets by itself (innerwarden/ctl/plain.py).
"""

from __future__ import annotations

from bench.heap import runs
from bench.heap.series import MIB
from innerwarden.ctl.plain import ARENAS, THRESHOLD_BYTES

FREE = {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}
#: The first leaves all to glibc: the variable is there and says what holds anyway.
SETTINGS: dict[str, dict[str, str]] = {
    "as glibc has it": {"GLIBC_TUNABLES": "glibc.malloc.check=0"},
    "one arena": {"MALLOC_ARENA_MAX": "1"},
    "two arenas": {"MALLOC_ARENA_MAX": "2"},
    "thresholds 128 KiB": FREE,
    "one arena, 128 KiB, PYTHONMALLOC=malloc": {**FREE, "MALLOC_ARENA_MAX": "1", "PYTHONMALLOC": "malloc"},
    f"chosen: arenas {ARENAS}, thresholds {THRESHOLD_BYTES >> 10} KiB": {},
}


#: Differences between settings are there long before the end of a whole run.
SIZE = runs.Size(40_000, 80_000, 15_000, 0.05)


def compare(roles: tuple[str, ...], size: runs.Size = SIZE) -> int:
    """Print one table in Markdown, with a row for each setting."""
    print("| setting | " + " | ".join(f"{role}: most, end, CPU" for role in roles) + " |")
    print("|---" * (len(roles) + 1) + "|")
    for name, environment in SETTINGS.items():
        cells = [cell(outcome) for outcome in runs.run_all(roles, size, environment=environment)]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    return 0


def cell(outcome: runs.Outcome) -> str:
    return f"{outcome.most_mib:.1f} MiB, {outcome.samples[-1].heap / MIB:.1f} MiB, {outcome.cpu_s:.1f} s"

# SPDX-License-Identifier: Apache-2.0
"""What a sensor can leave behind in the kernel and in its own process."""

from __future__ import annotations

import gc
import os
import re
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from innerwarden.libbpf import kernel_ids

BPF_FS = Path("/sys/fs/bpf")


def inventory() -> dict[str, set[int]]:
    """Programs, maps and links that the kernel holds."""
    return {what: kernel_ids(what) for what in ("prog", "map", "link")}


def descriptors() -> Counter[str]:
    """What this process has open, by target."""
    found: Counter[str] = Counter()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found[str(entry.readlink())] += 1
        except FileNotFoundError:  # the descriptor of this very listing
            continue
    return found


def pins() -> set[str]:
    return {str(path) for path in BPF_FS.rglob("*")} if BPF_FS.is_dir() else set()


@dataclass(frozen=True)
class Own:
    """This process's threads and descriptors, and the pins of the machine."""

    threads: int
    tasks: int
    descriptors: Counter[str]
    pins: frozenset[str]


def own() -> Own:
    gc.collect()  # an engine of an earlier test holds its epoll descriptor until then
    tasks = sum(1 for _ in Path("/proc/self/task").iterdir())
    return Own(threading.active_count(), tasks, descriptors(), frozenset(pins()))


_HELD = re.compile(r"^(prog|map|link)_id:\s+(\d+)$", re.MULTILINE)


def held_by_others() -> dict[str, set[int]]:
    """Programs, maps and links that another living process has open: not of this process's making."""
    found: dict[str, set[int]] = {"prog": set(), "map": set(), "link": set()}
    for entry in Path("/proc").glob("[0-9]*/fdinfo/*"):
        if entry.parts[2] == str(os.getpid()):
            continue
        with suppress(OSError):
            for what, number in _HELD.findall(entry.read_text()):
                found[what].add(int(number))
    return found


def gone_within(seconds: float, before: dict[str, set[int]]) -> dict[str, set[int]]:
    """What is new against `before` and nobody else's, once nothing is or the time is over (RCU frees late)."""
    deadline = time.monotonic() + seconds
    while True:
        extra = {what: ids - before[what] for what, ids in inventory().items()}
        if any(extra.values()):
            others = held_by_others()
            extra = {what: ids - others[what] for what, ids in extra.items()}
        if not any(extra.values()) or time.monotonic() > deadline:
            return extra
        time.sleep(0.05)

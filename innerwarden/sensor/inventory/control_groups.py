# SPDX-License-Identifier: Apache-2.0
"""Control groups that take a whole processor for minutes, or whose memory grows fast.

Source: Documentation/admin-guide/cgroup-v2.rst (cpu.stat, memory.current), cgroup-v1/cpuacct.rst and memory.rst.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from innerwarden.model._wire import Change
from innerwarden.sensor.inventory import files
from innerwarden.sensor.inventory.baseline import Baseline
from innerwarden.sensor.inventory.collector import Look
from innerwarden.sensor.inventory.fact import Fact

KIND = "host.control_group"
GROUPS = 4096
DEPTH = 10
#: Share of one processor, and looks in a row: at the usual cadence five minutes.
BUSY = 0.95
BUSY_LOOKS = 10
GROWTH_BYTES = 256 << 20


class Reading(NamedTuple):
    """Processor time in seconds, memory in bytes, at a moment of the monotonic clock."""

    at: float
    cpu_s: float
    memory: int
    busy: int = 0
    is_told: bool = False


class ControlGroups:
    """`root` is the directory of the hierarchies; groups without members below them are looked at."""

    id = "control_groups"
    budget_ms = 0.3
    baseline: Baseline | None = None

    def __init__(self, root: str = "/sys/fs/cgroup", clock: Callable[[], float] = time.monotonic) -> None:
        self._root = root.rstrip("/")
        self._clock = clock
        self._last: dict[str, Reading] = {}
        self._cut = 0

    def obstacle(self) -> str:
        if not self._hierarchies():
            return "no hierarchy of control groups that counts processor time is mounted"
        return ""

    def remark(self) -> str:
        return f"{self._cut} control groups more than the {GROUPS} that are looked at" if self._cut else ""

    def _hierarchies(self) -> tuple[str, str, str, str] | None:
        """(directory for time, its file, directory for memory, its file): version 2, else version 1."""
        if os.path.exists(f"{self._root}/cgroup.controllers"):  # noqa: PTH110 - strings, like all of the walk
            return self._root, "cpu.stat", self._root, "memory.current"
        time_at, memory_at = f"{self._root}/cpuacct", f"{self._root}/memory"
        if os.path.exists(f"{time_at}/cpuacct.usage"):  # noqa: PTH110 - as above
            return time_at, "cpuacct.usage", memory_at, "memory.usage_in_bytes"
        return None

    def look(self) -> Look:
        places = self._hierarchies()
        if places is None:
            return
        time_at, time_file, memory_at, memory_file = places
        seen: dict[str, Reading] = {}
        self._cut = 0
        for group in _leaves(time_at):
            if len(seen) >= GROUPS:
                self._cut += 1
                continue
            cpu_s = _cpu_s(f"{time_at}{group}/{time_file}")
            if cpu_s is not None:
                memory = files.text(f"{memory_at}{group}/{memory_file}") or ""
                now = Reading(self._clock(), cpu_s, int(memory) if memory.isdigit() else 0)
                seen[group], facts = self._judge(group, now)
                yield from facts
            yield None
        self._last = seen

    def _judge(self, group: str, now: Reading) -> tuple[Reading, list[Fact]]:
        before = self._last.get(group)
        if before is None or now.at <= before.at:
            return now, []
        facts = []
        share = (now.cpu_s - before.cpu_s) / (now.at - before.at)
        busy = before.busy + 1 if share > BUSY else 0
        is_told = before.is_told and busy > 0
        if busy >= BUSY_LOOKS and not is_told:
            is_told = True
            text = f"took {share:.2f} processors for {busy} looks in a row"
            facts.append(_fact(group, "cpu", f"{share:.2f}", text))
        grown = now.memory - before.memory
        if grown > GROWTH_BYTES:
            text = f"memory grew by {grown >> 20} MiB since the last look, to {now.memory >> 20} MiB"
            facts.append(_fact(group, "memory", str(now.memory), text))
        return now._replace(busy=busy, is_told=is_told), facts


def _fact(group: str, name: str, value: str, reason: str) -> Fact:
    return Fact(kind=KIND, change=Change.FOUND, name=name, path=group, value=value, reason=reason)


def _cpu_s(path: str) -> float | None:
    """`usage_usec N` is the first line of cpu.stat; cpuacct.usage is a number of nanoseconds."""
    text = files.text(path)
    if not text:
        return None
    word = text.split("\n", 1)[0].rpartition(" ")
    if not word[2].isdigit():
        return None
    return int(word[2]) / (1e6 if word[0] == "usage_usec" else 1e9)


def _leaves(start: str) -> Iterator[str]:
    """Groups that have none below them, as paths from `start`."""
    waiting = [("", 0)]
    while waiting:
        group, depth = waiting.pop()
        try:
            with os.scandir(start + group) as found:
                below = [entry.name for entry in found if entry.is_dir(follow_symlinks=False)]
        except OSError:
            continue
        if below and depth < DEPTH:
            waiting += [(f"{group}/{name}", depth + 1) for name in below]
        elif group:
            yield group

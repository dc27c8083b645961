# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.hooks [--write]`: what one record costs at each hook, while the hook's own harmless action is done.

The kernel's run statistics add their own two clock reads to every run, so the figures are upper bounds. A syscall's is
what its record costs beyond a call that nobody wants, which is printed first, beside a bare getppid() of the same run
without any sensor. Actions that also wait or fork are measured in the program alone. Hooks that did not deliver are not
listed. `--write` puts the figures into the table of bpf/README.md.
"""

from __future__ import annotations

import contextlib
import os
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

from innerwarden.canary.triggers import TRIGGERS, Trigger
from innerwarden.config import KernelConfig
from innerwarden.libbpf import enable_stats
from innerwarden.sensor.kernel_hooks import DISPATCHER, HOOKS, SYSCALL
from innerwarden.sensor.loader import KernelSource

TIMES = 40
CALLS = 200_000
TABLE = Path(__file__).resolve().parents[1] / "bpf" / "README.md"
COLUMN = "ns"
_HOOK = {hook.name: hook for hook in HOOKS}
_NAMED = re.compile(r"`([^`]+)`")


def getppid_ns() -> float:
    """Best of five loops: one call, with the interpreter's share of it."""
    found = []
    for _ in range(5):
        began = time.perf_counter_ns()
        for _ in range(CALLS):
            os.getppid()
        found.append((time.perf_counter_ns() - began) / CALLS)
    return min(found)


class Meter:
    """Counts of a loaded source, and what changed since the last look."""

    def __init__(self, source: KernelSource) -> None:
        self._source = source
        self._stats = source.run_stats()
        self._fired = source.fired()

    def step(self) -> tuple[dict[str, tuple[int, int]], dict[str, int]]:
        """Program -> (runs, ns), and hook -> records, since the last call."""
        stats, fired = self._source.run_stats(), self._source.fired()
        runs = {
            name: (count - self._stats[name][0], ns - self._stats[name][1])
            for name, (count, ns) in stats.items()
        }
        records = {name: count - self._fired[name] for name, count in fired.items()}
        self._stats, self._fired = stats, fired
        return runs, records


def _act(trigger: Trigger, place: Path) -> None:
    place.mkdir()
    with contextlib.suppress(OSError):
        for _ in range(TIMES):
            trigger.action(place)


def measured() -> tuple[float, dict[str, float]]:
    """ns of a call that nobody wants, and hook -> ns of a record."""
    source = KernelSource(KernelConfig())
    source.start()
    counting = enable_stats()
    found: dict[str, list[float]] = {}
    try:
        attached = {hook.name for hook in source.hooks if hook.state == "attached"}
        meter = Meter(source)
        for _ in range(CALLS):
            os.getppid()
        runs, _records = meter.step()
        idle = runs[DISPATCHER][1] / runs[DISPATCHER][0]
        with tempfile.TemporaryDirectory(prefix="iw-bench-hooks-") as holder:
            for number, trigger in enumerate(TRIGGERS):
                if not attached.intersection(trigger.hooks):
                    continue
                meter.step()
                _act(trigger, Path(holder) / str(number))
                runs, records = meter.step()
                for name in attached.intersection(trigger.hooks):
                    if (cost := _cost(name, runs, records, idle)) is not None:
                        found.setdefault(name, []).append(cost)
    finally:
        os.close(counting)
        source.close()
    return idle, {name: statistics.median(costs) for name, costs in found.items()}


def _cost(name: str, runs: dict[str, tuple[int, int]], records: dict[str, int], idle: float) -> float | None:
    hook = _HOOK[name]
    if not records[name]:
        return None
    if hook.attach != SYSCALL:
        count, ns = runs[hook.program]
        return ns / count if count else None
    count, ns = runs[DISPATCHER]
    return max(0.0, (ns - (count - records[name]) * idle) / records[name])


def write(costs: dict[str, float], line: str) -> None:
    """Into the column of every row that names measured hooks, and the line below the table."""
    names = {hook.name: hook.name for hook in HOOKS}
    for hook in HOOKS:
        names.setdefault(hook.target, hook.name)
        names.setdefault(f"{hook.attach} {hook.target}", hook.name)
    lines = TABLE.read_text().splitlines()
    for at, text in enumerate(lines):
        cells = text.split(" | ")
        if text.startswith("| effect "):
            place = cells.index(COLUMN)
        elif text.startswith("| ") and len(cells) > 5 and not text.startswith("|---"):
            words = [word for cell in cells[1:4] for group in _NAMED.findall(cell) for word in group.split()]
            found = [costs[names[word]] for word in words if names.get(word) in costs]
            cells[place] = _range(found)
            lines[at] = " | ".join(cells)
        elif text.startswith("*ns*: "):
            lines[at] = line
    TABLE.write_text("\n".join(lines) + "\n")


def _range(costs: list[float]) -> str:
    if not costs:
        return "–"
    low, high = (f"{round(cost, -1):,.0f}" for cost in (min(costs), max(costs)))
    return low if low == high else f"{low} – {high}"


def _line(bare: float, idle: float) -> str:
    version = os.uname().release.split("-")[0]
    return (
        f"*ns*: one record, as `python -m bench.hooks --write` measured it on Linux {version}, where a bare getppid()"
        f" from Python took {bare:,.0f} ns and a call that nobody wants cost {idle:,.0f} ns more; the kernel's run"
        " statistics, which were on, are in it. Where a hook is refused there, its fallback was measured; –: neither"
        " could be."
    )


def main(arguments: list[str]) -> int:
    bare = getppid_ns()
    idle, costs = measured()
    print(f"{'getppid() without a sensor':28} {bare:9,.0f} ns")
    print(f"{'a call that nobody wants':28} {idle:9,.0f} ns")
    for name, cost in sorted(costs.items(), key=lambda item: item[1]):
        print(f"{name:28} {cost:9,.0f} ns")
    if "--write" in arguments:
        write(costs, _line(bare, idle))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

# SPDX-License-Identifier: Apache-2.0
"""Functions of the kernel whose calls go somewhere else (ftrace, IPMODIFY).

Tracing a function leaves it as it is; replacing it needs the flag I, which live patches have, and hooks of rootkits.
Source: Documentation/trace/ftrace.rst ("enabled_functions"), Documentation/livepatch/livepatch.rst.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from innerwarden.model._wire import Change
from innerwarden.sensor.inventory import files
from innerwarden.sensor.inventory.baseline import Baseline, Difference, Item
from innerwarden.sensor.inventory.collector import Look
from innerwarden.sensor.inventory.fact import Fact

KIND = "host.kernel_symbol"
PLACES = ("/sys/kernel/tracing/enabled_functions", "/sys/kernel/debug/tracing/enabled_functions")
LIST_BYTES = 16 << 20
STEP_LINES = 64
FUNCTIONS = 4096
#: function, [module], number of users, flags, and where its calls go.
_LINE = re.compile(r"^(\S+)(?: \[(\S+)\])? \((\d+)\)((?:\s+[A-Z])*)\s*(.*)$")


class KernelFunctions:
    """`root` stands before /sys."""

    id = "kernel_functions"
    budget_ms = 0.3

    def __init__(self, baseline: Baseline, root: str = "") -> None:
        self.baseline = baseline
        self._places = [root.rstrip("/") + place for place in PLACES]
        self._place = self._places[0]
        self._cut = 0

    def obstacle(self) -> str:
        why = "tracefs is not mounted, or CONFIG_DYNAMIC_FTRACE is off"
        for place in self._places:
            try:
                os.close(os.open(place, os.O_RDONLY | os.O_CLOEXEC))
            except FileNotFoundError:
                continue
            except OSError as error:
                why = str(error)
                continue
            self._place = place
            return ""
        return f"the kernel's list of replaced functions cannot be read: {why}"

    def remark(self) -> str:
        return f"{self._cut} functions more than the {FUNCTIONS} that are remembered" if self._cut else ""

    def look(self) -> Look:
        text = files.read(self._place, LIST_BYTES).decode("ascii", "replace")
        yield None
        seen: dict[str, Item] = {}
        self._cut = 0
        for count, (name, where) in enumerate(_replaced(text)):
            if len(seen) >= FUNCTIONS:
                self._cut += 1
            else:
                seen[name] = Item(where)
            if count % STEP_LINES == 0:
                yield None
        for one in self.baseline.compare(seen):
            yield fact_of(one)


def _replaced(text: str) -> Iterator[tuple[str, str]]:
    """(function, where its calls go) of those that are replaced; a line that continues another one has no count."""
    for line in text.splitlines():
        found = _LINE.match(line)
        if found and "I" in found[4].split():
            module = f" of {found[2]}" if found[2] else ""
            yield found[1] + module, " ".join(found[5].split())


def fact_of(one: Difference) -> Fact:
    gone = one.change is Change.VANISHED
    where = re.sub(r"0x[0-9a-f]{8,} ?", "", one.item.value).strip() or "code that the kernel does not name"
    return Fact(
        kind=KIND,
        change=Change.VANISHED if gone else Change.FOUND,
        name=one.key,
        value=one.item.value,
        old_value=one.old.value if one.old and not gone else "",
        reason="calls go to the function itself again" if gone else f"calls of it go to {where}",
    )

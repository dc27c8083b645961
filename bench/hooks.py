# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.hooks`: what each kernel program costs a run, while its hook's own harmless action is done.

The kernel's run statistics add their own two clock reads to every run, so the figures are upper bounds; they order
the programs and show a change. Programs that did not run are not listed.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from innerwarden.canary.triggers import TRIGGERS
from innerwarden.config import KernelConfig
from innerwarden.libbpf import enable_stats
from innerwarden.sensor.loader import KernelSource

TIMES = 30


def measured() -> dict[str, tuple[int, int]]:
    """Program -> (runs, mean ns)."""
    source = KernelSource(KernelConfig())
    source.start()
    statistics = enable_stats()
    try:
        attached = {hook.name for hook in source.hooks if hook.state == "attached"}
        before = source.run_stats()
        with tempfile.TemporaryDirectory(prefix="iw-bench-hooks-") as holder:
            for number, trigger in enumerate(TRIGGERS):
                if not set(trigger.hooks) <= attached:
                    continue
                place = Path(holder) / str(number)
                place.mkdir()
                with contextlib.suppress(OSError):
                    for _ in range(TIMES):
                        trigger.action(place)
        after = source.run_stats()
    finally:
        os.close(statistics)
        source.close()
    runs = {name: after[name][0] - before[name][0] for name in after}
    return {
        name: (count, (after[name][1] - before[name][1]) // count) for name, count in runs.items() if count
    }


if __name__ == "__main__":
    for program, (count, nanoseconds) in sorted(measured().items(), key=lambda item: item[1][1]):
        print(f"{program:24} {nanoseconds:7,} ns  {count:9,} runs")

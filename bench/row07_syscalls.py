# SPDX-License-Identifier: Apache-2.0
"""Row 7: what the sensor adds to an open and close that nothing wants, and to a call that it never sees."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.measure import Bound, Result, median, spread
from bench.sensor import Sensor, load, need_quiet

PAIRS = 100_000
CALLS = 1_000_000
#: what -> (goal, gate) in added ns
LIMITS = {"open+close that nothing wants": (150, 300), "getpgid": (10, 30)}


def sample(path: Path) -> dict[str, float]:
    return {
        "open+close that nothing wants": load("opens", path, PAIRS, 0).median_ns,
        "getpgid": load("getpgid", CALLS).median_ns,
    }


def run(quick: bool) -> list[dict[str, object]]:
    bare: dict[str, list[float]] = {name: [] for name in LIMITS}
    watched: dict[str, list[float]] = {name: [] for name in LIMITS}

    def keep(into: dict[str, list[float]], path: Path) -> None:
        for name, value in sample(path).items():
            into[name].append(value)

    with tempfile.NamedTemporaryFile(prefix="iw-bench-unwanted-") as file:
        path = Path(file.name)
        for _ in range(2 if quick else 5):
            # Bare on both sides of watched, so that a drift of the machine hits both alike.
            need_quiet()
            keep(bare, path)
            with Sensor() as sensor:
                sensor.at_home()
                keep(watched, path)
                keep(watched, path)
            need_quiet()
            keep(bare, path)
    results = []
    for name, (goal, gate) in LIMITS.items():
        base = median(bare[name])
        added = median(watched[name]) - base
        results.append(
            Result(
                row=7,
                what=f"added to {name}",
                value=added,
                unit="ns",
                peer=f"bare {base:.0f} ns",
                goal=f"<= {goal} ns",
                gate=f"<= {gate} ns",
                passed=added <= gate,
                spread=spread(watched[name]),
                rounds=len(watched[name]),
                bound=Bound(max(added, 0.1), goal, gate, at_least=False),
                details={"bare_ns": base, "bare_spread": spread(bare[name])},
            ).as_dict()
        )
    return results

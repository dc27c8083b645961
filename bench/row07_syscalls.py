# SPDX-License-Identifier: Apache-2.0
"""Row 7: what the sensor adds to an open and close that nothing wants, and to a call that it never sees.

Beside it, in the same rounds, what the kernel alone takes for that: a program at the end of every call that returns at
once, and such a program at one other call only.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.floor import FLOORS, floor
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
    floors: dict[str, dict[str, list[float]]] = {one: {name: [] for name in LIMITS} for one in FLOORS}

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
            for one in FLOORS:
                with floor(one):
                    keep(floors[one], path)
    return [
        result(name, bare[name], watched[name], {one: floors[one][name] for one in FLOORS}) for name in LIMITS
    ]


def result(
    name: str, bare: list[float], watched: list[float], floors: dict[str, list[float]]
) -> dict[str, object]:
    goal, gate = LIMITS[name]
    base = median(bare)
    added = median(watched) - base
    beside = {one: median(values) - base for one, values in floors.items()}
    told = ", ".join(f"{FLOORS[one]} {ns:+.0f}" for one, ns in beside.items())
    return Result(
        row=7,
        what=f"added to {name}",
        value=added,
        unit="ns",
        peer=f"bare {base:.0f} ns, {told}",
        ratio=added / beside["call_end"] if beside["call_end"] > 0 else None,
        lower_is_better=True,
        goal=f"<= {goal} ns",
        gate=f"<= {gate} ns",
        passed=added <= gate,
        spread=spread(watched),
        rounds=len(watched),
        bound=Bound(max(added, 0.1), goal, gate, at_least=False),
        details={
            "bare_ns": base,
            "bare_spread": spread(bare),
            **{f"{one}_ns": ns for one, ns in beside.items()},
        },
    ).as_dict()

# SPDX-License-Identifier: Apache-2.0
"""Row 5: CPU time of the whole sensor while a process opens a watched file 10,000 and 100,000 times a second.

The generator knows how many opens it made; the sensor's own report must show as many, and no loss.
"""

from __future__ import annotations

import time

from bench.measure import Result, cpu_ticks_ns, median, spread
from bench.sensor import Sensor, load

WATCHED = "/etc/shadow"
LIMITS = {10_000: (1.0, 2.0), 100_000: (4.0, 8.0)}


def one(sensor: Sensor, rate: int, seconds: float, rounds: int) -> Result:
    """Median share of a core over the rounds, in percent."""
    goal, gate = LIMITS[rate]
    shares: list[float] = []
    before = sensor.settled()
    made = 0
    for _ in range(rounds):
        cpu, began = cpu_ticks_ns(sensor.process.pid), time.monotonic_ns()
        made += load("opens", WATCHED, int(rate * seconds), rate).count
        shares.append(100 * (cpu_ticks_ns(sensor.process.pid) - cpu) / (time.monotonic_ns() - began))
    after = sensor.settled()
    delivered = after.totals.get("file.open", 0) - before.totals.get("file.open", 0)
    lost = sum(after.lost.values()) - sum(before.lost.values())
    share = median(shares)
    return Result(
        row=5,
        what=f"sensor CPU at {rate // 1000} k events/s",
        value=share,
        unit="% of a core",
        goal=f"<= {goal:.0f} %, 0 lost",
        gate=f"<= {gate:.0f} %, 0 lost",
        passed=share <= gate and lost == 0 and delivered >= made,
        spread=spread(shares),
        note=f"made {made:,}, delivered {delivered:,} with others' opens, lost {lost}",
        details={"made": made, "delivered": delivered, "lost": lost},
    )


def run(quick: bool) -> list[dict[str, object]]:
    seconds, rounds = (1.0, 3) if quick else (3.0, 5)
    with Sensor() as sensor:
        sensor.at_home()
        return [one(sensor, rate, seconds, rounds).as_dict() for rate in LIMITS]

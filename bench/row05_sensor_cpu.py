# SPDX-License-Identifier: Apache-2.0
"""Row 5: CPU time of the whole sensor while a process opens a watched file 10,000 and 100,000 times a second.

The generator knows how many opens it made; the sensor's own report must show as many, and no loss. Beside it, round
by round: a consumer in C that counts the same opens and does nothing else, woken by the ring as it comes
(libbpf's ring_buffer__poll, no flag at submit).
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.measure import Bound, Result, Unavailable, bpf_program, cpu_ticks_ns, median, program, spread
from bench.sensor import Sensor, load

WATCHED = "/etc/shadow"
LIMITS = {10_000: (1.0, 2.0), 100_000: (4.0, 8.0)}


class Adaptive:
    """The running peer."""

    def __init__(self) -> None:
        command = [str(program("adaptive.c", "-lbpf")), str(bpf_program("adaptive.bpf.c"))]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.pid = self._process.pid
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            self._process.wait(10)
            raise Unavailable("the kernel refused the tracepoint of the adaptive consumer")

    def end(self) -> int:
        """How many opens it counted."""
        out, _ = self._process.communicate(timeout=10)
        return int(out)


@contextmanager
def adaptive() -> Iterator[Adaptive]:
    peer = Adaptive()
    try:
        yield peer
    except BaseException:
        peer.end()
        raise


def share_of(pid: int, rate: int, seconds: float) -> tuple[float, int]:
    """(percent of a core, opens made) while the load runs."""
    cpu, began = cpu_ticks_ns(pid), time.monotonic_ns()
    made = load("opens", WATCHED, int(rate * seconds), rate).count
    return 100 * (cpu_ticks_ns(pid) - cpu) / (time.monotonic_ns() - began), made


class Row:
    """What the rounds of one rate found."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.ours: list[float] = []
        self.theirs: list[float] = []
        self.made = self.delivered = self.lost = 0
        self.peer_missed = 0

    def watch(self, sensor: Sensor, seconds: float) -> None:
        before = sensor.settled()
        share, made = share_of(sensor.process.pid, self.rate, seconds)
        after = sensor.settled()
        self.ours.append(share)
        self.made += made
        self.delivered += after.totals.get("file.open", 0) - before.totals.get("file.open", 0)
        self.lost += sum(after.lost.values()) - sum(before.lost.values())

    def compare(self, seconds: float) -> None:
        with adaptive() as peer:
            share, made = share_of(peer.pid, self.rate, seconds)
            self.peer_missed += made - peer.end()
        self.theirs.append(share)

    def result(self, note: str) -> Result:
        goal, gate = LIMITS[self.rate]
        share = median(self.ours)
        theirs = median(self.theirs) if self.theirs else None
        if theirs is not None:
            note = f"the adaptive one missed {self.peer_missed:,}"
        return Result(
            row=5,
            what=f"sensor CPU at {self.rate // 1000} k events/s",
            value=share,
            unit="% of a core",
            peer="" if theirs is None else f"counting only, adaptive wake-ups: {theirs:.2g} %",
            ratio=None if theirs is None else theirs / share,
            goal=f"<= {goal:.0f} %, 0 lost",
            gate=f"<= {gate:.0f} %, 0 lost",
            passed=share <= gate and self.lost == 0 and self.delivered >= self.made,
            spread=spread(self.ours),
            rounds=len(self.ours),
            bound=Bound(share, goal, gate, at_least=False),
            note=f"made {self.made:,}, delivered {self.delivered:,} with others' opens, lost {self.lost}; {note}",
            details={
                "made": self.made,
                "delivered": self.delivered,
                "lost": self.lost,
                "peer_percent": theirs or 0.0,
            },
        )


def run(quick: bool) -> list[dict[str, object]]:
    seconds, rounds = (1.0, 3) if quick else (2.0, 5)
    rows = [Row(rate) for rate in LIMITS]
    note = ""
    with Sensor() as sensor:
        sensor.at_home()
        for _ in range(rounds):
            for row in rows:
                row.watch(sensor, seconds)
                try:
                    if not note:
                        row.compare(seconds)
                except Unavailable as reason:
                    note = f"adaptive wake-ups not measured: {reason}"
    return [row.result(note).as_dict() for row in rows]

# SPDX-License-Identifier: Apache-2.0
"""Somebody sets the wall clock by a day while sensor and agent run: attacks are told once, by the new clock."""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from innerwarden.clock import NS, parse_rfc3339
from tests.faults.daemons import Host, until

DAY_S = 86_400
SOURCE = Path(__file__).with_name("step_clock.c")


class Clock:
    """The offset of every process that `environment` is given to."""

    def __init__(self, directory: Path) -> None:
        library = directory / "step_clock.so"
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            pytest.skip("needs a C compiler: apt-get install gcc")
        subprocess.run(
            [
                compiler,
                "-shared",
                "-fPIC",
                "-O2",
                "-Wall",
                "-Werror",
                "-o",
                str(library),
                str(SOURCE),
                "-ldl",
            ],
            check=True,
        )
        page = directory / "step"
        page.write_bytes(bytes(mmap.PAGESIZE))
        self._file = page.open("r+b")
        self._page = mmap.mmap(self._file.fileno(), mmap.PAGESIZE)
        self.environment = {"LD_PRELOAD": str(library), "STEP_CLOCK": str(page)}
        self.seconds = 0

    def set(self, seconds: int) -> None:
        self.seconds = seconds
        struct.pack_into("<q", self._page, 0, seconds)

    def now(self) -> float:
        return time.time() + self.seconds


@pytest.fixture
def clock(tmp_path: Path, host: Host) -> Iterator[Clock]:
    one = Clock(tmp_path)
    host.environment |= one.environment
    yield one
    host.close()


@pytest.mark.fault(
    fault="the wall clock is set by a day, forward and back",
    expect="keeps working; what comes after has the new date, reports stay fresh, nothing is told twice",
    levels=("clock_moved",),
)
@pytest.mark.parametrize("step_s", [DAY_S, -DAY_S], ids=["forward", "back"])
def test_a_day(host: Host, clock: Clock, step_s: int) -> None:
    host.start("sensor")
    host.start("agent")
    addresses = [host.attack(clock.now())]
    host.until_told(*addresses)
    for seconds in (step_s, 0):
        clock.set(seconds)
        addresses.append(host.attack(clock.now()))
        host.until_told(*addresses)
        found = host.until_levels("clock_moved")
        assert found["sensor"]["alive"] and found["agent"]["alive"] and found["exit_code"] == 0, found
        until(lambda: _report_is_of_now(host, clock), 10, "a report dated by the new clock")
    assert "Traceback" not in host.said("sensor") + host.said("agent")


def _report_is_of_now(host: Host, clock: Clock) -> bool:
    health = host.status()["health"]
    return bool(abs(parse_rfc3339(health["ts"]) / NS - clock.now()) < 10)

# SPDX-License-Identifier: Apache-2.0
"""Started and stopped a hundred times, or killed in a flood: no descriptor, thread, program, map, link or pin stays."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from innerwarden import clock, paths
from innerwarden.config import KernelConfig
from innerwarden.model import health
from innerwarden.sensor.loader import KernelSource
from tests.kernel.execs import ExecCollector
from tests.kernel.flood import Flood
from tests.kernel.leftovers import gone_within, inventory, own
from tests.kernel.product import REPOSITORY, end, wait_for

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(600)]

EMULATED = os.environ.get("IW_EMULATED") == "1"
#: A cycle is the verifier's time and little else: half a second here, several where the CPU is emulated.
CYCLES = 6 if EMULATED else 100
LOOK_EVERY = 4
KILLS = 1 if EMULATED else 2
CONFIG = KernelConfig(prio_ring_bytes=1 << 20, bulk_ring_bytes=1 << 17)


def one_exec_is_seen(source: KernelSource) -> None:
    with ExecCollector(source.rings) as collector:
        child = subprocess.Popen(["/bin/true", "cycle"])
        child.wait(10)
        assert [one.record.argv() for one in collector.of(child.pid)] == [["/bin/true", "cycle"]]


def test_a_hundred_starts_and_stops_leave_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    warm = KernelSource(CONFIG)  # libbpf keeps what it learned of the kernel
    warm.start()
    warm.close()
    gone_within(10, inventory())
    before, before_own = inventory(), own()
    began = time.monotonic()
    for number in range(CYCLES):
        source = KernelSource(CONFIG)
        source.start()
        assert [(size, name) for _, size, name in source.rings] == [(1 << 20, "prio"), (1 << 17, "bulk")]
        if number % LOOK_EVERY == 0:
            one_exec_is_seen(source)
        source.close()
        source.close()
    took = time.monotonic() - began
    assert own() == before_own
    left = gone_within(10, before)
    assert not any(left.values()), left
    with capsys.disabled():
        print(f"\n{CYCLES} starts and stops in {took:.1f} s, {took / CYCLES:.2f} s each")


class Sensor:
    """`innerwarden sensor` with nothing but its kernel source, on a data directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.data_dir = directory / "data"
        config = directory / "config.toml"
        config.write_text("[collectors.auth_log]\nenabled = false\n[collectors.journald]\nenabled = false\n")
        words = ["sensor", "--data-dir", str(self.data_dir), "--config", str(config)]
        self.command = [sys.executable, "-m", "innerwarden", *words]

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """Started, and attached: its first report is here."""
        began_ns = clock.realtime_ns()

        def reports() -> bool:
            report = health.read(paths.sensor_health(self.data_dir))
            fresh = report is not None and clock.parse_rfc3339(report.ts) > began_ns
            return fresh and any(hook.state == "attached" for hook in report.hooks if report)

        child = subprocess.Popen(self.command, cwd=REPOSITORY, stderr=subprocess.DEVNULL)
        try:
            wait_for(reports, 60, "the sensor did not attach")
            yield child
        finally:
            end(child)


def test_a_sensor_killed_in_a_flood_leaves_nothing_and_starts_again_at_once(tmp_path: Path) -> None:
    """SIGKILL gives it no chance to clean up: what stays is what the kernel keeps on its own."""
    before, before_own = inventory(), own()
    sensor = Sensor(tmp_path)
    for _ in range(KILLS):
        with sensor.running() as child, Flood(tmp_path / "authorized_keys") as flood:
            ours = {what: ids - before[what] for what, ids in inventory().items()}
            assert all(ours.values()), "a sensor has programs, maps and links"
            began = flood.made()
            wait_for(lambda began=began: flood.made() > began + 1000, 30, "the flood does not flow")
            child.kill()
            child.wait(30)
            left = gone_within(20, before)
            assert not any(left.values()), left
        with sensor.running() as child:
            child.terminate()
            assert child.wait(30) == 0
    assert own().pins == before_own.pins
    left = gone_within(20, before)
    assert not any(left.values()), left

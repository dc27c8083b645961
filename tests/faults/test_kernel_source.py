# SPDX-License-Identifier: Apache-2.0
"""The sensor's kernel source while the sensor stands still, and without bpffs."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from innerwarden import paths
from innerwarden.model.health import SensorHealth, read
from tests.faults.daemons import Host, until
from tests.faults.disks import Space
from tests.kernel.flood import Flood

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(300)]

#: Small enough to be full within a second.
RING = "[collectors.kernel]\nenabled = true\nbulk_ring_bytes = 1048576\n"
#: A file name that the shipped rules have the kernel watch for being read.
WATCHED = "wallet.dat"
#: Opens of watched names by other programs of this machine during the test, at most.
OTHERS_OPEN = 500


def with_kernel(host: Host) -> None:
    text = host.config.read_text()
    host.config.write_text(text.replace("[collectors.kernel]\nenabled = false\n", RING))


def report(host: Host) -> SensorHealth:
    found = read(paths.sensor_health(host.data_dir))
    assert found is not None
    return found


@pytest.mark.fault(
    fault="sensor stopped (SIGSTOP) under a ring flood until its ring is full",
    expect="made = delivered + counted + skipped, exactly, over the stop; status counts what was lost",
    levels=("sensor_silent", "events_lost"),
)
def test_stopped_under_a_flood(host: Host) -> None:
    with_kernel(host)
    sensor = host.start("sensor")
    host.start("agent")
    flooded = host.directory / WATCHED
    until(lambda: report(host).totals.get("process.exec"), 20, "events of the kernel")
    before = report(host)
    with Flood(flooded) as flood:
        until(lambda: flood.made() > 1000, 20, "opens")
        sensor.send_signal(signal.SIGSTOP)
        full = flood.made()
        until(lambda: flood.made() > full + 200_000, 60, "more opens than the ring holds")
        found = host.until_levels("sensor_silent")
        assert found["exit_code"] == 1
        sensor.send_signal(signal.SIGCONT)
        host.until_levels("events_lost")

    def settled() -> bool:
        one = report(host)
        other = until(lambda: (new := report(host)).ts != one.ts and new, 20, "a report")
        return other.totals["file.open"] == one.totals["file.open"]

    until(settled, 60, "opens are still read")
    after = report(host)

    def more(place: str) -> int:
        return after.lost.get(place, 0) - before.lost.get(place, 0)

    delivered = after.totals["file.open"] - before.totals.get("file.open", 0)
    lost = more("kernel.file.open")
    skipped = sum(n for place, n in after.lost.items() if place.startswith("skipped."))
    assert lost > 100_000, "the ring was never full"
    assert not more("kernel.process.exec"), "execs have a ring of their own"
    unseen = flood.made() - delivered - lost - more("suppressed.file.open")
    # What other programs opened is delivered too; what the kernel skipped is counted with theirs.
    assert -OTHERS_OPEN <= unseen <= skipped, (flood.made(), delivered, lost, after.lost)


@pytest.fixture
def without_bpffs(tmp_path: Path) -> Iterator[Space]:
    script = "while mountpoint -q /sys/fs/bpf; do umount /sys/fs/bpf; done"
    space = Space(script)
    yield space
    space.close()


@pytest.mark.fault(
    fault="bpffs is not mounted",
    expect="keeps working: nothing is pinned, all hooks attach as they do with it",
)
def test_without_bpffs(tmp_path: Path, without_bpffs: Space) -> None:
    host = Host(tmp_path, inside=without_bpffs.inside)
    with_kernel(host)
    try:
        host.start("sensor")
        host.start("agent")
        hooks = {one.name: one.state for one in report(host).hooks}
        assert sum(state == "attached" for state in hooks.values()) > 10
        program = tmp_path / "iw-fault-program"
        program.symlink_to("/bin/true")
        seen = report(host).totals.get("process.exec", 0)
        for _ in range(20):
            subprocess.run([str(program)], check=True)
        until(lambda: report(host).totals.get("process.exec", 0) >= seen + 20, 20, "execs")
        kernel = next(one for one in report(host).collectors if one.id == "kernel")
        assert kernel.state == "working", json.dumps(hooks)
    finally:
        host.close()

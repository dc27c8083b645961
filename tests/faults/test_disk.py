# SPDX-License-Identifier: Apache-2.0
"""The data directory's disk is full, out of inodes or broken: nothing told is lost, and `status` says which."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.daemons import Host, until
from tests.faults.disks import Disk, Ext4, need_root

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    need_root("unshare", "nsenter")
    one = Disk(tmp_path / "disk", "size=24m,nr_inodes=400,mode=0755")
    yield one
    one.close()


@pytest.fixture
def host_on_disk(tmp_path: Path, disk: Disk) -> Iterator[Host]:
    place = disk.place / "data"
    one = Host(tmp_path, data_dir=place, seen=disk.seen(place), inside=disk.inside)
    yield one
    one.close()


@pytest.mark.fault(
    fault="full disk",
    expect="findings wait in memory and are written when there is room; after a kill the log is read again",
    levels=("storage_full", "findings_wait"),
)
def test_full_disk(host_on_disk: Host, disk: Disk) -> None:
    host = host_on_disk
    host.start("sensor")
    host.start("agent")
    before = host.attack()
    host.until_told(before)
    host.until_levels()
    during = overfilled(host, disk)
    found = host.until_levels("storage_full", "findings_wait")
    assert found["exit_code"] == 1 and found["level"] == "degraded"
    assert host.told() == {before: 1}
    disk.ballast.unlink()
    host.until_told(before, *during)
    host.until_levels()
    killed = overfilled(host, disk)
    host.end("sensor", signal.SIGKILL)
    disk.ballast.unlink()
    host.start("sensor")
    host.until_told(before, *during, *killed)


def overfilled(host: Host, disk: Disk) -> list[str]:
    """Fill the disk and attack until a finding waits: reports that are replaced leave a little room at first."""
    attacks: list[str] = []

    def waits() -> bool:
        disk.fill()
        attacks.append(host.attack())
        return "findings_wait" in host.levels()

    until(waits, 60, lambda: host.said("sensor"))
    return attacks


@pytest.mark.fault(
    fault="no inodes left",
    expect="keeps working: findings, incidents and reports go into files that exist",
    levels=("storage_no_inodes",),
)
def test_no_inodes(host_on_disk: Host, disk: Disk) -> None:
    host = host_on_disk
    host.start("sensor")
    host.start("agent")
    before = host.attack()
    host.until_told(before)
    taken = disk.take_inodes()
    during = host.attack()
    found = host.until_levels("storage_no_inodes")
    assert found["exit_code"] == 1 and found["report_age_s"] < 7
    host.until_told(before, during)
    for path in taken:
        path.unlink()
    host.until_levels()


@pytest.mark.fault(
    fault="read-only disk (ext4 after an error)",
    expect="daemons live on; after fsck and a restart all is there, and the log is read from where it was",
    levels=("storage_read_only", "sensor_silent"),
)
def test_a_disk_that_fails(tmp_path: Path) -> None:
    need_root("unshare", "nsenter", "mkfs.ext4", "e2fsck")
    disk = Ext4(tmp_path / "image", tmp_path / "disk")
    host = Host(
        tmp_path, data_dir=disk.place / "data", seen=disk.seen(disk.place / "data"), inside=disk.inside
    )
    try:
        host.start("sensor")
        host.start("agent")
        before = host.attack()
        host.until_told(before)
        until((host.seen / "sensor-cursors.json").exists, 10, "cursors")
        disk.fail()
        during = host.attack()
        found = host.until_levels("storage_read_only", "sensor_silent")
        assert found["exit_code"] == 1
        assert host.told() == {before: 1}
        assert host.end("sensor") == 0
        assert host.end("agent") == 0
        disk.mend()
        host.start("sensor")
        host.start("agent")
        host.until_told(before, during)
        host.until_levels()
    finally:
        host.close()
        disk.close()


#: Above the reports and cursors, below the findings that are already there.
ROOM_BYTES = 16 << 10


@pytest.mark.fault(
    fault="the disk takes everything but findings, then kill -9 of the sensor",
    expect="places in the log files stay behind what is written: the next sensor reads the lines again, told once",
    levels=("findings_wait",),
)
def test_places_wait_with_the_findings(host: Host) -> None:
    sensor = host.start("sensor")
    host.start("agent")
    before = [host.attack() for _ in range(24)]
    host.until_told(*before)
    findings = host.seen / "findings.jsonl"
    assert findings.stat().st_size > ROOM_BYTES
    resource.prlimit(sensor.pid, resource.RLIMIT_FSIZE, (ROOM_BYTES, resource.RLIM_INFINITY))
    during = [host.attack() for _ in range(2)]
    host.until_levels("findings_wait")
    host.end("sensor", signal.SIGKILL)
    assert not any(address in findings.read_text() for address in during)
    host.start("sensor")
    host.until_told(*before, *during)

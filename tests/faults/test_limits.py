# SPDX-License-Identifier: Apache-2.0
"""No descriptor and no memory more: the daemons go on with what they have, or are killed and lose nothing."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.daemons import Host, until

pytestmark = pytest.mark.timeout(300)

#: BUDGETS: anonymous memory of sensor and agent, with their libraries and the page cache of their files.
SENSOR_BYTES, AGENT_BYTES = 160 << 20, 192 << 20


@pytest.mark.fault(
    fault="sensor and agent at their limit of descriptors",
    expect="keeps working with the files that are open; what needs a new one waits and goes on when there is one",
)
def test_descriptors(host: Host) -> None:
    children = [host.start("sensor"), host.start("agent")]
    before = host.attack()
    host.until_told(before)
    old = [resource.prlimit(child.pid, resource.RLIMIT_NOFILE) for child in children]
    until(lambda: _in_place(host, [child.pid for child in children]), 40, "the report still gets a new file")
    during = host.attack()
    host.until_told(before, during)
    host.log.replace(host.log.with_suffix(".log.1"))
    host.log.touch()
    rotated = host.attack()
    assert host.status()["sensor"]["alive"]
    for child, limit in zip(children, old, strict=True):
        resource.prlimit(child.pid, resource.RLIMIT_NOFILE, limit)
    after = host.attack()
    host.until_told(before, during, rotated, after, seconds=60)
    host.until_levels(seconds=60)
    assert (
        host.run("block", "203.0.113.1").returncode != 0
    )  # the agent's socket answers: it is not switched on


def _limit_to_open(pid: int) -> None:
    """Refuse every descriptor beyond those that are open now."""
    numbers = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}  # noqa: PTH208 - names alone
    free = next(number for number in range(len(numbers) + 1) if number not in numbers)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (free, resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]))


def _in_place(host: Host, pids: list[int]) -> bool:
    """Set the limits, and see two reports that went into the file that was there: no other descriptor was left."""
    for pid in pids:
        _limit_to_open(pid)
    report = host.seen / "sensor-health.json"
    before = report.stat()
    until(lambda: report.stat().st_mtime_ns > before.st_mtime_ns + 3 * 10**9, 15, "no report")
    return report.stat().st_ino == before.st_ino


class Group:
    """A control group for memory below our own, of either version."""

    def __init__(self, name: str) -> None:
        lines = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
        ours = {names: place for _, names, place in lines}
        if "memory" in ours:
            base, self._limit, self._hits = (
                Path("/sys/fs/cgroup/memory"),
                "memory.limit_in_bytes",
                "memory.failcnt",
            )
            self._usage = "memory.usage_in_bytes"
            place = ours["memory"]
        else:
            base, self._limit, self._hits = Path("/sys/fs/cgroup"), "memory.max", "memory.events"
            self._usage, place = "memory.current", ours.get("", "/")
        self.path = base / place.lstrip("/") / name
        try:
            self.path.mkdir()
            self._read(self._limit)
        except OSError as error:
            self.close()
            pytest.skip(f"no control group for memory can be made here: {error}")

    def _read(self, name: str) -> str:
        return (self.path / name).read_text()

    @property
    def usage_bytes(self) -> int:
        return int(self._read(self._usage))

    def limit(self, limit_bytes: int) -> None:
        (self.path / self._limit).write_text(str(limit_bytes))

    def hits(self) -> int:
        """How often the limit stood in the way."""
        text = self._read(self._hits)
        return int(text) if text.strip().isdigit() else int(dict(map(str.split, text.splitlines()))["max"])

    @property
    def inside(self) -> list[str]:
        return ["sh", "-c", f'echo $$ > {self.path}/cgroup.procs; exec "$@"', "sh"]

    def close(self) -> None:
        if self.path.is_dir():
            until(self._removed, 10, f"{self.path} is in use")

    def _removed(self) -> bool:
        try:
            self.path.rmdir()
        except OSError:
            return False
        return True


@pytest.fixture
def group() -> Iterator[Group]:
    if os.geteuid() != 0:
        pytest.skip("needs root: run `sudo make test`")
    one = Group(f"iw-fault-{os.getpid()}")
    yield one
    one.close()


@pytest.mark.fault(
    fault="control group of 352 MiB for sensor and agent together",
    expect="keeps working: a burst of findings does not reach the limit",
)
def test_enough_memory(host: Host, group: Group) -> None:
    group.limit(SENSOR_BYTES + AGENT_BYTES)
    host.inside = group.inside
    host.start("sensor")
    host.start("agent")
    host.until_told(*[host.attack() for _ in range(100)], seconds=60)
    assert group.hits() == 0
    host.close()


@pytest.mark.fault(
    fault="control group without memory: the kernel kills the agent (OOM)",
    expect="as after kill -9: named at once, and after a start each finding is stored once",
    levels=("agent_down",),
)
def test_too_little_memory(host: Host, group: Group) -> None:
    host.start("sensor")
    host.start("agent")
    before = host.attack()
    host.until_told(before)
    assert host.end("agent") == 0
    group.limit(20 << 20)
    host.inside = group.inside
    with pytest.raises(AssertionError, match=f"agent ended with {-signal.SIGKILL}"):
        host.start("agent")
    host.running.pop("agent")
    assert group.hits() > 0
    host.inside = []
    during = host.attack()
    assert host.until_levels("agent_down")["exit_code"] == 1
    host.start("agent")
    host.until_told(before, during)
    host.until_levels()

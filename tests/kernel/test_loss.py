# SPDX-License-Identifier: Apache-2.0
"""One process floods a watched file with opens: a thousand execs arrive whole beside it, and no open is unaccounted."""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from innerwarden.config import KernelConfig
from innerwarden.sensor.kernel_watch import READ, WRITE
from innerwarden.sensor.loader import KernelSource
from tests.kernel import tiny
from tests.kernel.execs import Exec, ExecCollector
from tests.kernel.flood import Flood

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(300)]

EXECS = 100 if os.environ.get("IW_EMULATED") == "1" else 1000
AT_LEAST_S = 3.0


@pytest.fixture
def own_source(tmp_path: Path) -> Iterator[KernelSource]:
    """A source of the test's own, whose bulk ring is small enough to overflow within the first second."""
    source = KernelSource(KernelConfig(bulk_ring_bytes=1 << 20))
    source.start()
    yield source
    source.close()


def arguments(number: int) -> list[str]:
    """Distinct for each exec, of up to five chunks."""
    return ["flooded", str(number), f"{number}-" * (number * 13 % 12_000)]


def spawn_all(program: Path) -> dict[int, list[str]]:
    """Process id -> arguments. No id comes twice among so few."""
    made = {}
    for number in range(EXECS):
        pid = os.posix_spawn(program, arguments(number), {})
        os.waitpid(pid, 0)
        made[pid] = arguments(number)
    return made


def lost(source: KernelSource) -> Counter[str]:
    """Records that the kernel side could not deliver, by kind."""
    return Counter(source.stats()["lost"])


@pytest.mark.fault(
    fault="ring flood: one process opens a watched file as fast as it can while nobody reads the bulk ring",
    expect="made = delivered + counted + skipped, exactly; not one exec is lost or cut",
    levels=("events_lost",),
)
def test_a_thousand_execs_in_a_flood_of_opens(
    own_source: KernelSource, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tiny.write(tmp_path / "tiny", tiny.elf64(tiny.EXIT_WITH_ARGC))
    flooded = tmp_path / "iw-flooded-file"
    own_source.watch_names({flooded.name: READ})
    seen: list[Exec] = []
    with ExecCollector(own_source.rings) as collector, ThreadPoolExecutor(1) as pool:
        before, lost_before = collector.records()["file.open"], lost(own_source)
        with Flood(flooded) as flood:
            began = time.monotonic()
            job = pool.submit(spawn_all, program)
            while not job.done() or time.monotonic() < began + AT_LEAST_S:
                # At first nobody empties the ring of the opens, as if the sensor did not get the CPU.
                seen += collector.step(bulk=time.monotonic() > began + 1, timeout_ms=10)
        seen += collector.drain()
        delivered = collector.records()["file.open"] - before
    missing = lost(own_source) - lost_before
    skipped = sum(own_source.skipped().values())
    unseen = flood.made() - delivered - missing["file.open"]
    # A call that the kernel did not hand to us is counted by the kernel, with those that nobody wants.
    assert 0 <= unseen <= skipped
    assert set(missing) == {"file.open"}, (
        "only opens, and some of them: a flood that fills no ring proves nothing"
    )
    found = {one.witness.pid: one for one in seen}
    for pid, argv in job.result().items():
        wanted = b"".join(word.encode() + b"\0" for word in argv)
        assert found[pid].raw_argv == wanted
        assert found[pid].record.argv() == argv
        assert not found[pid].incomplete
    with capsys.disabled():
        rate = flood.made() / flood.seconds / 1e3
        print(
            f"\n{rate:,.0f} thousand opens a second of one process, {flood.made():,} made = {delivered:,} delivered"
            f" + {missing['file.open']:,} counted + {unseen:,} of {skipped:,} skipped; {EXECS} execs exact"
        )


def test_a_full_ring_hides_no_hand_on_memory(own_source: KernelSource, tmp_path: Path) -> None:
    """The open of a process's memory is one of thousands that the bulk ring has no room for; its own record is not."""
    flooded = tmp_path / "iw-flooded-file"
    own_source.watch_names({flooded.name: READ, "mem": WRITE})
    before = own_source.stats()
    victim = subprocess.Popen(["sleep", "60"])
    try:
        with Flood(flooded):
            deadline = time.monotonic() + 30
            while not lost(own_source)["file.open"] and time.monotonic() < deadline:
                time.sleep(0.05)
            subprocess.run(["sh", "-c", f"exec 3<>/proc/{victim.pid}/mem"], check=True)
            after = own_source.stats()
    finally:
        victim.kill()
        victim.wait()
    assert after["lost"]["file.open"] > before["lost"]["file.open"]
    # One of the open, and one of the check for the hold on the process where that has a hook.
    assert after["made"]["process.memory_access"] > before["made"]["process.memory_access"]
    assert after["lost"]["process.memory_access"] == before["lost"]["process.memory_access"]

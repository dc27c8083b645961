# SPDX-License-Identifier: Apache-2.0
"""Row 6: what an exec costs more, and what the daemon spends on it, beside auditd with one execve rule, the same with
laurel as its reader, and bpftrace's execsnoop.

posix_spawn of the smallest static program. Each is held against bare rounds of its own on both sides; auditd comes
last, because audit, once enabled, gives every later process an audit context and each of its system calls a cost
(110 ns seen), until the next boot or a `never,task` rule. That rule is left behind, so that the machine is as fast as
before; rule files of auditd begin by clearing it.
"""

from __future__ import annotations

import functools
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench import peers
from bench.floor import floor
from bench.measure import ROOT, Bound, Result, Unavailable, cpu_ticks_ns, median, scratch, spread
from bench.sensor import Sensor, child, load, need_quiet

RULE = ("always,exit", "-F", "arch=b64", "-S", "execve")
NO_CONTEXT = "never,task"
SNOOP = ("usr/sbin/execsnoop.bt", "usr/bin/execsnoop.bt")
SNOOP_READY_S = 60.0
LAUREL = """active = yes
direction = out
path = {program}
type = always
args = --config {settings}
format = string
"""
LAUREL_SETTINGS = """directory = "{directory}"
[auditlog]
file = "laurel.log"
size = 100000000
"""


@dataclass
class Cost:
    """Added per exec (ns, of single rounds) and CPU of the daemons per exec (ns)."""

    bare: list[float]
    added: list[float]
    daemon: float
    missed: int = 0
    """Execs that it did not tell of, where that can be counted."""


def ordinary() -> Path:
    """The child at a place that no detector looks at: programs below /tmp are dearer, and rightly so."""
    place = ROOT / "build/bench-child"
    place.parent.mkdir(exist_ok=True)
    shutil.copy(child(), place)
    return place


def rounds(
    count: int, spawns: int, watch: Callable[[], AbstractContextManager[None]], pids: Callable[[], list[int]]
) -> Cost:
    """Bare, watched, bare, ...: each watched round is held against the two bare ones beside it."""
    path = ordinary()
    bare, added = [load("spawn", path, spawns).median_ns], []
    cpu = execs = 0
    for _ in range(count):
        need_quiet()
        with watch():
            before = sum(map(cpu_ticks_ns, pids()))
            made = load("spawn", path, spawns)
            time.sleep(0.1)  # let the daemon take what is queued
            cpu += sum(map(cpu_ticks_ns, pids())) - before
            execs += made.count
        bare.append(load("spawn", path, spawns).median_ns)
        added.append(made.median_ns - (bare[-2] + bare[-1]) / 2)
    return Cost(bare, added, cpu / execs)


def ours(count: int, spawns: int) -> Cost:
    running: list[Sensor] = []

    @contextmanager
    def watch() -> Iterator[None]:
        with Sensor() as sensor:
            running[:] = [sensor.at_home()]
            yield

    return rounds(count, spawns, watch, lambda: [running[0].process.pid])


def execsnoop(count: int, spawns: int) -> Cost:
    """bpftrace and the script of its package, whose output goes to a file."""
    tool = peers.find("bpftrace", "bpftrace")
    script = next((tool.root / place for place in SNOOP if (tool.root / place).exists()), None)
    if script is None:
        raise Unavailable("bpftrace came without execsnoop.bt")
    running: list[subprocess.Popen[bytes]] = []
    missed: list[int] = []

    @contextmanager
    def watch() -> Iterator[None]:
        output = scratch() / "execsnoop.txt"
        with output.open("wb") as file:
            process = subprocess.Popen(
                [tool.program, script], stdout=file, stderr=subprocess.DEVNULL, env=dict(tool.environment)
            )
        running[:] = [process]
        try:
            deadline = time.monotonic() + SNOOP_READY_S
            # Two lines: what it attaches, and its heading once the first event can come.
            while output.read_bytes().count(b"\n") < 2:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise Unavailable("bpftrace does not start execsnoop.bt")
                time.sleep(0.05)
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)
        missed.append(spawns - output.read_bytes().count(b"ten-bytes!"))

    cost = rounds(count, spawns, watch, lambda: [running[0].pid])
    cost.missed = sum(missed)
    return cost


def pids_of(name: str) -> list[int]:
    """Processes that call themselves that."""
    found = []
    for comm in Path("/proc").glob("[0-9]*/comm"):
        with suppress(OSError):
            if comm.read_text().strip() == name:
                found.append(int(comm.parent.name))
    return found


@functools.cache
def audit_tools() -> dict[str, peers.Peer]:
    return {name: peers.find(name, "auditd") for name in ("auditd", "auditctl")}


def auditctl(*words: str) -> None:
    tool = audit_tools()["auditctl"]
    run = subprocess.run(
        [tool.program, *words], capture_output=True, text=True, check=False, env=dict(tool.environment)
    )
    if run.returncode != 0:
        raise Unavailable(f"auditctl {' '.join(words)}: {(run.stderr or run.stdout).strip()}")


def laurel(directory: Path) -> None:
    """Debian's laurel as a reader of auditd's; it must be root's alone to be started."""
    tool = peers.find("laurel", "laurel")
    plugins, settings = directory / "plugins.d", directory / "laurel.toml"
    (directory / "laurel").mkdir()
    plugins.mkdir()
    settings.write_text(LAUREL_SETTINGS.format(directory=directory / "laurel"))
    plugin = plugins / "laurel.conf"
    plugin.write_text(LAUREL.format(program=tool.program, settings=settings))
    plugin.chmod(0o640)


@contextmanager
def auditd(*, with_laurel: bool) -> Iterator[int]:
    """Debian's auditd on a log of its own, in the foreground; yields its pid."""
    tool = audit_tools()["auditd"]
    if pids_of("auditd"):
        raise Unavailable("this machine already runs auditd")
    directory = scratch() / ("audit-laurel" if with_laurel else "audit")
    (directory / "log").mkdir(parents=True)
    directory.chmod(0o750)
    settings = {
        "log_file": directory / "log/audit.log",
        "log_format": "RAW",
        "flush": "INCREMENTAL_ASYNC",
        "freq": 50,
        "max_log_file": 64,
        "max_log_file_action": "ROTATE",
        "space_left": 75,
        "space_left_action": "IGNORE",
        "admin_space_left": 50,
        "admin_space_left_action": "IGNORE",
        "disk_full_action": "IGNORE",
        "disk_error_action": "IGNORE",
    }
    if with_laurel:
        laurel(directory)
        settings |= {"plugin_dir": directory / "plugins.d", "q_depth": 20_000}
    file = directory / "auditd.conf"
    file.write_text("".join(f"{key} = {value}\n" for key, value in settings.items()))
    file.chmod(0o640)
    daemon = subprocess.Popen(
        [tool.program, "-n", "-c", str(directory)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(tool.environment),
    )
    try:
        time.sleep(1.0)
        if daemon.poll() is not None:
            _, error = daemon.communicate()
            raise Unavailable(f"auditd does not start: {error.strip().splitlines()[-1:]}")
        if with_laurel and not pids_of("laurel"):
            raise Unavailable("auditd does not start laurel")
        subprocess.run(
            [audit_tools()["auditctl"].program, "-d", NO_CONTEXT],
            capture_output=True,
            check=False,
            env=dict(tool.environment),
        )
        auditctl("-e", "1")
        yield daemon.pid
    finally:
        if daemon.poll() is None:
            auditctl("-a", NO_CONTEXT)
            auditctl("-e", "0")
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(10)


def audit(count: int, spawns: int, *, with_laurel: bool = False) -> Cost:
    with auditd(with_laurel=with_laurel) as pid:

        @contextmanager
        def watch() -> Iterator[None]:
            auditctl("-a", *RULE)
            try:
                yield
            finally:
                auditctl("-d", *RULE)

        readers = ["kauditd", "laurel"] if with_laurel else ["kauditd"]
        return rounds(
            count, spawns, watch, lambda: [pid, *(one for name in readers for one in pids_of(name))]
        )


#: Beside auditd, of whom goal and gate speak: name -> how it is measured, in this order.
OTHERS: dict[str, Callable[[int, int], Cost]] = {
    "execsnoop": execsnoop,
    "auditd": audit,
    "auditd with laurel": lambda count, spawns: audit(count, spawns, with_laurel=True),
}


def others(count: int, spawns: int) -> tuple[dict[str, Cost], str]:
    """What could be measured, and why the rest could not."""
    found, missing = {}, []
    for name, way in OTHERS.items():
        try:
            found[name] = way(count, spawns)
        except Unavailable as reason:
            missing.append(f"{name} not measured: {reason}")
        else:
            if found[name].missed:
                missing.append(f"{name} missed {found[name].missed:,} of {count * spawns:,}")
    return found, "; ".join(missing)


def row(what: str, mine: float, theirs: dict[str, float], goal: float, gate: float) -> Result:
    """`mine` and `theirs` in ns. Below one ns the cost is not distinguishable from nothing."""
    peer = theirs.get("auditd")
    ratio = None if peer is None else peer / max(mine, 1.0)
    return Result(
        row=6,
        what=what,
        value=mine / 1e3,
        unit="us",
        peer=", ".join(f"{name} {value / 1e3:.1f} us" for name, value in theirs.items()),
        ratio=ratio,
        goal=f"<= 1/{goal:.0f} of auditd",
        gate=f"<= 1/{gate:.0f} of auditd",
        passed=None if ratio is None else ratio >= gate,
        bound=None if ratio is None else Bound(ratio, goal, gate),
        details={f"{name.replace(' ', '_')}_us": value / 1e3 for name, value in theirs.items()},
    )


def run(quick: bool) -> list[dict[str, object]]:
    count, spawns = (3, 2000) if quick else (7, 2000)
    mine = ours(count, spawns)
    kernel = rounds(count, spawns, lambda: floor("call_end"), list)
    found, missing = others(count, spawns)
    added = row(
        "added to posix_spawn", median(mine.added), {n: median(c.added) for n, c in found.items()}, 15, 5
    )
    bare = median(mine.bare)
    added.rounds, added.spread = count, spread(mine.bare)
    alone = median(kernel.added) / 1e3
    added.note = (
        f"a bare exec {bare / 1e3:.0f} us, of whose rounds the spread is; a program that returns at once, at the end of"
        f" each of its calls, adds {alone:.1f} us"
    ) + (f"; {missing}" if missing else "")
    added.details |= {"bare_us": bare / 1e3, "call_end_us": alone}
    daemon = row("daemon CPU an exec", mine.daemon, {n: c.daemon for n, c in found.items()}, 50, 10)
    daemon.note = f"of {count * spawns:,} execs" + (f"; {missing}" if missing else "")
    return [added.as_dict(), daemon.as_dict()]

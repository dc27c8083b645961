# SPDX-License-Identifier: Apache-2.0
"""Row 6: what an exec costs more, and what the daemon spends on it, beside auditd with one execve rule.

posix_spawn of the smallest static program. Bare and our sensor alternate; auditd comes after them and is
compared with its own bare rounds, because audit, once enabled, gives every later process an audit context
and each of its system calls a cost (110 ns seen), until the next boot or a `never,task` rule. That rule is
left behind, so that the machine is as fast as before; rule files of auditd begin by clearing it.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.measure import Result, Unavailable, cpu_ticks_ns, median, scratch, spread
from bench.sensor import Sensor, child, load, need_quiet

RULE = ("always,exit", "-F", "arch=b64", "-S", "execve")
NO_CONTEXT = "never,task"


@dataclass
class Cost:
    """Added per exec (ns, of single rounds) and CPU of the daemons per exec (ns)."""

    bare: list[float]
    added: list[float]
    daemon: float


def rounds(
    count: int, spawns: int, watch: Callable[[], AbstractContextManager[None]], pids: Callable[[], list[int]]
) -> Cost:
    """Bare, watched, bare, ...: each watched round is held against the two bare ones beside it."""
    path = child()
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


def kauditd() -> list[int]:
    return [
        int(comm.parent.name)
        for comm in Path("/proc").glob("[0-9]*/comm")
        if comm.read_text().strip() == "kauditd"
    ]


def auditctl(*words: str) -> None:
    run = subprocess.run(["auditctl", *words], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise Unavailable(f"auditctl {' '.join(words)}: {(run.stderr or run.stdout).strip()}")


@contextmanager
def auditd() -> Iterator[int]:
    """Debian's auditd on a log of its own, in the foreground; yields its pid."""
    if not shutil.which("auditd") or not shutil.which("auditctl"):
        raise Unavailable("auditd is not installed (apt-get install auditd)")
    if subprocess.run(["pidof", "auditd"], capture_output=True, check=False).returncode == 0:
        raise Unavailable("this machine already runs auditd")
    directory = scratch() / "audit"
    (directory / "log").mkdir(parents=True, exist_ok=True)
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
    file = directory / "auditd.conf"
    file.write_text("".join(f"{key} = {value}\n" for key, value in settings.items()))
    file.chmod(0o640)
    daemon = subprocess.Popen(
        ["auditd", "-n", "-c", str(directory)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        time.sleep(0.5)
        if daemon.poll() is not None:
            _, error = daemon.communicate()
            raise Unavailable(f"auditd does not start: {error.strip().splitlines()[-1:]}")
        subprocess.run(["auditctl", "-d", NO_CONTEXT], capture_output=True, check=False)
        auditctl("-e", "1")
        yield daemon.pid
    finally:
        if daemon.poll() is None:
            auditctl("-a", NO_CONTEXT)
            auditctl("-e", "0")
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(10)


def audit(count: int, spawns: int) -> Cost:
    with auditd() as pid:

        @contextmanager
        def watch() -> Iterator[None]:
            auditctl("-a", *RULE)
            try:
                yield
            finally:
                auditctl("-d", *RULE)

        return rounds(count, spawns, watch, lambda: [pid, *kauditd()])


def run(quick: bool) -> list[dict[str, object]]:
    count, spawns = (3, 2000) if quick else (9, 2000)
    mine = ours(count, spawns)
    peer, note = None, ""
    try:
        peer = audit(count, spawns)
    except Unavailable as reason:
        note = f"auditd not measured: {reason}"
    added, daemon = median(mine.added), mine.daemon
    rows = (
        ("added to posix_spawn", added, median(peer.added) if peer else None, 15, 5, spread(mine.bare)),
        ("daemon CPU an exec", daemon, peer.daemon if peer else None, 50, 10, None),
    )
    results = []
    for what, value, theirs, goal, gate, noise in rows:
        # Below the noise of the bare rounds the cost is not distinguishable from nothing.
        ratio = theirs / max(value, 1.0) if theirs else None
        results.append(
            Result(
                row=6,
                what=what,
                value=value / 1e3,
                unit="us",
                peer=f"auditd {theirs / 1e3:.1f} us, bare exec {median(mine.bare) / 1e3:.0f} us"
                if theirs
                else "",
                ratio=ratio,
                goal=f"<= 1/{goal} of auditd",
                gate=f"<= 1/{gate} of auditd",
                passed=None if ratio is None else ratio >= gate,
                spread=noise,
                note=note or ("the spread is that of the bare rounds" if noise is not None else ""),
            ).as_dict()
        )
    return results

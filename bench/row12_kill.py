# SPDX-License-Identifier: Apache-2.0
"""Row 12, second part: from the start of a program to its death by our hand, beside 10,000 events a second.

The whole product as `innerwarden run` starts it, with the responder switched on and a rule of the operator's that kills
miners without asking: sensor, findings file, agent, decision on the disk, responder, journal on the disk, signal. It
runs in a network namespace of its own, so that nothing of it meets the host's packets.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.measure import ROOT, Bound, Result, Unavailable, need_root, program
from bench.row12_latency import RATE, WATCHED
from bench.sensor import load, need_quiet

GOAL_MS, GATE_MS = 25.0, 50.0
EVERY_S = 0.25
READY_WITHIN_S = 60.0
GONE_WITHIN_S = 5.0
SETTINGS = """[collectors.auth_log]
enabled = false
[collectors.journald]
enabled = false
[responder]
enabled = true
dry_run = false
socket = "{here}/responder.sock"
hourly_cap = 1000
verbs = ["kill_process_tree"]
[triage]
rules_directory = "{here}/triage.d"
playbooks_directory = "{here}/playbooks.d"
"""
RULE = """[[rule]]
id = "kill-miners"
why = "the benchmark kills what it started"
detectors = ["crypto_miner"]
verb = "kill_process_tree"
entity = "process"
auto_execute = true
"""


@contextmanager
def product(here: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`innerwarden run`, ready to find and to kill."""
    for name in ("triage.d", "playbooks.d"):
        (here / name).mkdir(mode=0o755)
    (here / "triage.d/kill.toml").write_text(RULE)
    settings = here / "config.toml"
    settings.write_text(SETTINGS.format(here=here))
    command = ["unshare", "-n", sys.executable, "-m", "innerwarden", "run", "--listen", "127.0.0.1:0"]
    command += ["--data-dir", str(here / "data"), "--config", str(settings)]
    with (here / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        wait_ready(process, here)
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_ready(process: subprocess.Popen[bytes], here: Path) -> None:
    wanted = (here / "data/sensor-health.json", here / "data/state.db", here / "responder.sock")
    deadline = time.monotonic() + READY_WITHIN_S
    while not all(path.exists() for path in wanted):
        if process.poll() is not None or time.monotonic() > deadline:
            last = (here / "log").read_text().strip().splitlines()[-1:]
            raise Unavailable(f"the product does not get ready: {last[0] if last else 'no word'}")
        time.sleep(0.05)
    hooks = json.loads(wanted[0].read_text()).get("hooks", [])
    if not any(hook.get("state") == "attached" for hook in hooks):
        raise Unavailable("no kernel program is attached")


def life_ms(bait: Path, within_s: float) -> float | None:
    """From before its start to its death; None when nobody killed it."""
    began = time.monotonic_ns()
    with subprocess.Popen([bait]) as process:
        ended = select.poll()  # Popen.wait() with a timeout sleeps between looks, up to 50 ms
        fd = os.pidfd_open(process.pid)
        try:
            ended.register(fd, select.POLLIN)
            if ended.poll(within_s * 1000):
                return (time.monotonic_ns() - began) / 1e6
            process.kill()
            return None
        finally:
            os.close(fd)


def baits(directory: Path, count: int) -> list[Path]:
    source, found = program("waits.c", "-static"), []
    for number in range(count):
        bait = directory / f"{number:05d}" / "xmrig"
        bait.parent.mkdir(parents=True)
        shutil.copy(source, bait)
        found.append(bait)
    return found


def run(quick: bool) -> dict[str, object]:
    need_root()
    need_quiet()
    count = 20 if quick else 100
    with tempfile.TemporaryDirectory(prefix="iw-bench-kill-", dir="/tmp") as holder:
        here = Path(holder)
        here.chmod(0o755)
        first, *others = baits(here / "baits", count + 1)
        with product(here):
            if life_ms(first, READY_WITHIN_S) is None:
                last = (here / "log").read_text().strip().splitlines()[-1:]
                raise Unavailable(f"nothing was killed: {last[0] if last else 'no word'}")
            seconds = count * (EVERY_S + 0.3)
            noise = threading.Thread(target=load, args=("opens", WATCHED, int(RATE * seconds), RATE))
            noise.start()
            lives = []
            for bait in others:
                lives.append(life_ms(bait, GONE_WITHIN_S))
                time.sleep(EVERY_S)
            noise.join()
    return result([life for life in lives if life is not None], count)


def result(killed: list[float], count: int) -> dict[str, object]:
    missed = count - len(killed)
    if len(killed) < 2:
        raise Unavailable(f"{missed} of {count} programs were not killed")
    p99 = statistics.quantiles(killed, n=100, method="inclusive")[98]
    return Result(
        row=12,
        what="start of a program to its kill, p99",
        value=p99,
        unit="ms",
        goal=f"<= {GOAL_MS:.0f} ms",
        gate=f"<= {GATE_MS:.0f} ms, all killed",
        passed=p99 <= GATE_MS and not missed,
        rounds=count,
        bound=Bound(p99, GOAL_MS, GATE_MS, at_least=False),
        note=f"{count} programs beside {RATE:,} events/s; median {statistics.median(killed):.0f} ms,"
        f" {missed} not killed",
        details={"median_ms": statistics.median(killed), "missed": missed},
    ).as_dict()

# SPDX-License-Identifier: Apache-2.0
"""The real sensor as its own process, for rows that measure it from outside, and the load beside it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from bench.measure import ROOT, Unavailable, need_root, program
from innerwarden import clock, paths
from innerwarden.model import health
from innerwarden.model.health import SensorHealth

CONFIG = "[collectors.auth_log]\nenabled = false\n[collectors.journald]\nenabled = false\n"
READY_WITHIN_S = 60.0
DRAINED_WITHIN_NS = 100_000_000  # the sensor looks at its rings every 10 ms


@dataclass(frozen=True)
class Made:
    """What one run of the load made, and how long an operation took in the median."""

    count: int
    total_ns: int
    median_ns: float


FREED_WITHIN_S = 5.0


Words = Sequence[str | float | Path]


def _command(words: Words, cpu: int) -> list[str]:
    """bench/c/load.c pinned to one core; `flood` gets all of them."""
    command = [str(program("load.c", "-pthread")), *map(str, words)]
    return command if words[0] == "flood" else ["taskset", "-c", str(cpu), *command]


def _made(output: str) -> Made:
    found = re.fullmatch(r"made (\d+) total_ns (\d+) median_ns ([\d.]+)\n", output)
    assert found, output
    return Made(int(found[1]), int(found[2]), float(found[3]))


def load(*words: str | float | Path, cpu: int = 0) -> Made:
    """Run one load to its end."""
    return _made(subprocess.run(_command(words, cpu), capture_output=True, text=True, check=True).stdout)


def begin_together(*loads: Words) -> list[subprocess.Popen[str]]:
    """Several loads, which begin at one moment, when each of them is ready; `ended` takes what they made."""
    (ready, is_ready), (wait, go) = os.pipe(), os.pipe()
    environment = {**os.environ, "BARRIER": f"{is_ready},{wait}"}
    running = [
        subprocess.Popen(
            _command(words, 0), stdout=subprocess.PIPE, text=True, env=environment, pass_fds=(is_ready, wait)
        )
        for words in loads
    ]
    os.close(is_ready)
    os.close(wait)
    there = 0
    while there < len(loads) and (got := os.read(ready, len(loads))):
        there += len(got)
    os.close(ready)
    os.close(go)
    return running


def ended(running: Sequence[subprocess.Popen[str]]) -> list[Made]:
    outputs = [process.communicate(timeout=120)[0] for process in running]
    return [_made(output) for output in outputs]


def need_quiet() -> None:
    """A second sensor on this machine would be in what is called bare; without bpftool nobody can tell. What ended just
    now is freed a moment later."""
    deadline = time.monotonic() + FREED_WITHIN_S
    while _is_watched():
        if time.monotonic() > deadline:
            raise Unavailable("another sensor is attached on this machine")
        time.sleep(0.1)


def _is_watched() -> bool:
    tool = shutil.which("bpftool") or "/usr/sbin/bpftool"
    try:
        listing = subprocess.run([tool, "-j", "prog", "list"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Unavailable("needs bpftool, to see that no other sensor runs") from error
    return any(p.get("name", "").startswith("iw_") and p["type"] != "xdp" for p in json.loads(listing.stdout))


def child() -> Path:
    """The smallest static program."""
    return program("child.c", "-nostdlib", "-static", "-fno-stack-protector")


class Sensor:
    """`innerwarden sensor` on a data directory of its own; kernel source only, unless `config` says more."""

    def __init__(self, config: str = CONFIG) -> None:
        need_root()
        self._holder = tempfile.TemporaryDirectory(prefix="iw-bench-sensor-")
        self.data_dir = Path(self._holder.name)
        self._config = self.data_dir / "config.toml"
        self._config.write_text(config)
        self.stop_s = 0.0

    def __enter__(self) -> Sensor:
        command = [sys.executable, "-m", "innerwarden", "sensor"]
        command += ["--data-dir", str(self.data_dir), "--config", str(self._config)]
        self.log = (self.data_dir / "log").open("w+")
        self.started = time.monotonic()
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=self.log, stderr=subprocess.STDOUT)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.stop_s = time.monotonic() - began
        self.log.close()
        self._holder.cleanup()

    def wait(self, what: Callable[[], bool], why: str, within_s: float = READY_WITHIN_S) -> None:
        deadline = time.monotonic() + within_s
        while not what():
            if self.process.poll() is not None or time.monotonic() > deadline:
                last = (self.data_dir / "log").read_text().strip().splitlines()[-1:]
                raise RuntimeError(f"sensor: {why}: {last[0] if last else 'no output'}")
            time.sleep(0.005)

    def report(self) -> SensorHealth | None:
        return health.read(paths.sensor_health(self.data_dir))

    def ready(self) -> Sensor:
        """Wait for its first report; without an attached kernel program the row cannot be measured."""
        self.wait(lambda: self.report() is not None, "no report")
        first = self.report()
        if first is None or not any(hook.state == "attached" for hook in first.hooks):
            reasons = [c.reason for c in first.collectors if c.id == "kernel"] if first else []
            raise Unavailable("no kernel program is attached" + "".join(f": {r}" for r in reasons))
        return self

    def at_home(self) -> Sensor:
        """Wait for the first looks at the host, which cost more than later ones, but not for that at all files."""

        def looked() -> bool:
            now = self.report()
            eyes = [one for one in now.collectors if one.cadence_s] if now else []
            return bool(eyes) and all(
                one.looks or one.id == "suid_files" or one.state == "absent" for one in eyes
            )

        self.ready().wait(looked, "a first look did not end")
        return self

    def settled(self) -> SensorHealth:
        """A report that was made after everything that happened before this call was drained."""
        after_ns = clock.realtime_ns() + DRAINED_WITHIN_NS

        def newer() -> bool:
            now = self.report()
            return now is not None and clock.parse_rfc3339(now.ts) > after_ns

        self.wait(newer, "it stopped reporting")
        report = self.report()
        assert report is not None
        return report

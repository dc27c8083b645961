# SPDX-License-Identifier: Apache-2.0
"""A daemon of the product as it is started for real, weighed from outside while it works."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from bench.heap.series import MIB, Sample
from bench.measure import ROOT

PERIOD_S = 0.25
READY_WITHIN_S = 120.0  # the first start compiles the rules
STOPPED_WITHIN_S = 30.0
HOLDERS = 12
#: Role -> what was last told of it.
shown: dict[str, str] = {}
INSIDE = Path(__file__).resolve().parent / "inside"


def anonymous_bytes(pid: int) -> int:
    """Anonymous memory, swapped out or not. A ring is mapped from the kernel's memory and is none of it."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = dict(re.findall(r"^(Anonymous|Swap):\s+(\d+) kB", text, re.MULTILINE))
    return (int(found["Anonymous"]) + int(found["Swap"])) * 1024


def mappings(pid: int) -> dict[str, int]:
    """name -> anonymous bytes of the mappings with that name; what has none is told apart by its size."""
    sizes: Counter[str] = Counter()
    name = ""
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        words = line.split()
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            begin, end = (int(text, 16) for text in words[0].split("-"))
            name = words[5] if len(words) > 5 else f"unnamed, of {(end - begin) // 1024} KiB"
        elif words[0] == "Anonymous:":
            sizes[name] += int(words[1]) * 1024
    return dict(sizes.most_common(HOLDERS))


def below(pid: int) -> list[int]:
    """The children of a process, and theirs."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *below(int(child))]
    return found


class Daemon:
    """`innerwarden ROLE` on a data directory of its own. `tables()`: bytes that its fixed tables hold now."""

    def __init__(
        self, role: str, environment: dict[str, str], inside: dict[str, str], traced: bool, *words: str
    ) -> None:
        self.role = role
        self.samples: list[Sample] = []
        self.events = 0
        self.tables: Callable[[], int] = lambda: 0
        self._holder = tempfile.TemporaryDirectory(prefix="iw-heap-")
        self.data_dir = Path(self._holder.name) / "data"
        self.data_dir.mkdir(mode=0o700)
        self.config = self.place / "config.toml"
        self.config.touch()
        self.trace_file = self.place / "trace.txt"
        command = [sys.executable, "-m", "innerwarden", role]
        self._argv = [*command, "--data-dir", str(self.data_dir), "--config", str(self.config), *words]
        self._environment = {**os.environ, **environment}
        if traced:
            inside = {**inside, "IW_HEAP_TRACE": str(self.trace_file)}
        if inside:
            self._environment |= {**inside, "PYTHONPATH": str(INSIDE)}
        self._ended = threading.Event()
        self._weigher = threading.Thread(target=self._weigh, daemon=True)
        self._told = 0.0

    @property
    def place(self) -> Path:
        """A directory beside the data, for files that the daemon reads."""
        return Path(self._holder.name)

    def __enter__(self) -> Daemon:
        self.log = (self.place / "log").open("w+")
        self.process = subprocess.Popen(
            self._argv, cwd=ROOT, env=self._environment, stdout=subprocess.PIPE, stderr=self.log, text=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop_weighing()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOPPED_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        self._holder.cleanup()

    def weigh(self) -> None:
        """From here on a sample every PERIOD_S."""
        self._weigher.start()

    def stop_weighing(self) -> list[Sample]:
        self._ended.set()
        if self._weigher.is_alive():
            self._weigher.join()
            if sys.stderr.isatty():
                print(file=sys.stderr)
        return self.samples

    def wait(
        self, what: Callable[[], bool], why: str, within_s: float = READY_WITHIN_S, every_s: float = 0.02
    ) -> None:
        deadline = time.monotonic() + within_s
        while not what():
            if self.process.poll() is not None or time.monotonic() > deadline:
                last = (self.place / "log").read_text().strip().splitlines()[-1:]
                raise RuntimeError(f"{self.role}: {why}: {last[0] if last else 'no output'}")
            time.sleep(every_s)

    def children_bytes(self) -> int:
        """Anonymous memory of all below it."""
        total = 0
        for pid in below(self.process.pid):
            with contextlib.suppress(OSError, KeyError):
                total += anonymous_bytes(pid)
        return total

    def _weigh(self) -> None:
        while not self._ended.wait(PERIOD_S):
            try:
                sample = Sample(self.events, anonymous_bytes(self.process.pid), self.tables())
            except (OSError, KeyError):
                continue
            self.samples.append(sample)
            self._tell(sample)

    def _tell(self, sample: Sample) -> None:
        """One line for all daemons, written over on a terminal; elsewhere a line each every ten seconds."""
        text = (
            f"{self.role}: {sample.events:>9,} events, {sample.heap / MIB:6.1f} MiB"
            f" + tables {sample.tables / MIB:5.1f} MiB"
        )
        shown[self.role] = text
        if sys.stderr.isatty():
            print("\r" + "  ".join(shown.values()), end="", file=sys.stderr, flush=True)
        elif time.monotonic() - self._told >= 10:
            self._told = time.monotonic()
            print(text, file=sys.stderr, flush=True)

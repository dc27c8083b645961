# SPDX-License-Identifier: Apache-2.0
"""Record the kernel stream of this machine into a file, judging it on the way as the sensor does.

One drain of the rings is one batch, judged at its end; replay keeps those borders, so that what it says of a process is
what was said then.
"""

from __future__ import annotations

import contextlib
import os
import platform
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import msgspec
from innerwarden_core import Ring

from innerwarden import __version__
from innerwarden.clock import boot_to_realtime_ns, realtime_ns
from innerwarden.config import Config
from innerwarden.errors import UnavailableError
from innerwarden.model.finding import Finding, without_facts
from innerwarden.sensor import procfs
from innerwarden.sensor.judging import Judge
from innerwarden.sensor.loader import KernelSource
from innerwarden.sensor.losses import SKIPPED
from innerwarden.sensor.recording import FORMAT, End, Entry, Header, Losses, SeedProcess, Writer
from innerwarden.sensor.recording_layout import layout
from innerwarden.sensor.watching import watched_names

#: How often what waits is written, losses are looked at, and progress is told.
PERIOD_S = 1.0
#: Findings that are kept to be told at the end; replay tells all of them.
FINDINGS_MAX = 10_000


class Progress(msgspec.Struct, frozen=True):
    seconds: float
    records: int
    bytes_written: int
    lost: int
    findings: int


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """`ended`: time, size, signal or disk; `findings`: the first FINDINGS_MAX of `findings_count`."""

    ended: str
    records: int
    bytes_written: int
    lost: dict[str, int]
    findings: tuple[Finding, ...]
    findings_count: int
    problems: tuple[str, ...]


def create(path: Path) -> BinaryIO:
    """A new file that only its owner may read. Raises UnavailableError, also when it is there already."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except FileExistsError as error:
        raise UnavailableError(f"{path} is there already", "Give the name of a new file") from error
    except OSError as error:
        raise UnavailableError(f"cannot create {path}: {error.strerror}", "Give another place") from error
    return os.fdopen(fd, "wb", buffering=0)


class Recorder:
    """Owns kernel source, engine and file from `start` to `close`."""

    def __init__(self, config: Config, file: BinaryIO) -> None:
        self._config = config
        self._offset_ns = boot_to_realtime_ns()
        self._file = file
        self._judge = Judge(config, host_name=config.host_name(), boot_to_realtime_ns=self._offset_ns)
        self.engine = self._judge.engine
        self._kernel = KernelSource(config.collectors.kernel)
        self._rings: list[Ring] = []
        self._writer: Writer | None = None
        self._findings: list[Finding] = []
        self._findings_count = 0
        self._lost: dict[str, int] = {}
        self._began = 0.0

    def start(self) -> None:
        """Attach the hooks, write header and process table. Raises UnavailableError where the kernel shows nothing."""
        self._kernel.start()
        self._kernel.watch_names(watched_names(self._judge.modules.watch))
        self._rings = [Ring(fd, size, name) for fd, size, name in self._kernel.rings]
        self._writer = Writer(self._file, self._header())
        seeded = procfs.seed(self.engine)
        self._kernel.seed(seeded)
        self._writer.add(Entry.SEED, msgspec.msgpack.encode(_seeds(seeded)))
        self.engine.capture(True)
        self._began = time.monotonic()

    def _header(self) -> Header:
        return Header(
            format=FORMAT,
            version=__version__,
            host=self._config.host_name(),
            kernel=platform.release(),
            machine=platform.machine(),
            began_ns=realtime_ns(),
            boot_to_realtime_ns=self._offset_ns,
            layout=layout(),
        )

    def run(
        self,
        stop: threading.Event,
        seconds: float,
        max_bytes: int,
        progress: Callable[[Progress], None] | None = None,
    ) -> Recorded:
        """Until `stop`, the time or the size is reached, or the disk refuses; the file is whole in every case."""
        ended = ""
        try:
            ended = self._record(stop, seconds, max_bytes, progress)
            self._end()
        except OSError as error:
            ended = f"disk: {error.strerror}"
            self._cut_back()
        return Recorded(
            ended=ended,
            records=self._records(),
            bytes_written=self._writer.bytes_written if self._writer else 0,
            lost=self._lost,
            findings=tuple(self._findings),
            findings_count=self._findings_count,
            problems=self._judge.modules.problems,
        )

    def _record(
        self,
        stop: threading.Event,
        seconds: float,
        max_bytes: int,
        progress: Callable[[Progress], None] | None,
    ) -> str:
        writer = self._writer
        if writer is None:
            raise UnavailableError("the recorder was not started", "Call start first")
        next_period = self._began
        while not stop.is_set():
            self._drain(writer, self._config.collectors.kernel.poll_ms)
            now = time.monotonic()
            if now >= next_period:
                next_period = now + PERIOD_S
                self._period(writer)
                if progress is not None:
                    progress(self._progress(now))
            if writer.bytes_written >= max_bytes:
                return "size"
            if now - self._began >= seconds:
                return "time"
        return "signal"

    def _drain(self, writer: Writer, timeout_ms: int) -> None:
        """One batch: what was kept goes to the file before it is judged."""
        hits = self.engine.drain(self._rings, timeout_ms)
        records = self.engine.take_captured()
        if records:
            writer.add(Entry.BATCH, records)
        found = without_facts(self._judge.findings(hits))
        self._findings_count += len(found)
        self._findings += found[: FINDINGS_MAX - len(self._findings)]

    def _period(self, writer: Writer) -> None:
        self._kernel.tend()
        lost = self._counted()
        if lost != self._lost:
            self._lost = lost
            told = Losses(realtime_ns(), lost)
            writer.add(Entry.LOSSES, msgspec.msgpack.encode(told))
            self._judge.losses.update(told.now_ns, told.totals)
        writer.flush()

    def _counted(self) -> dict[str, int]:
        stats = self.engine.stats()
        counted = self._kernel.stats()
        lost = {
            "hits": stats["hits_lost"],
            "capture": stats["capture_lost"],
            "malformed": sum(stats["malformed"].values()),
        }
        lost |= {f"kernel.{kind}": count for kind, count in counted.get("lost", {}).items()}
        lost |= {f"suppressed.{kind}": count for kind, count in counted.get("suppressed", {}).items()}
        lost |= {SKIPPED + program: count for program, count in self._kernel.skipped().items()}
        return {place: count for place, count in lost.items() if count}

    def _end(self) -> None:
        writer = self._writer
        if writer is None:
            return
        self._drain(writer, 0)
        self._period(writer)
        end = End(self._records(), time.monotonic() - self._began)
        writer.add(Entry.END, msgspec.msgpack.encode(end))
        writer.flush()

    def _cut_back(self) -> None:
        """A block that the disk took in part goes again."""
        if self._writer is not None:
            with contextlib.suppress(OSError):
                self._file.truncate(self._writer.bytes_written)

    def _records(self) -> int:
        return sum(ring.consumed for ring in self._rings)

    def _progress(self, now: float) -> Progress:
        written = self._writer.bytes_written if self._writer else 0
        lost = sum(self._lost.values())
        return Progress(now - self._began, self._records(), written, lost, self._findings_count)

    def close(self) -> None:
        """Detach and free everything; the file is closed too."""
        for ring in self._rings:
            ring.close()
        self._kernel.close()
        self._judge.close()
        self._file.close()


def _seeds(processes: list[procfs.Seed]) -> list[SeedProcess]:
    by_pid = {process.pid: process for process in processes}
    return [
        SeedProcess(
            pid=one.pid,
            start_ns=one.start_ns,
            ppid=one.ppid,
            parent_start_ns=by_pid[one.ppid].start_ns if one.ppid in by_pid else 0,
            uid=one.uid,
            login_uid=one.login_uid,
            comm=one.comm,
            exe_path=one.exe_path,
            argv=one.argv,
            cwd=one.cwd,
            cgroup_path=one.cgroup_path,
            argv_len=one.argv_len,
            exe_inode=one.exe_inode,
            exe_dev=one.exe_dev,
        )
        for one in processes
    ]

# SPDX-License-Identifier: Apache-2.0
"""Judge a recording again: the same process table, clock, losses and batches as when it was made."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec
from innerwarden_core import Hit

from innerwarden.config import Config
from innerwarden.model.finding import Finding, without_facts
from innerwarden.sensor.judging import Judge
from innerwarden.sensor.recording import Entry, Losses, Reader, SeedProcess
from innerwarden.unreadable import UNREADABLE

#: Called with (bytes read, bytes of the file) after each entry.
Progress = Callable[[int, int], None]

_seeds = msgspec.msgpack.Decoder(list[SeedProcess])
_losses = msgspec.msgpack.Decoder(Losses)


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """`records`: that were whole; `cut`: why the recording ends early, empty when it was closed."""

    findings: list[Finding]
    records: int
    malformed: int
    seconds: float
    cut: str
    problems: tuple[str, ...]


def replay_recording(path: Path, config: Config, progress: Progress | None = None) -> Replayed:
    """Raises UnavailableError for a file that is no recording, or of records that this version does not know."""
    began = time.perf_counter()
    with closing(Reader(path)) as reader:
        offset_ns = reader.header.boot_to_realtime_ns
        judge = Judge(config, host_name=reader.header.host, boot_to_realtime_ns=offset_ns)
        with closing(judge):
            findings: list[Finding] = []
            for hits in _hits(reader, judge, progress):
                findings += without_facts(judge.findings(hits))
            stats = judge.engine.stats()
            return Replayed(
                findings=findings,
                records=sum(stats["records"].values()),
                malformed=sum(stats["malformed"].values()),
                seconds=time.perf_counter() - began,
                cut=reader.cut,
                problems=judge.modules.problems,
            )


def _hits(reader: Reader, judge: Judge, progress: Progress | None) -> Iterator[list[Hit]]:
    """Of one batch after the other."""
    total = reader.path.stat().st_size
    for kind, data in reader.entries():
        if kind is Entry.BATCH:
            yield judge.engine.feed(data)
        elif not _told(kind, data, judge):
            reader.cut = f"an entry of kind {kind.name} makes no sense; what follows is left out"
            return
        if progress is not None:
            progress(reader.bytes_read, total)


def _told(kind: Entry, data: bytes, judge: Judge) -> bool:
    try:
        if kind is Entry.SEED:
            for one in _seeds.decode(data):
                judge.engine.seed_process(*msgspec.structs.astuple(one))
        elif kind is Entry.LOSSES:
            told = _losses.decode(data)
            judge.losses.update(told.now_ns, told.totals)
    except (*UNREADABLE, OverflowError):
        return False
    return True

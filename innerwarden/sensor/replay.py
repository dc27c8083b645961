# SPDX-License-Identifier: Apache-2.0
"""Run recorded input through the shipped detectors, by the time in the input, and return the findings.

The same input gives the same findings: no wall clock is read but to complete RFC 3164 times, which have no
year; there the file's modification time bounds the guess.
"""

from __future__ import annotations

import contextlib
import gzip
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

import msgspec
from innerwarden_core import AuthParser, Engine, Hit, LineParser

from innerwarden import paths as places
from innerwarden.config import Config
from innerwarden.errors import UnavailableError, UsageError
from innerwarden.logs.reader import Reader
from innerwarden.logs.recipe import Recipe
from innerwarden.model.finding import Finding, without_facts
from innerwarden.modules.apart.pool import Workers
from innerwarden.modules.loader import Live, load_modules
from innerwarden.modules.log_sources import DOCUMENTS, PARSERS, READERS, parser_of, readers_of
from innerwarden.modules.state import read as read_state
from innerwarden.sensor.collectors.base import utc_offset_s
from innerwarden.sensor.collectors.journal_entry import decode_entry
from innerwarden.sensor.detection.host import DetectionHost, acting_rules_of
from innerwarden.sensor.recording import is_recording
from innerwarden.sensor.replay_events import records_of
from innerwarden.sensor.replay_recording import replay_recording

CHUNK_BYTES = 256 << 10
#: A line that does not end within this is cut there; the parser refuses and counts it.
LINE_MAX_BYTES = 128 << 10
#: Of a source whose files are one document each.
FILE_MAX_BYTES = 256 << 20
#: Lines that are looked at to find out when a file begins.
PROBE_LINES = 2000

SOURCES = (*PARSERS, *READERS, "journald", "events")

#: Called with (bytes read, bytes of all files as they lie on disk) now and then.
Progress = Callable[[int, int], None]


class ReplayResult(msgspec.Struct, kw_only=True):
    """`lines`: lines or records read; `matched`: those that were events; `malformed`: refused ones."""

    findings: list[Finding] = msgspec.field(default_factory=list)
    lines: int = 0
    matched: int = 0
    malformed: int = 0
    seconds: float = 0.0
    cut: str = ""
    """Of a recording: why it ends early; empty when it was closed."""
    problems: tuple[str, ...] = ()
    """Modules that were not loaded, each as `file:line: text`."""


class _Count(msgspec.Struct):
    lines: int = 0
    matched: int = 0
    malformed: int = 0


def run(paths: list[Path], source: str, config: Config, progress: Progress | None = None) -> ReplayResult:
    """Replay files of one source with every enabled detector; files are taken in the order of their times.

    Raises UsageError for an unknown source, UnavailableError for a file that cannot be read.
    """
    if any(is_recording(path) for path in paths):
        return _recording(paths, config, progress)
    with contextlib.closing(Workers()) as workers:
        return _run(paths, source, config, workers, progress)


def _recording(paths: list[Path], config: Config, progress: Progress | None) -> ReplayResult:
    if len(paths) > 1:
        raise UsageError("a recording is replayed by itself", "Give one recording, or log files, not both")
    told = replay_recording(paths[0], config, progress)
    return ReplayResult(
        findings=told.findings,
        lines=told.records + told.malformed,
        matched=told.records,
        malformed=told.malformed,
        seconds=told.seconds,
        cut=told.cut,
        problems=told.problems,
    )


def _run(
    paths: list[Path], source: str, config: Config, workers: Workers, progress: Progress | None
) -> ReplayResult:
    began = time.perf_counter()
    live = Live(state=read_state(places.module_state()), workers=workers)
    modules = load_modules(places.modules_dirs(), config, live=live)
    known = [*SOURCES, *(recipe.recipe.id for recipe in modules.recipes)]
    if source not in known:
        raise UsageError(f"unknown source {source!r}", f"Use one of {', '.join(known)}")
    workers.commit(modules.specs, modules.remote)
    engine = Engine(process_entries=config.sensor.process_entries, window_keys=config.sensor.window_keys)
    engine.configure(modules.rules, modules.correlations, modules.natives)
    host = DetectionHost(
        modules.specs,
        engine,
        host_name=config.host_name(),
        python={**modules.python, **workers.asked(modules.specs, modules.remote)},
        acting_rules=acting_rules_of(modules.compiled_correlations),
    )
    count = _Count()
    findings: list[Finding] = []
    for hits in replay(paths, source, engine, count, progress, modules.recipes):
        findings += without_facts(host.findings(hits))
    return ReplayResult(
        findings=findings,
        lines=count.lines,
        matched=count.matched,
        malformed=count.malformed,
        seconds=time.perf_counter() - began,
        problems=modules.problems,
    )


def replay(  # noqa: PLR0917 - the last two are for those who have them
    paths: list[Path],
    source: str,
    engine: Engine,
    count: _Count,
    progress: Progress | None = None,
    recipes: Iterable[Recipe] = (),
) -> Iterator[list[Hit]]:
    """Hits of one chunk after the other; `count` is filled on the way."""
    meter = _Meter(paths, progress)
    if source == "events":
        for path in paths:
            yield from _events(path, engine, count, meter)
        return
    if (make := readers_of(recipes).get(source)) is not None:
        texts = _whole_files if source in DOCUMENTS else _whole_lines
        ordered = sorted(paths, key=lambda path: (_first_of_reader(path, texts, make()), path.name))
        yield from _texts(ordered, make(), engine, count, partial(texts, meter=meter))
        return
    journal = AuthParser(now_s=0)
    parser = journal if source == "journald" else parser_of(source, 0)
    for path in _by_time(paths, source):
        modified = int(path.stat().st_mtime)
        parser.set_now(modified, utc_offset_s(modified))
        if source == "journald":
            yield from _journal(path, engine, journal, meter, count)
        else:
            yield from _log_file(path, engine, parser, meter)
    stats = parser.stats()
    count.lines += stats["lines"]
    count.matched += stats["matched"]
    count.malformed += stats["malformed"] + stats["too_long"]


class _Meter:
    """Tells how far the reading is, in bytes on disk."""

    def __init__(self, paths: list[Path], progress: Progress | None) -> None:
        self.total = sum(_status(path) for path in paths)
        self._progress = progress
        self._done = 0

    def advance(self, size: int) -> None:
        self._done += size
        if self._progress is not None:
            self._progress(self._done, self.total)


def _status(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> UnavailableError:
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return UnavailableError(f"cannot read {path}: {why}", "Give a readable file, plain or .gz")


def _blocks(path: Path, meter: _Meter) -> Iterator[bytes]:
    """The file's bytes, unpacked when it is gzip by its content."""
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            file = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if packed else raw
            before = 0
            while block := file.read(CHUNK_BYTES):
                yield block
                meter.advance(raw.tell() - before)
                before = raw.tell()
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from error


def _whole_lines(path: Path, meter: _Meter) -> Iterator[bytes]:
    """Chunks that end in a newline; the last line gets one when it lacks it."""
    rest = b""
    for block in _blocks(path, meter):
        end = block.rfind(b"\n") + 1
        if end:
            yield rest + block[:end]
            rest = block[end:]
        else:
            rest += block
            if len(rest) > LINE_MAX_BYTES:
                rest = rest[:LINE_MAX_BYTES]
    if rest:
        yield rest + b"\n"


def _whole_files(path: Path, meter: _Meter) -> Iterator[bytes]:
    """The file in one piece. Raises UnavailableError for one that is too large for that."""
    data = bytearray()
    for block in _blocks(path, meter):
        data += block
        if len(data) > FILE_MAX_BYTES:
            raise UnavailableError(f"{path} has more than {FILE_MAX_BYTES >> 20} MiB", "Split it")
    yield bytes(data)


def _log_file(path: Path, engine: Engine, parser: LineParser, meter: _Meter) -> Iterator[list[Hit]]:
    for chunk in _whole_lines(path, meter):
        yield engine.feed_lines(chunk, parser)[0]


def _texts(
    paths: list[Path],
    reader: Reader,
    engine: Engine,
    count: _Count,
    texts: Callable[[Path], Iterator[bytes]],
) -> Iterator[list[Hit]]:
    """Files of a source that a reader understands; what a file's end cut off goes on in the next one."""
    for path in paths:
        for chunk in texts(path):
            yield engine.feed(b"".join(reader.read(chunk)))
    yield engine.feed(b"".join(reader.finish()))
    count.lines += reader.stats.lines
    count.matched += reader.stats.matched
    count.malformed += reader.stats.malformed + reader.stats.lost


def _journal(
    path: Path, engine: Engine, parser: AuthParser, meter: _Meter, count: _Count
) -> Iterator[list[Hit]]:
    """`journalctl --output=json` of any machine."""
    for chunk in _whole_lines(path, meter):
        records = []
        for line in chunk.split(b"\n")[:-1]:
            entry = decode_entry(line)
            if entry is None:
                # The parser counts the lines that it sees; this one it does not.
                count.lines += 1
                count.malformed += 1
                continue
            record = parser.parse_message(entry.ts_ns, entry.host, entry.program, entry.pid, entry.message)
            if record is not None:
                records.append(record)
        yield engine.feed(b"".join(records))


def _events(path: Path, engine: Engine, count: _Count, meter: _Meter) -> Iterator[list[Hit]]:
    """A capture: events.jsonl, or raw records."""
    for records, read, refused in records_of(_blocks(path, meter)):
        count.lines += read + refused
        count.matched += read
        count.malformed += refused
        yield engine.feed(records)


def _by_time(paths: list[Path], source: str) -> list[Path]:
    """Oldest file first, so that auth.log.2.gz, auth.log.1, auth.log may be given in any order.

    A file without an event keeps the place that its modification time gives it.
    """
    return sorted(paths, key=lambda path: (_first_ns(path, source), path.name))


def _first_ns(path: Path, source: str) -> int:
    status = path.stat()
    kind = "auth_log" if source == "journald" else source
    parser = parser_of(kind, int(status.st_mtime), utc_offset_s(status.st_mtime))
    seen = 0
    for chunk in _whole_lines(path, _Meter([], None)):
        for line in chunk.split(b"\n")[:-1]:
            if source == "journald":
                entry = decode_entry(line)
                if entry is not None:
                    return entry.ts_ns
            elif (record := parser.parse(line)) is not None:
                return int.from_bytes(record[16:24], "little")
            seen += 1
            if seen > PROBE_LINES:
                return status.st_mtime_ns
    return status.st_mtime_ns


def _first_of_reader(path: Path, texts: Callable[[Path, _Meter], Iterator[bytes]], reader: Reader) -> int:
    """Time of the first record; only the file's first chunk is looked at."""
    for chunk in texts(path, _Meter([], None)):
        if records := [*reader.read(chunk), *reader.finish()]:
            return int.from_bytes(records[0][16:24], "little")
        break
    return path.stat().st_mtime_ns
